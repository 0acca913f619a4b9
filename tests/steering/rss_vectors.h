// Internal: the published flows of Microsoft's "Verifying the RSS hash calculation", and hashes.
#pragma once

#include <arpa/inet.h>

#include <array>
#include <cstdint>
#include <cstring>

#include "leat/wire/flow_key.h"

namespace leat::steering {

struct RssVector {
  const char* source;
  std::uint16_t source_port;
  const char* destination;
  std::uint16_t destination_port;
  // Published, with Microsoft's key.
  std::uint32_t addresses;
  std::uint32_t addresses_and_ports;
  std::uint32_t entry_of_128;
  // Derived from the definitions by other code than this, all with ports.
  std::uint32_t symmetric_key;
  std::uint32_t symmetric_xor;
  std::uint32_t symmetric_or_xor;
};

inline constexpr std::array<RssVector, 8> kRssVectors = {{
    {"66.9.149.187", 2794, "161.142.100.80", 1766, 0x323e8fc2, 0x51ccc178, 120, 0x9fcc9fcc,
     0xac2b58ca, 0xa65524fa},
    {"199.92.111.2", 14230, "65.69.140.83", 4739, 0xd718262a, 0xc626b0ea, 106, 0x60d760d7,
     0x231ac402, 0x69d9c235},
    {"24.19.198.95", 12898, "12.22.207.184", 38024, 0xd2d0a5de, 0x5c2b394a, 74, 0x3a3e3a3e,
     0xf4298103, 0x886967e2},
    {"38.27.205.30", 48228, "209.142.163.6", 2217, 0x82989176, 0xafc7327f, 127, 0xd26ed26e,
     0x4e18ff80, 0x021058ed},
    {"153.39.163.191", 44251, "202.188.127.2", 1303, 0x5d1809c5, 0x10e828a2, 34, 0xf23ef23e,
     0x053876b1, 0xd9fe70e3},
    {"3ffe:2501:200:1fff::7", 2794, "3ffe:2501:200:3::1", 1766, 0x2cc18cd5, 0x40207d3d, 61,
     0x13eb13eb, 0x5ae081f3, 0xaea5d07d},
    {"3ffe:501:8::260:97ff:fe40:efab", 14230, "ff02::1", 4739, 0x0f0c461c, 0xdde51bbf, 63,
     0x36913691, 0x3d12f676, 0xb7ea4926},
    {"3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251, "fe80::200:f8ff:fe21:67cf", 38024, 0x4b61e985,
     0x02d1feef, 111, 0x08090809, 0xd36f3942, 0x79207404},
}};

inline wire::FlowKey flow_key(const char* source, std::uint16_t source_port,
                              const char* destination, std::uint16_t destination_port,
                              std::uint8_t protocol = 6) {
  wire::FlowKey key;
  const bool v6 = std::strchr(source, ':') != nullptr;
  key.version = v6 ? wire::IpVersion::kV6 : wire::IpVersion::kV4;
  key.protocol = protocol;
  key.has_ports = true;
  key.source_port = source_port;
  key.destination_port = destination_port;
  const int family = v6 ? AF_INET6 : AF_INET;
  inet_pton(family, source, key.source.data());
  inet_pton(family, destination, key.destination.data());
  return key;
}

inline wire::FlowKey flow_key(const RssVector& v) {
  return flow_key(v.source, v.source_port, v.destination, v.destination_port);
}

inline wire::FlowKey reversed(wire::FlowKey key) {
  std::swap(key.source, key.destination);
  std::swap(key.source_port, key.destination_port);
  return key;
}

}  // namespace leat::steering
