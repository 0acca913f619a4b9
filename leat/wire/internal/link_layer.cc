#include "leat/wire/internal/link_layer.h"

#include "leat/wire/internal/load.h"

namespace leat::wire::internal {

namespace {

// IEEE 802 numbers. 0x9100 is what QinQ used before 802.1ad gave it 0x88a8.
constexpr std::uint16_t kTypeIpv4 = 0x0800;
constexpr std::uint16_t kTypeIpv6 = 0x86dd;
constexpr std::uint16_t kType8021q = 0x8100;
constexpr std::uint16_t kType8021ad = 0x88a8;
constexpr std::uint16_t kTypeOldQinq = 0x9100;
constexpr std::size_t kVlanTagSize = 4;

/// Where the three link headers with an EtherType have it (tcpdump's pages LINKTYPE_LINUX_SLL and
/// LINKTYPE_LINUX_SLL2 for the cooked ones). A frame that the capturing machine sent has packet
/// type 4, PACKET_OUTGOING of linux/if_packet.h.
///
///     Ethernet  | destination 6 | source 6 | EtherType 2 |
///     SLL       | packet type 2 | ARPHRD 2 | length 2 | address 8 | EtherType 2 |
///     SLL2      | EtherType 2 | 0 2 | interface 4 | ARPHRD 2 | packet type 1 | length 1 | addr. 8
///     |
struct LinkHeader {
  std::size_t size;
  std::size_t type_at;
  std::size_t packet_type_at;  ///< Of its low byte; 0: none.
};
constexpr LinkHeader kEthernetHeader{14, 12, 0};
constexpr LinkHeader kSllHeader{16, 14, 1};
constexpr LinkHeader kSll2Header{20, 0, 10};
constexpr std::uint8_t kPacketOutgoing = 4;

bool is_vlan(std::uint16_t type) {
  return type == kType8021q || type == kType8021ad || type == kTypeOldQinq;
}

DissectFault behind(const LinkHeader& header, std::span<const std::byte> frame,
                    NetworkHeader& found) {
  if (frame.size() < header.size) return DissectFault::kTruncatedLink;
  if (header.packet_type_at != 0) {
    found.outgoing = load_u8(frame.data() + header.packet_type_at) == kPacketOutgoing;
  }
  std::uint16_t type = load_be16(frame.data() + header.type_at);
  std::size_t offset = header.size;
  for (int tags = 0; is_vlan(type); ++tags) {
    if (tags == kMostVlanTags) return DissectFault::kTooManyVlanTags;
    if (frame.size() - offset < kVlanTagSize) return DissectFault::kTruncatedLink;
    type = load_be16(frame.data() + offset + 2);
    offset += kVlanTagSize;
  }
  if (type != kTypeIpv4 && type != kTypeIpv6) return DissectFault::kNotIp;
  found.offset = offset;
  found.version = type == kTypeIpv4 ? IpVersion::kV4 : IpVersion::kV6;
  return frame.size() == offset ? DissectFault::kTruncatedIp : DissectFault::kNone;
}

DissectFault raw(std::span<const std::byte> frame, NetworkHeader& found) {
  if (frame.empty()) return DissectFault::kTruncatedIp;
  const int version = load_u8(frame.data()) >> 4;
  if (version != 4 && version != 6) return DissectFault::kBadIpVersion;
  found.version = version == 4 ? IpVersion::kV4 : IpVersion::kV6;
  return DissectFault::kNone;
}

DissectFault known(std::span<const std::byte> frame, IpVersion version, NetworkHeader& found) {
  found.version = version;
  return frame.empty() ? DissectFault::kTruncatedIp : DissectFault::kNone;
}

}  // namespace

DissectFault find_network_header(std::span<const std::byte> frame, LinkType link,
                                 NetworkHeader& found) {
  switch (link) {
    case LinkType::kEthernet:
      return behind(kEthernetHeader, frame, found);
    case LinkType::kLinuxSll:
      return behind(kSllHeader, frame, found);
    case LinkType::kLinuxSll2:
      return behind(kSll2Header, frame, found);
    case LinkType::kRaw:
    case LinkType::kRawBsd:
      return raw(frame, found);
    case LinkType::kIpv4:
      return known(frame, IpVersion::kV4, found);
    case LinkType::kIpv6:
      return known(frame, IpVersion::kV6, found);
  }
  return DissectFault::kUnknownLink;
}

}  // namespace leat::wire::internal
