#include "leat/wire/dissect.h"

#include "leat/base/assert.h"
#include "leat/wire/internal/ip_layer.h"
#include "leat/wire/internal/link_layer.h"
#include "leat/wire/internal/load.h"

namespace leat::wire {

namespace {

using internal::IpWalk;
using internal::load_be16;
using internal::load_u8;

constexpr std::size_t kPortsSize = 4;
constexpr std::size_t kTcpSize = 20;
constexpr std::size_t kUdpSize = 8;

/// RFC 9293, 3.1: the data offset, in words, is in the upper half of byte 12.
DissectFault check_tcp(const IpWalk& walk) {
  const std::size_t carried = walk.end - walk.at;
  if (carried < kTcpSize) return DissectFault::kTruncatedTransport;
  if (!walk.has(13)) return DissectFault::kNone;  // Snapped behind the ports.
  const std::size_t size = (load_u8(walk.data() + 12) >> 4) * 4u;
  return size < kTcpSize || size > carried ? DissectFault::kBadTransportLength
                                           : DissectFault::kNone;
}

/// RFC 768; a length of 0 belongs to jumbograms (RFC 2675, 4).
DissectFault check_udp(const IpWalk& walk) {
  const std::size_t carried = walk.end - walk.at;
  if (carried < kUdpSize) return DissectFault::kTruncatedTransport;
  if (!walk.has(6)) return DissectFault::kNone;
  const std::size_t size = load_be16(walk.data() + 4);
  return size != 0 && (size < kUdpSize || size > carried) ? DissectFault::kBadTransportLength
                                                          : DissectFault::kNone;
}

DissectFault read_ports(const IpWalk& walk, FlowKey& key) {
  if (key.protocol != internal::kTcp && key.protocol != internal::kUdp) return DissectFault::kNone;
  if (!walk.has(kPortsSize)) return DissectFault::kTruncatedTransport;
  key.source_port = load_be16(walk.data());
  key.destination_port = load_be16(walk.data() + 2);
  key.has_ports = true;
  return key.protocol == internal::kTcp ? check_tcp(walk) : check_udp(walk);
}

}  // namespace

DissectFault dissect(std::span<const std::byte> frame, std::size_t wire_length, LinkType link,
                     Dissection& found) {
  LEAT_ASSERT(wire_length >= frame.size(), "more of a frame captured than there was");
  found = {};
  internal::NetworkHeader network;
  DissectFault fault = internal::find_network_header(frame, link, network);
  found.network_offset = static_cast<std::uint32_t>(network.offset);
  found.outgoing = network.outgoing;
  if (fault != DissectFault::kNone) return fault;

  IpWalk walk{.packet = frame.subspan(network.offset)};
  wire_length -= network.offset;
  fault = network.version == IpVersion::kV4 ? internal::walk_ipv4(walk, wire_length, found)
                                            : internal::walk_ipv6(walk, wire_length, found);
  found.transport_offset = static_cast<std::uint32_t>(network.offset + walk.at);
  if (fault != DissectFault::kNone || found.fragment) return fault;
  return read_ports(walk, found.key);
}

std::string_view to_string(DissectFault fault) {
  switch (fault) {
    case DissectFault::kNone:
      return "no fault";
    case DissectFault::kUnknownLink:
      return "an unknown link type";
    case DissectFault::kNotIp:
      return "neither IPv4 nor IPv6";
    case DissectFault::kTruncatedLink:
      return "the bytes end inside the link header";
    case DissectFault::kTooManyVlanTags:
      return "too many VLAN tags";
    case DissectFault::kTruncatedIp:
      return "the bytes end inside the IP header";
    case DissectFault::kBadIpVersion:
      return "a wrong IP version";
    case DissectFault::kBadIpHeaderLength:
      return "an impossible IPv4 header length";
    case DissectFault::kBadIpLength:
      return "an impossible IP length";
    case DissectFault::kTruncatedExtension:
      return "the bytes end inside an extension header";
    case DissectFault::kBadExtension:
      return "an impossible extension header";
    case DissectFault::kTooManyExtensions:
      return "too many extension headers";
    case DissectFault::kTruncatedTransport:
      return "the bytes end inside the TCP or UDP header";
    case DissectFault::kBadTransportLength:
      return "an impossible TCP or UDP length";
  }
  return "an unknown fault";
}

}  // namespace leat::wire
