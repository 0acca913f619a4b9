// Internal: points in time that do not overflow.
#pragma once

#include <cstdint>

#include "leat/base/monotonic_time.h"

namespace leat::internal {

/// `start + delay`, or the end of time if that is beyond it: "never" is written Duration::max().
[[nodiscard]] inline MonotonicTime deadline_after(MonotonicTime start, Duration delay) {
  std::int64_t sum = 0;
  if (__builtin_add_overflow(start.time_since_epoch().count(), delay.count(), &sum)) {
    return delay > Duration::zero() ? MonotonicTime::max() : MonotonicTime::min();
  }
  return MonotonicTime(Duration(sum));
}

}  // namespace leat::internal
