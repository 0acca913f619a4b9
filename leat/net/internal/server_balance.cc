// The part of a ServerCore that chooses between its listeners.

#include <cerrno>
#include <string>
#include <utility>

#include "leat/base/logging.h"
#include "leat/net/internal/cpu_listeners.h"
#include "leat/net/internal/reuseport_program.h"
#include "leat/net/internal/server_core.h"

namespace leat::internal {

bool ServerCore::has_group(Balance balance) {
  return balance != Balance::kRoundRobin && balance != Balance::kShared;
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

/// Gives a group its program, or says why it is left to the hash. Before anybody accepts.
void ServerCore::apply_balance(Listener& listener) {
  if (listener.balance != Balance::kIncomingCpu && listener.balance != Balance::kStandby) return;
  const bool alone = listener.sockets.size() == 1 && !options_.share_port;
  if (listener.balance == Balance::kStandby && alone) return;
  const Result<void> applied = listener.balance == Balance::kStandby
                                   ? choose_first(listener.sockets.front().get())
                                   : apply_incoming_cpu(listener);
  if (applied) return;
  const Balance wanted = std::exchange(listener.balance, Balance::kKernelHash);
  listener.reason = applied.error().message();
  LEAT_LOG_WARN("server {}: {} is served by {} instead of {}: {}", options_.name,
                listener.address.to_string(), to_string(listener.balance), to_string(wanted),
                listener.reason);
}

Result<void> ServerCore::apply_incoming_cpu(const Listener& listener) const {
  const auto unsuitable = [](const char* what) { return Error::from_errno(EOPNOTSUPP, what); };
  if (listener.sockets.size() < 2) return unsuitable("there is only one loop");
  if (options_.share_port) {
    return unsuitable("with share_port the places of the listeners in their group are not known");
  }
  const Result<std::vector<int>> cpus = cpus_of_loops(loops_);
  if (!cpus) return cpus.error();
  if (Result<void> honoured = verify_choice_by_cpu(loops_, *cpus); !honoured) return honoured;
  return choose_by_cpu(listener.sockets.front().get(), *cpus);
}

/// What the loops of a server's own are pinned to.
CpuSet ServerCore::cpus_for_loops() const {
  if (!options_.cpus.empty() || options_.balance != Balance::kIncomingCpu) return options_.cpus;
  return CpuSet::available().value_or(CpuSet());
}

}  // namespace leat::internal
