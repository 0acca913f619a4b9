#include "leat/smc/socket_counts.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cstddef>
#include <cstring>

#include "leat/smc/internal/raw_syscall.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

namespace leat::smc {

namespace {

using internal::raw_argument;
using internal::raw_syscall;

// The kernel's TCP_ESTABLISHED and TCP_CLOSE_WAIT (include/net/tcp_states.h).
constexpr unsigned kEstablished = 1;
constexpr unsigned kCloseWait = 8;
// Bytes on their way change one count between the readings of two.
constexpr int kTries = 1000;

template <typename T>
bool get_option(int socket, int level, int name, T& value) {
  socklen_t size = sizeof value;
  return raw_syscall(SYS_getsockopt, socket, level, name, raw_argument(&value),
                     raw_argument(&size)) == 0;
}

bool get_info(int socket, tcp_info& info) {
  std::memset(&info, 0, sizeof info);
  return get_option(socket, IPPROTO_TCP, TCP_INFO, info);
}

bool ask(int socket, unsigned long request, int& value) {
  return raw_syscall(SYS_ioctl, socket, static_cast<long>(request), raw_argument(&value)) == 0;
}

/// One end of the socket into `address` and `port`; the family it is, or 0.
std::uint16_t take_name(const sockaddr_storage& name, std::uint8_t (&address)[16],
                        std::uint16_t& port) {
  if (name.ss_family == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, &name, sizeof in);
    std::memcpy(address, &in.sin_addr, 4);
    port = ntohs(in.sin_port);
    return AF_INET;
  }
  if (name.ss_family != AF_INET6) return 0;
  sockaddr_in6 in6;
  std::memcpy(&in6, &name, sizeof in6);
  port = ntohs(in6.sin6_port);
  if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
    std::memcpy(address, in6.sin6_addr.s6_addr + 12, 4);
    return AF_INET;
  }
  std::memcpy(address, &in6.sin6_addr, 16);
  return AF_INET6;
}

bool get_names(int socket, SocketNames& names) {
  sockaddr_storage local = {};
  sockaddr_storage peer = {};
  socklen_t size = sizeof local;
  if (raw_syscall(SYS_getsockname, socket, raw_argument(&local), raw_argument(&size)) != 0)
    return false;
  size = sizeof peer;
  if (raw_syscall(SYS_getpeername, socket, raw_argument(&peer), raw_argument(&size)) != 0)
    return false;
  names.family = take_name(local, names.local, names.local_port);
  return names.family != 0 && take_name(peer, names.peer, names.peer_port) == names.family;
}

bool is_tcp(int socket) {
  int domain = 0;
  int type = 0;
  int protocol = 0;
  return get_option(socket, SOL_SOCKET, SO_DOMAIN, domain) &&
         get_option(socket, SOL_SOCKET, SO_TYPE, type) &&
         get_option(socket, SOL_SOCKET, SO_PROTOCOL, protocol) &&
         (domain == AF_INET || domain == AF_INET6) && type == SOCK_STREAM &&
         protocol == IPPROTO_TCP;
}

/// Whether packets of other sockets could bear the same names.
bool is_bound_apart(int socket) {
  char device[16] = {};
  socklen_t size = sizeof device;
  if (raw_syscall(SYS_getsockopt, socket, SOL_SOCKET, SO_BINDTODEVICE, raw_argument(device),
                  raw_argument(&size)) == 0 &&
      size != 0 && device[0] != 0) {
    return true;
  }
  int transparent = 0;
  return get_option(socket, IPPROTO_IP, IP_TRANSPARENT, transparent) && transparent != 0;
}

}  // namespace

std::uint64_t tcp_written(int socket, bool connects) {
  for (int i = 0; i < kTries; ++i) {
    tcp_info before;
    tcp_info after;
    int queued = 0;
    if (!get_info(socket, before) || !ask(socket, SIOCOUTQ, queued) || !get_info(socket, after)) {
      return kNoCount;
    }
    if (after.tcpi_state != kEstablished && after.tcpi_state != kCloseWait) return kNoCount;
    if (before.tcpi_bytes_acked != after.tcpi_bytes_acked) continue;
    return std::uint64_t{after.tcpi_bytes_acked} + static_cast<unsigned>(queued) -
           (connects ? 1U : 0U);
  }
  return kNoCount;
}

std::uint64_t tcp_consumed(int socket) {
  for (int i = 0; i < kTries; ++i) {
    tcp_info before;
    tcp_info after;
    int unread = 0;
    if (!get_info(socket, before) || !ask(socket, FIONREAD, unread) || !get_info(socket, after)) {
      return kNoCount;
    }
    if (after.tcpi_state != kEstablished) return kNoCount;
    if (before.tcpi_bytes_received != after.tcpi_bytes_received) continue;
    return std::uint64_t{after.tcpi_bytes_received} - static_cast<unsigned>(unread);
  }
  return kNoCount;
}

bool segment_counts(int socket, SegmentCounts& counts) {
  tcp_info info;
  if (!get_info(socket, info) || info.tcpi_state != kEstablished) return false;
  counts.written = std::uint64_t{info.tcpi_bytes_sent} - info.tcpi_bytes_retrans;
  counts.received = info.tcpi_bytes_received;
  counts.unacked = info.tcpi_unacked;
  counts.pure_in = info.tcpi_segs_in - info.tcpi_data_segs_in;
  counts.pure_out = info.tcpi_segs_out - info.tcpi_data_segs_out;
  return true;
}

// An even value sends what is due and goes on delaying acknowledgements; an odd one stops that
// (__tcp_sock_set_quickack). The mode stays what it was.
bool acknowledge_now(int socket, const SegmentCounts& before) {
  int quick = 0;
  if (!get_option(socket, IPPROTO_TCP, TCP_QUICKACK, quick)) return false;
  const int now = quick != 0 ? 1 : 2;
  SegmentCounts after;
  return raw_syscall(SYS_setsockopt, socket, IPPROTO_TCP, TCP_QUICKACK, raw_argument(&now),
                     sizeof now) == 0 &&
         segment_counts(socket, after) && after.pure_out != before.pure_out;
}

FallbackReason identify(int socket, Offer& offer) {
  if (!is_tcp(socket)) return FallbackReason::kNotEarned;
  offer.cookie = socket_cookie(socket);
  if (offer.cookie == 0 || !get_option(socket, SOL_SOCKET, SO_NETNS_COOKIE, offer.netns)) {
    return FallbackReason::kOldKernel;
  }
  tcp_info info;
  if (!get_info(socket, info) || info.tcpi_state != kEstablished) {
    return FallbackReason::kNotEstablished;
  }
  offer.names = {};
  if (!get_names(socket, offer.names)) return FallbackReason::kNotEstablished;
  if (offer.names == offer.names.mirrored()) return FallbackReason::kSelfConnected;
  if (is_bound_apart(socket)) return FallbackReason::kSocketBound;
  return FallbackReason::kNone;
}

bool is_still(int socket, const Offer& offer) {
  tcp_info info;
  SocketNames names;
  return socket_cookie(socket) == offer.cookie && get_info(socket, info) &&
         info.tcpi_state == kEstablished && get_names(socket, names) && names == offer.names;
}

std::uint64_t socket_cookie(int socket) {
  std::uint64_t cookie = 0;
  return get_option(socket, SOL_SOCKET, SO_COOKIE, cookie) ? cookie : 0;
}

}  // namespace leat::smc
