#include <cstring>

#include "leat/wire/internal/ip_layer.h"
#include "leat/wire/internal/load.h"

namespace leat::wire::internal {

namespace {

// RFC 8200, 3.
//
//      0: version 4 bits, traffic class, flow label   4: payload length   6: next header
//      7: hop limit   8: source   24: destination
constexpr std::size_t kIpv6HeaderSize = 40;
constexpr std::size_t kFragmentSize = 8;

/// RFC 8200, 4.2: next header, length in units of 8 bytes less 1, then at least six bytes.
DissectFault skip_options(IpWalk& walk, std::uint8_t& next) {
  if (!walk.has(8)) return DissectFault::kTruncatedExtension;
  const std::size_t size = (load_u8(walk.data() + 1) + 1u) * 8;
  if (!walk.has(size)) return DissectFault::kTruncatedExtension;
  next = load_u8(walk.data());
  walk.at += size;
  return DissectFault::kNone;
}

/// RFC 8200, 4.5. Behind it a piece of any kind is not looked into, so that all pieces of a packet
/// are one flow.
DissectFault skip_fragment_header(IpWalk& walk, std::uint8_t& next) {
  if (!walk.has(kFragmentSize)) return DissectFault::kTruncatedExtension;
  next = load_u8(walk.data());
  walk.at += kFragmentSize;
  return DissectFault::kNone;
}

DissectFault walk_extensions(IpWalk& walk, Dissection& found) {
  std::uint8_t& next = found.key.protocol;
  for (int count = 0; count <= kMostExtensions; ++count) {
    DissectFault fault = DissectFault::kNone;
    switch (next) {
      case kHopByHop:
        if (count != 0) return DissectFault::kBadExtension;
        [[fallthrough]];
      case kRouting:
      case kDestinationOptions:
        fault = skip_options(walk, next);
        break;
      case kAuthentication:
        fault = skip_authentication(walk, next);
        break;
      case kFragment:
        found.fragment = true;
        return skip_fragment_header(walk, next);
      default:
        return DissectFault::kNone;
    }
    if (fault != DissectFault::kNone) return fault;
  }
  return DissectFault::kTooManyExtensions;
}

}  // namespace

DissectFault walk_ipv6(IpWalk& walk, std::size_t wire_length, Dissection& found) {
  const std::byte* const header = walk.packet.data();
  if (load_u8(header) >> 4 != 6) return DissectFault::kBadIpVersion;
  if (walk.packet.size() < kIpv6HeaderSize) return DissectFault::kTruncatedIp;
  const std::size_t length = load_be16(header + 4);
  if (kIpv6HeaderSize + length > wire_length) return DissectFault::kBadIpLength;
  walk.end = length != 0 ? kIpv6HeaderSize + length : wire_length;
  walk.at = kIpv6HeaderSize;

  FlowKey& key = found.key;
  key.version = IpVersion::kV6;
  std::memcpy(key.source.data(), header + 8, 16);
  std::memcpy(key.destination.data(), header + 24, 16);
  key.protocol = load_u8(header + 6);
  return walk_extensions(walk, found);
}

}  // namespace leat::wire::internal
