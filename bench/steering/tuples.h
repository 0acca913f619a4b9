// Internal: the flows that the steering benchmark hashes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace leat::bench {

/// Inputs of one length in network order, a cache line each, few enough to stay in the first cache.
struct Tuples {
  static constexpr std::size_t kCount = 256;
  /// The next input of a chain: it hangs on the hash before, so nothing runs ahead.
  static constexpr std::size_t next(std::size_t i, std::uint32_t hash) {
    return (i + 1 + (hash & 1)) % kCount;
  }

  struct alignas(64) Slot {
    std::array<std::uint8_t, 64> bytes;
  };

  std::size_t length;
  std::vector<Slot> slots;
  std::vector<const std::uint8_t*> pointers;
};

}  // namespace leat::bench
