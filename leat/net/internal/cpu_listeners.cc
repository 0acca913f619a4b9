#include "leat/net/internal/cpu_listeners.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <utility>

#include <fmt/format.h>

#include "leat/base/cpu_set.h"
#include "leat/base/unique_fd.h"
#include "leat/net/inet_address.h"
#include "leat/net/internal/reuseport_program.h"
#include "leat/net/internal/run_and_wait.h"
#include "leat/net/internal/server_loop.h"
#include "leat/net/internal/socket_ops.h"

#ifndef SO_INCOMING_CPU
#define SO_INCOMING_CPU 49
#endif

namespace leat::internal {

namespace {

constexpr int kPatience = 1000;  // milliseconds, for a handshake on loopback
/// Connections of each loop: that a hash happens to agree on all of them is no risk.
constexpr int kRounds = 8;

Error unsuitable(std::string what) {
  return Error::from_errno(EOPNOTSUPP, std::move(what));
}

Result<void> wait_for(int socket, short events, const char* what) {
  pollfd waiting{.fd = socket, .events = events, .revents = 0};
  const int ready = ::poll(&waiting, 1, kPatience);
  if (ready < 0) return Error::from_errno(errno, what);
  if (ready == 0) return Error::from_errno(ETIMEDOUT, what);
  const int failed = events == POLLOUT ? take_socket_error(socket) : 0;
  if (failed != 0) return Error::from_errno(failed, what);
  return {};
}

Result<void> connect_to(const InetAddress& address, UniqueFd& client) {
  Result<UniqueFd> socket = open_stream_socket(address.domain());
  if (!socket) return std::move(socket).error();
  client = std::move(*socket);
  if (::connect(client.get(), address.get(), address.size()) != 0 && errno != EINPROGRESS) {
    return Error::from_errno(errno, "connecting to a listener of its own");
  }
  return wait_for(client.get(), POLLOUT, "connecting to a listener of its own");
}

class Probe {
 public:
  Result<void> open(std::span<const int> cpus) {
    address_ = InetAddress::loopback(0);
    ListenerOptions options{.reuse_port = true};
    for (std::size_t i = 0; i < cpus.size(); ++i) {
      Result<UniqueFd> listener = open_listener(address_, options);
      if (!listener) return std::move(listener).error();
      Result<InetAddress> bound = InetAddress::local_of(listener->get());
      if (!bound) return std::move(bound).error();
      address_ = *bound;
      listeners_.push_back(std::move(*listener));
    }
    return choose_by_cpu(listeners_.front().get(), cpus);
  }

  [[nodiscard]] const InetAddress& address() const { return address_; }

  /// Takes the one connection that waits, and looks whether its CPU chose the listener.
  Result<void> check(std::span<const int> cpus) {
    std::vector<pollfd> waiting;
    for (const UniqueFd& listener : listeners_) {
      waiting.push_back({.fd = listener.get(), .events = POLLIN, .revents = 0});
    }
    if (::poll(waiting.data(), waiting.size(), kPatience) <= 0) {
      return Error::from_errno(ETIMEDOUT, "accepting a connection of its own");
    }
    for (std::size_t i = 0; i < listeners_.size(); ++i) {
      const UniqueFd accepted(::accept4(listeners_[i].get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!accepted) continue;
      int cpu = -1;
      socklen_t size = sizeof cpu;
      ::getsockopt(accepted.get(), SOL_SOCKET, SO_INCOMING_CPU, &cpu, &size);
      if (cpu == cpus[i]) return {};
      return unsuitable(fmt::format(
          "a connection received on CPU {} came to the listener of CPU {}", cpu, cpus[i]));
    }
    return unsuitable("a connection of its own came to nobody");
  }

 private:
  InetAddress address_;
  std::vector<UniqueFd> listeners_;
};

}  // namespace

Result<std::vector<int>> cpus_of_loops(std::span<const std::shared_ptr<ServerLoop>> loops) {
  std::vector<int> cpus;
  for (std::size_t i = 0; i < loops.size(); ++i) {
    const auto& share = loops[i];
    CpuSet allowed;
    const auto asked = run_and_wait(share->handle(), [&allowed]() -> Result<void> {
      Result<CpuSet> available = CpuSet::available();
      if (!available) return std::move(available).error();
      allowed = std::move(*available);
      return {};
    });
    if (!asked) return unsuitable(fmt::format("loop {} has ended", i));
    if (!*asked) return asked->error();
    if (allowed.count() != 1) {
      return unsuitable(fmt::format("{} is not pinned to one CPU, it may run on {}",
                                    share->loop().name(), allowed.to_list()));
    }
    if (std::ranges::find(cpus, allowed.first()) != cpus.end()) {
      return unsuitable(
          fmt::format("{} shares CPU {} with another loop", share->loop().name(), allowed.first()));
    }
    cpus.push_back(allowed.first());
  }
  if (cpus.size() > kMostCpus) return unsuitable(fmt::format("{} loops", cpus.size()));
  return cpus;
}

Result<void> verify_choice_by_cpu(std::span<const std::shared_ptr<ServerLoop>> loops,
                                  std::span<const int> cpus) {
  Probe probe;
  if (Result<void> opened = probe.open(cpus); !opened) return opened;
  for (std::size_t i = 0; i < loops.size() * kRounds; ++i) {
    const auto& share = loops[i % loops.size()];
    UniqueFd client;
    const auto connected = run_and_wait(
        share->handle(), [&probe, &client] { return connect_to(probe.address(), client); });
    if (!connected) return unsuitable(fmt::format("loop {} has ended", i % loops.size()));
    if (!*connected) return connected->error();
    if (Result<void> checked = probe.check(cpus); !checked) return checked;
  }
  return {};
}

}  // namespace leat::internal
