// Internal: the fields of a flow key as they lie in a packet, in registers.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "leat/wire/flow_key.h"

namespace leat::steering::internal {

/// A port as it lies in a packet.
inline std::uint16_t network_order(std::uint16_t port) {
  if constexpr (std::endian::native == std::endian::big) return port;
  return static_cast<std::uint16_t>(port << 8U | port >> 8U);
}

/// Both ports one behind the other, as they lie in a packet.
inline std::uint32_t port_word(const wire::FlowKey& key) {
  const std::uint32_t first = network_order(key.source_port);
  const std::uint32_t second = network_order(key.destination_port);
  if constexpr (std::endian::native == std::endian::big) return first << 16U | second;
  return second << 16U | first;
}

/// Both IPv4 addresses one behind the other, as they lie in a packet.
inline std::uint64_t address_word(const wire::FlowKey& key) {
  std::uint32_t source;
  std::uint32_t destination;
  std::memcpy(&source, key.source.data(), 4);
  std::memcpy(&destination, key.destination.data(), 4);
  if constexpr (std::endian::native == std::endian::big) {
    return std::uint64_t{source} << 32U | destination;
  }
  return std::uint64_t{destination} << 32U | source;
}

/// Both IPv6 addresses: a flow key has the destination behind the source.
inline const std::uint8_t* address_bytes(const wire::FlowKey& key) {
  static_assert(offsetof(wire::FlowKey, destination) == offsetof(wire::FlowKey, source) + 16);
  return key.source.data();
}

/// Eight bytes as a big-endian number, so that numbers compare as addresses do.
inline std::uint64_t big_endian_word(const std::uint8_t* from) {
  std::uint64_t word;
  std::memcpy(&word, from, sizeof word);
  if constexpr (std::endian::native == std::endian::big) return word;
  return __builtin_bswap64(word);
}

}  // namespace leat::steering::internal
