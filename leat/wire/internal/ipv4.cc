#include <cstring>

#include "leat/wire/internal/ip_layer.h"
#include "leat/wire/internal/load.h"

namespace leat::wire::internal {

namespace {

// RFC 791, 3.1.
//
//      0: version 4 bits, header length in words 4 bits   1: service
//      2: total length   4: identification   6: flags 3 bits, offset 13 bits
//      8: time to live   9: protocol   10: checksum   12: source   16: destination   20: options
constexpr std::size_t kShortestIpv4Header = 20;
constexpr std::uint16_t kMoreOrOffset = 0x3fff;

}  // namespace

DissectFault walk_ipv4(IpWalk& walk, std::size_t wire_length, Dissection& found) {
  const std::byte* const header = walk.packet.data();
  if (load_u8(header) >> 4 != 4) return DissectFault::kBadIpVersion;
  const std::size_t size = (load_u8(header) & 0xfu) * 4;
  if (size < kShortestIpv4Header) return DissectFault::kBadIpHeaderLength;
  if (walk.packet.size() < size) return DissectFault::kTruncatedIp;
  const std::size_t length = load_be16(header + 2);
  if (length != 0 && (length < size || length > wire_length)) return DissectFault::kBadIpLength;
  walk.end = length != 0 ? length : wire_length;
  walk.at = size;

  FlowKey& key = found.key;
  key.version = IpVersion::kV4;
  std::memcpy(key.source.data(), header + 12, 4);
  std::memcpy(key.destination.data(), header + 16, 4);
  key.protocol = load_u8(header + 9);
  found.fragment = (load_be16(header + 6) & kMoreOrOffset) != 0;
  if (found.fragment) return DissectFault::kNone;
  for (int count = 0; key.protocol == kAuthentication; ++count) {
    if (count == kMostExtensions) return DissectFault::kTooManyExtensions;
    const DissectFault fault = skip_authentication(walk, key.protocol);
    if (fault != DissectFault::kNone) return fault;
  }
  return DissectFault::kNone;
}

DissectFault skip_authentication(IpWalk& walk, std::uint8_t& next) {
  // Next header, length in words less 2, two reserved bytes, SPI, sequence number, check value.
  constexpr std::size_t kLeast = 12;
  if (!walk.has(kLeast)) return DissectFault::kTruncatedExtension;
  const std::size_t size = (load_u8(walk.data() + 1) + 2u) * 4;
  if (size < kLeast) return DissectFault::kBadExtension;
  if (!walk.has(size)) return DissectFault::kTruncatedExtension;
  next = load_u8(walk.data());
  walk.at += size;
  return DissectFault::kNone;
}

}  // namespace leat::wire::internal
