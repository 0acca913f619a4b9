#include "leat/net/internal/socket_ops.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <limits>

#include <fmt/format.h>

#include "leat/net/internal/bind_error.h"
#include "leat/net/internal/unix_path_guard.h"

namespace leat::internal {

namespace {

Result<void> prepare_listener(int socket, const InetAddress& address,
                              const ListenerOptions& options) {
  if (options.reuse_address && address.is_ip()) {
    if (auto set = set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR"); !set)
      return set;
  }
  if (options.reuse_port && !options.first_of_group) {
    if (auto set = set_option(socket, SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT"); !set)
      return set;
  }
  if (address.family() == InetAddress::Family::kIpv6) {
    if (auto set = set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, 0, "IPV6_V6ONLY"); !set)
      return set;
  }
  return apply_options(socket, options.connection, address.family());
}

Result<void> bind_and_listen(int socket, const InetAddress& address,
                             const ListenerOptions& options) {
  UnixPathGuard guard;
  if (auto locked = guard.lock(address); !locked) return locked;
  const int failed = bind_patiently(socket, address);
  if (failed != 0) return bind_error(failed, "bind", address, options.reuse_address);
  if (options.reuse_port && options.first_of_group) {
    // bind() looked for others as if nothing were to be shared; members of the group look at the
    // option as it is when they bind.
    if (auto set = set_option(socket, SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT"); !set)
      return set;
  }
  if (::listen(socket, options.backlog) != 0) {
    return bind_error(errno, "listen", address, options.reuse_address);
  }
  return {};
}

}  // namespace

Result<UniqueFd> open_listener(const InetAddress& address, const ListenerOptions& options) {
  Result<UniqueFd> socket = open_stream_socket(address.domain());
  if (!socket) {
    const bool no_ipv6 = address.domain() == AF_INET6 && socket.error().number() == EAFNOSUPPORT;
    if (no_ipv6 && address.is_any())
      return open_listener(InetAddress::any(address.port()), options);
    return socket;
  }
  if (auto prepared = prepare_listener(socket->get(), address, options); !prepared) {
    return prepared.error();
  }
  if (auto listening = bind_and_listen(socket->get(), address, options); !listening) {
    return listening.error();
  }
  return socket;
}

Result<UniqueFd> open_stream_socket(int domain) {
  const int fd = ::socket(domain, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return Error::from_errno(errno, "socket");
  return UniqueFd(fd);
}

namespace {

Result<void> set_keep_alive(int socket, const ConnectionOptions& options) {
  if (!options.keep_alive) return {};
  if (auto set = set_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1, "SO_KEEPALIVE"); !set) return set;
  const auto apply = [socket](int option, std::int64_t value, std::string_view name) {
    if (value == 0) return Result<void>();
    // What is out of the kernel's range shall be refused by it, not cut to something else.
    const auto most = std::int64_t{std::numeric_limits<int>::max()};
    return set_option(socket, IPPROTO_TCP, option, static_cast<int>(std::clamp(value, -most, most)),
                      name);
  };
  const std::int64_t idle = options.keep_alive_idle.count();
  const std::int64_t interval = options.keep_alive_interval.count();
  if (auto set = apply(TCP_KEEPIDLE, idle, "TCP_KEEPIDLE"); !set) return set;
  if (auto set = apply(TCP_KEEPINTVL, interval, "TCP_KEEPINTVL"); !set) return set;
  return apply(TCP_KEEPCNT, options.keep_alive_probes, "TCP_KEEPCNT");
}

}  // namespace

Result<void> apply_options(int socket, const ConnectionOptions& options,
                           InetAddress::Family family) {
  if (family != InetAddress::Family::kUnix) {
    if (options.no_delay) {
      auto set = set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY");
      if (!set) return set;
    }
    if (auto set = set_keep_alive(socket, options); !set) return set;
    if (auto set = set_busy_poll(socket, options.busy_poll); !set) return set;
  }
  if (options.kernel_send_buffer > 0) {
    auto set = set_option(socket, SOL_SOCKET, SO_SNDBUF, options.kernel_send_buffer, "SO_SNDBUF");
    if (!set) return set;
  }
  if (options.kernel_receive_buffer > 0) {
    return set_option(socket, SOL_SOCKET, SO_RCVBUF, options.kernel_receive_buffer, "SO_RCVBUF");
  }
  return {};
}

Result<void> apply_to_accepted(int socket, const ConnectionOptions& options,
                               InetAddress::Family family) {
  if (family != InetAddress::Family::kUnix) return {};
  return apply_options(socket, options, family);
}

Result<void> set_option(int socket, int level, int option, int value, std::string_view name) {
  if (::setsockopt(socket, level, option, &value, sizeof value) == 0) return {};
  return Error::from_errno(errno, fmt::format("setsockopt {}", name));
}

Result<void> set_busy_poll(int socket, const SocketBusyPoll& busy_poll) {
  const auto apply = [socket](int option, std::int64_t value, const char* name) -> Result<void> {
    const auto most = std::int64_t{std::numeric_limits<int>::max()};
    const int number = static_cast<int>(std::clamp(value, -most, most));
    auto set = set_option(socket, SOL_SOCKET, option, number, name);
    if (set) return set;
    const char* reason = "";
    if (set.error().number() == EPERM) reason = " (needs CAP_NET_ADMIN)";
    if (set.error().number() == ENOPROTOOPT) {
      reason = " (needs Linux 5.11 with CONFIG_NET_RX_BUSY_POLL)";
    }
    return Error(set.error().code(), set.error().context() + reason);
  };
  if (busy_poll.time.count() != 0) {
    if (auto set = apply(SO_BUSY_POLL, busy_poll.time.count(), "SO_BUSY_POLL"); !set) return set;
  }
  if (busy_poll.prefer) {
    if (auto set = apply(SO_PREFER_BUSY_POLL, 1, "SO_PREFER_BUSY_POLL"); !set) return set;
  }
  if (busy_poll.budget != 0) {
    return apply(SO_BUSY_POLL_BUDGET, busy_poll.budget, "SO_BUSY_POLL_BUDGET");
  }
  return {};
}

int take_socket_error(int socket) {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error;
}

}  // namespace leat::internal
