// Internal: the memory of big rings that nobody uses, given back to the system.
#pragma once

#include <array>
#include <cstdint>

#include "leat/smc/internal/memory_file.h"

namespace leat::smc::internal {

/// The sender gives its peer's big ring back at its next call; one that sleeps makes none. So the
/// broker looks, now and then: a ring that is empty, not in use, and as it was at the look before.
class IdleRings {
 public:
  /// Looks at both big rings of a segment, of `big_ring` bytes. Never waits; returns how many it
  /// has given back.
  unsigned look(const MemoryFile& file, const std::array<std::uint32_t, 2>& big_ring);

 private:
  std::array<std::uint64_t, 2> produced_{};  ///< At the last look; with nothing since: idle.
};

}  // namespace leat::smc::internal
