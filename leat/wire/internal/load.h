// Internal: numbers out of packets and traces, at any alignment.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace leat::wire::internal {

/// The same bytes in the other order. Written out, for GCC 12 makes one instruction of this and a
/// loop of a loop.
[[nodiscard]] constexpr std::uint16_t swap_bytes(std::uint16_t number) {
  return static_cast<std::uint16_t>(number << 8 | number >> 8);
}
[[nodiscard]] constexpr std::uint32_t swap_bytes(std::uint32_t number) {
  return number << 24 | (number & 0xff00) << 8 | (number >> 8 & 0xff00) | number >> 24;
}
[[nodiscard]] constexpr std::uint64_t swap_bytes(std::uint64_t number) {
  return std::uint64_t{swap_bytes(static_cast<std::uint32_t>(number))} << 32 |
         swap_bytes(static_cast<std::uint32_t>(number >> 32));
}

/// The number of sizeof(Number) bytes at `at`, in network order.
template <typename Number>
[[nodiscard]] inline Number load_big(const std::byte* at) {
  Number number;
  std::memcpy(&number, at, sizeof number);
  return std::endian::native == std::endian::big ? number : swap_bytes(number);
}

/// The same in the other order.
template <typename Number>
[[nodiscard]] inline Number load_little(const std::byte* at) {
  Number number;
  std::memcpy(&number, at, sizeof number);
  return std::endian::native == std::endian::little ? number : swap_bytes(number);
}

[[nodiscard]] inline std::uint8_t load_u8(const std::byte* at) {
  return std::to_integer<std::uint8_t>(*at);
}
[[nodiscard]] inline std::uint16_t load_be16(const std::byte* at) {
  return load_big<std::uint16_t>(at);
}
[[nodiscard]] inline std::uint32_t load_be32(const std::byte* at) {
  return load_big<std::uint32_t>(at);
}

}  // namespace leat::wire::internal
