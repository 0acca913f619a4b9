// Public: time that only moves forward, for measuring and for deadlines.
#pragma once

#include <chrono>

namespace leat {

/// A length of time. All of the library's limits take one, so `5s` and `200ms` from
/// std::chrono_literals can be written.
using Duration = std::chrono::nanoseconds;

/// A point on CLOCK_MONOTONIC (which libstdc++'s steady_clock reads). It is not a `Timestamp`:
/// it says nothing about the date, and no clock setting moves it.
using MonotonicTime = std::chrono::time_point<std::chrono::steady_clock, Duration>;

/// Reads the clock. In a loop's callbacks `EventLoop::now()` costs nothing.
[[nodiscard]] inline MonotonicTime monotonic_now() {
  return std::chrono::steady_clock::now();
}

}  // namespace leat
