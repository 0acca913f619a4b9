// Internal: what travels beside a datagram's payload: control messages, man 3 cmsg.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "leat/net/datagram.h"
#include "leat/net/inet_address.h"

namespace leat::internal {

// Received.

/// Room for all that a socket may be told with one datagram: UDP_GRO, the traffic class, the
/// destination of both families, SO_RXQ_OVFL.
inline constexpr std::size_t kReceiveControlRoom =
    CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(in_pktinfo)) +
    CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(std::uint32_t));

struct ReceivedControl {
  std::uint16_t segment_size = 0;
  Ecn ecn = Ecn::kNotCapable;
  std::optional<InetAddress> local = std::nullopt;  ///< With port 0.
  /// How many the kernel has dropped so far, modulo 2^32.
  std::optional<std::uint32_t> drops = std::nullopt;
};

/// Reads what it knows; the rest, and what is shorter than its kind, is passed over.
[[nodiscard]] ReceivedControl parse_control(const msghdr& message);

// Sent.

/// Room for what build_control() writes.
inline constexpr std::size_t kSendControlRoom =
    CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(std::uint16_t));

struct SendControl {
  const InetAddress& to;    ///< In the socket's family.
  const InetAddress& from;  ///< Port does not count; 0.0.0.0 or [::]: none.
  Ecn ecn;
  std::uint16_t segment_size;  ///< 0: none.
};

/// Writes the control messages into `room`, aligned as cmsghdr and of kSendControlRoom bytes, and
/// returns how many bytes they take: 0 if there are none.
std::size_t build_control(const SendControl& control, std::span<std::byte> room);

/// `address` as a socket of `domain` (AF_INET or AF_INET6) names it: IPv4 mapped into IPv6, and
/// back. None if it cannot reach it.
[[nodiscard]] std::optional<InetAddress> in_domain(const InetAddress& address, int domain);

// The error queue.

/// Room for a report of either family.
inline constexpr std::size_t kErrorControlRoom = 512;

struct ReceivedError {
  int number;
  bool from_icmp;
  std::uint8_t type;
  std::uint8_t code;
  std::uint32_t info;  ///< The path's MTU with EMSGSIZE.
  InetAddress offender;
};

/// The report in a message of the error queue (IP_RECVERR in man 7 ip), if it has one.
[[nodiscard]] std::optional<ReceivedError> parse_error(const msghdr& message);

}  // namespace leat::internal
