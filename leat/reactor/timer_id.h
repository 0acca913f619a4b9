// Public: names an armed timer.
#pragma once

#include <cstdint>

namespace leat {

/// Names one armed timer of one loop. Stays harmless after the timer has fired or was cancelled:
/// ids are not used again (within 2^32 uses of a slot).
struct TimerId {
  std::uint64_t value = 0;

  [[nodiscard]] bool is_valid() const { return value != 0; }
  friend bool operator==(TimerId, TimerId) = default;
};

}  // namespace leat
