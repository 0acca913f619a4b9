// Public: how the kernel picks one of n by a hash.
#pragma once

#include <cstdint>

namespace leat::steering {

/// hash * n / 2^32: a number below n by a multiplication, so by the *high* bits of the hash. The
/// kernel's documentation calls it modulo, which would be the low ones. 0 if n is 0.
/// (Linux include/linux/math.h)
[[nodiscard]] constexpr std::uint32_t reciprocal_scale(std::uint32_t hash, std::uint32_t n) {
  return static_cast<std::uint32_t>((std::uint64_t{hash} * n) >> 32);
}

}  // namespace leat::steering
