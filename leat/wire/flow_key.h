// Public: what tells one flow of packets from another.
#pragma once

#include <array>
#include <cstdint>

namespace leat::wire {

enum class IpVersion : std::uint8_t { kV4 = 4, kV6 = 6 };

/// Addresses in network order, an IPv4 address in the first four bytes and zero behind it; ports in
/// host order. A value.
struct FlowKey {
  IpVersion version = IpVersion::kV4;
  /// The protocol above IP (IANA's number), behind all extension headers.
  std::uint8_t protocol = 0;
  /// Whether there are ports: not for other protocols, nor in any fragment of a packet.
  bool has_ports = false;
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::array<std::uint8_t, 16> source{};
  std::array<std::uint8_t, 16> destination{};

  friend bool operator==(const FlowKey&, const FlowKey&) = default;
};

}  // namespace leat::wire
