// Internal: until when a call may wait.
#pragma once

#include <time.h>

#include <cstdint>
#include <limits>

#include "apps/preload/spinner.h"

namespace leat::preload {

/// Of CLOCK_MONOTONIC, as the kernel's time limits are. A value. Reads the clock only for a limit
/// that is neither 0 nor endless.
class Deadline {
 public:
  static Deadline in_nanoseconds(std::int64_t limit) {
    Deadline deadline;
    deadline.limit_ = limit;
    if (limit > 0) deadline.end_ = Spinner::now() + limit;
    return deadline;
  }
  /// As poll() has it: negative is endless.
  static Deadline in_milliseconds(int limit) {
    return in_nanoseconds(limit < 0 ? -1 : std::int64_t{limit} * 1'000'000);
  }
  /// None is endless. `limit` must be valid: see is_valid().
  static Deadline in(const timespec* limit) {
    constexpr std::int64_t kCentury = 3'000'000'000;  // More is endless; the sum must not overflow.
    if (limit == nullptr || limit->tv_sec > kCentury) return in_nanoseconds(-1);
    return in_nanoseconds(std::int64_t{limit->tv_sec} * 1'000'000'000 + limit->tv_nsec);
  }
  static bool is_valid(const timespec* limit) {
    return limit == nullptr ||
           (limit->tv_sec >= 0 && limit->tv_nsec >= 0 && limit->tv_nsec < 1'000'000'000);
  }

  [[nodiscard]] bool is_endless() const { return limit_ < 0; }
  [[nodiscard]] bool is_over() const { return limit_ == 0 || (limit_ > 0 && left() == 0); }
  /// Nanoseconds; only of one that is not endless.
  [[nodiscard]] std::int64_t left() const {
    if (limit_ == 0) return 0;
    const std::int64_t left = end_ - Spinner::now();
    return left > 0 ? left : 0;
  }
  /// Rounded up, so that a call does not come back too early; -1: endless.
  [[nodiscard]] int left_milliseconds() const {
    if (is_endless()) return -1;
    const std::int64_t milliseconds = (left() + 999'999) / 1'000'000;
    constexpr std::int64_t kMost = std::numeric_limits<int>::max();
    return static_cast<int>(milliseconds < kMost ? milliseconds : kMost);
  }
  /// Into `storage`; null: endless.
  [[nodiscard]] const timespec* left_timespec(timespec& storage) const {
    if (is_endless()) return nullptr;
    const std::int64_t nanoseconds = left();
    storage.tv_sec = nanoseconds / 1'000'000'000;
    storage.tv_nsec = nanoseconds % 1'000'000'000;
    return &storage;
  }

 private:
  std::int64_t limit_ = -1;
  std::int64_t end_ = 0;
};

}  // namespace leat::preload
