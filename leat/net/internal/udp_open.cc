#include "leat/net/internal/udp_open.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <utility>

#include <fmt/format.h>

#include "leat/net/internal/bind_error.h"
#include "leat/net/internal/socket_ops.h"
#include "leat/net/udp_socket.h"

namespace leat::internal {

namespace {

constexpr std::size_t kMostBatch = 1024;  // UIO_MAXIOV, what one recvmmsg() takes
constexpr std::size_t kMostDatagram = 65535;

Result<void> check(const UdpOptions& options) {
  const auto refuse = [](const char* what) { return Error::invalid_argument(what); };
  if (options.batch < 1 || options.batch > kMostBatch) return refuse("UdpOptions::batch");
  if (options.receive_budget < 1) return refuse("UdpOptions::receive_budget");
  if (options.max_datagram < 1 || options.max_datagram > kMostDatagram) {
    return refuse("UdpOptions::max_datagram");
  }
  if (options.gro && options.max_datagram < UdpSocket::kMaxPayload) {
    return refuse("UdpOptions::max_datagram is too small for gro");
  }
  return {};
}

struct IntOption {
  int level;
  int option;
  int value;
  const char* name;
};

/// Sets each of them, up to the first that fails.
template <std::size_t kCount>
Result<void> set_all(int socket, const IntOption (&options)[kCount]) {
  for (const IntOption& one : options) {
    auto set = set_option(socket, one.level, one.option, one.value, one.name);
    if (!set) return set;
  }
  return {};
}

// What concerns IPv4 packets is set on IPv6 sockets as well, for those that they carry.

Result<void> set_ipv4(int socket, const UdpOptions& options, bool ipv6) {
  if (options.receive_ecn) {
    if (auto set = set_option(socket, IPPROTO_IP, IP_RECVTOS, 1, "IP_RECVTOS"); !set) return set;
  }
  if (options.error_queue) {
    if (auto set = set_option(socket, IPPROTO_IP, IP_RECVERR, 1, "IP_RECVERR"); !set) return set;
  }
  if (options.receive_local && !ipv6) {
    if (auto set = set_option(socket, IPPROTO_IP, IP_PKTINFO, 1, "IP_PKTINFO"); !set) return set;
  }
  return {};
}

Result<void> set_ipv6(int socket, const UdpOptions& options) {
  return set_all(socket,
                 {
                     {IPPROTO_IPV6, IPV6_RECVTCLASS, options.receive_ecn, "IPV6_RECVTCLASS"},
                     {IPPROTO_IPV6, IPV6_RECVERR, options.error_queue, "IPV6_RECVERR"},
                     {IPPROTO_IPV6, IPV6_RECVPKTINFO, options.receive_local, "IPV6_RECVPKTINFO"},
                 });
}

Result<void> set_path_mtu_discovery(int socket, PathMtuDiscovery wanted, bool ipv6) {
  int value = IP_PMTUDISC_WANT;
  switch (wanted) {
    case PathMtuDiscovery::kSystem:
      return {};
    case PathMtuDiscovery::kNever:
      value = IP_PMTUDISC_DONT;
      break;
    case PathMtuDiscovery::kWant:
      value = IP_PMTUDISC_WANT;
      break;
    case PathMtuDiscovery::kAlways:
      value = IP_PMTUDISC_DO;
      break;
    case PathMtuDiscovery::kProbe:
      value = IP_PMTUDISC_PROBE;
      break;
  }
  static_assert(IP_PMTUDISC_DO == IPV6_PMTUDISC_DO && IP_PMTUDISC_PROBE == IPV6_PMTUDISC_PROBE);
  auto set = set_option(socket, IPPROTO_IP, IP_MTU_DISCOVER, value, "IP_MTU_DISCOVER");
  if (!set || !ipv6) return set;
  return set_option(socket, IPPROTO_IPV6, IPV6_MTU_DISCOVER, value, "IPV6_MTU_DISCOVER");
}

Result<void> set_all_options(int socket, const UdpOptions& options, bool ipv6) {
  if (options.reuse_port) {
    if (auto set = set_option(socket, SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT"); !set)
      return set;
  }
  if (options.kernel_receive_buffer > 0) {
    auto set =
        set_option(socket, SOL_SOCKET, SO_RCVBUF, options.kernel_receive_buffer, "SO_RCVBUF");
    if (!set) return set;
  }
  if (options.kernel_send_buffer > 0) {
    auto set = set_option(socket, SOL_SOCKET, SO_SNDBUF, options.kernel_send_buffer, "SO_SNDBUF");
    if (!set) return set;
  }
  if (auto set = set_option(socket, SOL_SOCKET, SO_RXQ_OVFL, 1, "SO_RXQ_OVFL"); !set) return set;
  if (options.gro) {
    if (auto set = set_option(socket, SOL_UDP, UDP_GRO, 1, "UDP_GRO"); !set) return set;
  }
  if (auto set = set_ipv4(socket, options, ipv6); !set) return set;
  if (ipv6) {
    if (auto set = set_ipv6(socket, options); !set) return set;
  }
  if (auto set = set_path_mtu_discovery(socket, options.path_mtu_discovery, ipv6); !set) return set;
  return set_busy_poll(socket, options.busy_poll);
}

/// A kernel without it would pass over the control message, and send all as one datagram.
bool has_segmentation(int socket) {
  int size = 0;
  socklen_t length = sizeof size;
  return ::getsockopt(socket, SOL_UDP, UDP_SEGMENT, &size, &length) == 0;
}

Result<OpenedUdp> open_socket(int domain, const UdpOptions& options) {
  OpenedUdp opened;
  opened.socket = UniqueFd(::socket(domain, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!opened.socket) return Error::from_errno(errno, "socket");
  const bool ipv6 = domain == AF_INET6;
  if (ipv6) {
    auto set = set_option(opened.socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0, "IPV6_V6ONLY");
    if (!set) return std::move(set).error();
  }
  auto set = set_all_options(opened.socket.get(), options, ipv6);
  if (!set) return std::move(set).error();
  opened.gso = options.gso && has_segmentation(opened.socket.get());
  return opened;
}

Result<void> bind_to(int socket, const InetAddress& address) {
  const int number = bind_patiently(socket, address);
  if (number == 0) return {};
  if (number == EADDRINUSE) {
    return Error::from_errno(
        number, fmt::format("bind {} (another UDP socket has the port)", address.to_string()));
  }
  return bind_error(number, "bind", address, true);
}

Result<OpenedUdp> with_local(OpenedUdp opened) {
  Result<InetAddress> local = InetAddress::local_of(opened.socket.get());
  if (!local) return std::move(local).error();
  opened.local = *local;
  return opened;
}

Error not_ip(const InetAddress& address) {
  return Error::from_errno(EAFNOSUPPORT, fmt::format("UDP on {}", address.to_string()));
}

}  // namespace

Result<OpenedUdp> open_bound_udp(const InetAddress& address, const UdpOptions& options) {
  if (!address.is_ip()) return not_ip(address);
  if (auto checked = check(options); !checked) return checked.error();
  Result<OpenedUdp> opened = open_socket(address.domain(), options);
  if (!opened) {
    const bool no_ipv6 = address.domain() == AF_INET6 && opened.error().number() == EAFNOSUPPORT;
    if (no_ipv6 && address.is_any())
      return open_bound_udp(InetAddress::any(address.port()), options);
    return opened;
  }
  if (auto bound = bind_to(opened->socket.get(), address); !bound) return bound.error();
  return with_local(std::move(*opened));
}

Result<OpenedUdp> adopt_bound_udp(UniqueFd socket, const UdpOptions& options) {
  if (auto checked = check(options); !checked) return checked.error();
  OpenedUdp opened;
  opened.socket = std::move(socket);
  const int fd = opened.socket.get();
  const Result<InetAddress> local = InetAddress::local_of(fd);
  if (!local) return local.error();
  auto set = set_all_options(fd, options, local->domain() == AF_INET6);
  if (!set) return std::move(set).error();
  opened.gso = options.gso && has_segmentation(fd);
  return with_local(std::move(opened));
}

Result<OpenedUdp> open_connected_udp(const InetAddress& peer, const UdpOptions& options) {
  if (!peer.is_ip()) return not_ip(peer);
  if (auto checked = check(options); !checked) return checked.error();
  Result<OpenedUdp> opened = open_socket(peer.domain(), options);
  if (!opened) return opened;
  const int socket = opened->socket.get();
  if (options.bind_to) {
    if (auto bound = bind_to(socket, *options.bind_to); !bound) return bound.error();
  }
  if (::connect(socket, peer.get(), peer.size()) != 0) {
    return Error::from_errno(errno, fmt::format("connect {}", peer.to_string()));
  }
  opened->peer = peer;
  return with_local(std::move(*opened));
}

}  // namespace leat::internal
