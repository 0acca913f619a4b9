// The part of a ServerCore that chooses between its listeners.

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include "leat/base/logging.h"
#include "leat/net/internal/cpu_listeners.h"
#include "leat/net/internal/reuseport_program.h"
#include "leat/net/internal/server_core.h"
#include "leat/net/request_migration.h"

namespace leat::internal {

namespace {

/// For the kernel to let go of the sockets of a program that was detached: two grace periods of
/// RCU.
constexpr Duration kLettingGo = std::chrono::seconds(2);

bool has_program(Balance balance) {
  return balance == Balance::kIncomingCpu || balance == Balance::kStandby ||
         balance == Balance::kConsistentHash;
}

Error unsuitable(const char* what) {
  return Error::from_errno(EOPNOTSUPP, what);
}

}  // namespace

/// Whether it wants a listener for each loop.
bool ServerCore::has_group(Balance balance) {
  return balance == Balance::kKernelHash || balance == Balance::kIncomingCpu ||
         balance == Balance::kLeastConnections || balance == Balance::kConsistentHash;
}

Balance ServerCore::balance_for(const InetAddress& address) const {
  const bool reuse_port_works = address.is_ip();
  if (has_group(options_.balance) && !reuse_port_works) return Balance::kShared;
  return options_.balance;
}

Result<void> ServerCore::check_balance(const InetAddress& address) const {
  if (options_.balance != Balance::kIncomingCpu || !address.is_loopback()) return {};
  if (options_.force_balance) return {};
  std::string what("incoming_cpu on ");
  what.append(address.to_string())
      .append(
          ": on loopback the CPU that receives is the client's, so the clients' places would"
          " decide; set force_balance if that is wanted, or choose kernel_hash");
  return Error::invalid_argument(std::move(what));
}

/// Gives a group its program, or says why it is left to the hash. Before anybody accepts, and again
/// when the group has changed. Of an inherited group it replaces what its last owner had chosen.
void ServerCore::apply_balance(Listener& listener) {
  const Balance wanted = balance_for(listener.address);
  if (!has_program(wanted) || listener.balance == Balance::kShared) return;
  const Result<void> applied = apply_program(listener, wanted);
  if (applied) {
    listener.balance = wanted;
    listener.reason.clear();
    return;
  }
  listener.hash.reset();
  (void)choose_by_hash(listener.sockets.front().get());
  listener.balance = Balance::kKernelHash;
  listener.reason = applied.error().message();
  LEAT_LOG_WARN("server {}: {} is served by {} instead of {}: {}", options_.name,
                listener.address.to_string(), to_string(listener.balance), to_string(wanted),
                listener.reason);
  allow_migration(listener);
}

Result<void> ServerCore::apply_program(Listener& listener, Balance balance) {
  if (balance == Balance::kIncomingCpu) return apply_incoming_cpu(listener);
  if (balance == Balance::kConsistentHash) return apply_consistent_hash(listener);
  const bool alone = listener.sockets.size() == 1 && !options_.share_port;
  return alone ? Result<void>() : choose_first(listener.sockets.front().get());
}

Result<void> ServerCore::apply_incoming_cpu(const Listener& listener) {
  if (listener.sockets.size() < 2) return unsuitable("there is only one loop");
  if (options_.share_port) {
    return unsuitable("with share_port the places of the listeners in their group are not known");
  }
  if (cpus_of_loops_.empty()) {
    Result<std::vector<int>> cpus = cpus_of_loops(loops_);
    if (!cpus) return std::move(cpus).error();
    if (Result<void> honoured = verify_choice_by_cpu(loops_, *cpus); !honoured) return honoured;
    cpus_of_loops_ = *std::move(cpus);
  }
  const std::size_t count = std::min(listener.sockets.size(), cpus_of_loops_.size());
  return choose_by_cpu(listener.sockets.front().get(), std::span(cpus_of_loops_).first(count));
}

/// The members are the listeners of the loops that accept. Those of a process that still serves
/// are in its map, so they keep its program until own_listeners().
Result<void> ServerCore::apply_consistent_hash(Listener& listener) {
  if (options_.share_port) {
    return unsuitable("with share_port the table would leave out the other processes' listeners");
  }
  std::vector<ConsistentHashGroup::Member> members;
  for (const std::size_t i : takers()) {
    if (i < listener.sockets.size()) members.push_back({i, listener.sockets[i].get()});
  }
  if (members.empty() || (listener.sockets.size() == 1 && !listener.hash)) return {};
  if (!listener.hash) {
    auto made = ConsistentHashGroup::create(std::max(serving_loops(), listener.sockets.size()));
    if (!made) return std::move(made).error();
    listener.hash = *std::move(made);
  }
  const auto is_busy = [](const Result<void>& set) {
    return !set && set.error().number() == EBUSY;
  };
  Result<void> set = listener.hash->set_members(members);
  if (is_busy(set) && listener.borrowed) return {};
  if (is_busy(set)) {
    (void)ConsistentHashGroup::detach(members.front().socket);
    const MonotonicTime limit = monotonic_now() + kLettingGo;
    for (; is_busy(set) && monotonic_now() < limit; set = listener.hash->set_members(members)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  return set;
}

/// A group has one program: the one that chooses comes first.
void ServerCore::allow_migration(const Listener& listener) const {
  const int first = listener.sockets.front().get();
  if (!listener.address.is_ip() || !is_in_group(first)) return;
  if (listener.balance == Balance::kConsistentHash) return;  // its program lets them migrate
  Result<void> attached;
  if (has_program(listener.balance)) {
    std::string what("the group has the program of ");
    what.append(to_string(listener.balance));
    attached = Error::from_errno(EBUSY, std::move(what));
  } else if (options_.migrate_requests) {
    attached = attach_request_migration(first);
  } else if (listener.borrowed) {
    // It may have a program of the process that it came from.
    (void)choose_by_hash(first);
  }
  if (!options_.migrate_requests || attached || system_migrates_requests()) return;
  LEAT_LOG_WARN(
      "requests do not migrate from listeners of {} that close: {}; else "
      "net.ipv4.tcp_migrate_req=1 would do",
      listener.address.to_string(), attached.error().message());
}

void ServerCore::note_balances() {
  balances_.clear();
  for (const Listener& listener : listeners_) {
    balances_.push_back({listener.address, listener.balance, listener.reason});
  }
}

void ServerCore::tell_who_accepts() const {
  for (std::size_t i = 0; i < loops_.size(); ++i) loops_[i]->take_new(i < accepting_);
}

/// What the loops of a server's own are pinned to.
CpuSet ServerCore::cpus_for_loops() const {
  if (!options_.cpus.empty() || options_.balance != Balance::kIncomingCpu) return options_.cpus;
  return CpuSet::available().value_or(CpuSet());
}

}  // namespace leat::internal
