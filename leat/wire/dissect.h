// Public: finds the flow that a frame belongs to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "leat/wire/flow_key.h"
#include "leat/wire/link_type.h"

namespace leat::wire {

/// Why a frame has no flow.
enum class DissectFault : std::uint8_t {
  kNone,
  kUnknownLink,         ///< A link type that is not in LinkType.
  kNotIp,               ///< A sound frame of another protocol: ARP, LLDP, 802.3 with LLC ...
  kTruncatedLink,       ///< The bytes end inside the link header or a VLAN tag.
  kTooManyVlanTags,     ///< More than kMostVlanTags.
  kTruncatedIp,         ///< The bytes end inside the IP header.
  kBadIpVersion,        ///< Neither 4 nor 6, or not what the link header says.
  kBadIpHeaderLength,   ///< An IPv4 header shorter than 20 bytes (RFC 791, 3.1).
  kBadIpLength,         ///< A length that the header or the frame contradicts.
  kTruncatedExtension,  ///< The bytes end inside an extension header.
  kBadExtension,        ///< Hop-by-hop options not first (RFC 8200, 4.1), an AH too short.
  kTooManyExtensions,   ///< More than kMostExtensions.
  kTruncatedTransport,  ///< The bytes end before the ports, or IP's length inside the header.
  kBadTransportLength,  ///< A TCP or UDP header whose length cannot be.
};

/// A short phrase: "the bytes end inside the IP header".
[[nodiscard]] std::string_view to_string(DissectFault fault);

/// Bounds on what a frame can make dissect() walk through.
inline constexpr int kMostVlanTags = 4;
inline constexpr int kMostExtensions = 15;

/// Where things lie in a frame. A value; offsets are in bytes from the frame's begin.
///
///     | link header, VLAN tags | IP header, extension headers | TCP, UDP ... |
///     0                        network_offset                 transport_offset
struct Dissection {
  FlowKey key;
  std::uint32_t network_offset = 0;
  /// At most the frame's size; in a fragment the begin of its piece.
  std::uint32_t transport_offset = 0;
  /// One of several pieces of a packet, the first one and an IPv6 atomic fragment (RFC 6946)
  /// included.
  bool fragment = false;
  /// Sent by the machine that captured it, as far as the link type tells (cooked captures do).
  bool outgoing = false;
};

/// Dissects `frame`, which may be the first part only of a frame that was `wire_length` bytes long
/// (`wire_length` must not be less than the frame's size; a snapped frame needs its headers up to
/// the ports). On a fault `found` has what was found before it, and its key is not to be used.
///
/// Goes through 802.1Q and 802.1ad tags, IPv4 options, the IPv6 headers hop-by-hop, routing,
/// destination options and fragment, and AH (RFC 4302) in both; not into tunnels, whose protocol
/// is the flow's. Only TCP and UDP have ports. Checksums are not looked at: in a capture those of
/// the machine's own packets are often not there yet. For the same reason an IP length of 0, which
/// stands for "more than 65535" there and for a jumbogram (RFC 2675), means all of the frame.
///
/// Reads nothing outside of `frame`, allocates nothing, any thread.
[[nodiscard]] DissectFault dissect(std::span<const std::byte> frame, std::size_t wire_length,
                                   LinkType link, Dissection& found);
/// A whole Ethernet frame.
[[nodiscard]] inline DissectFault dissect(std::span<const std::byte> frame, Dissection& found) {
  return dissect(frame, frame.size(), LinkType::kEthernet, found);
}

}  // namespace leat::wire
