// Internal: numbers out of packets and traces, at any alignment.
#pragma once

#include <cstddef>
#include <cstdint>

namespace leat::wire::internal {

/// The number of sizeof(Number) bytes at `at`, in network order. Compilers make one load and one
/// swap of it.
template <typename Number>
[[nodiscard]] inline Number load_big(const std::byte* at) {
  Number number = 0;
  for (std::size_t i = 0; i < sizeof(Number); ++i) {
    number = static_cast<Number>(static_cast<std::uint64_t>(number) << 8 |
                                 std::to_integer<std::uint64_t>(at[i]));
  }
  return number;
}

/// The same in the other order.
template <typename Number>
[[nodiscard]] inline Number load_little(const std::byte* at) {
  Number number = 0;
  for (std::size_t i = sizeof(Number); i-- > 0;) {
    number = static_cast<Number>(static_cast<std::uint64_t>(number) << 8 |
                                 std::to_integer<std::uint64_t>(at[i]));
  }
  return number;
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
