// Internal: the unit in which an interface of a pcapng trace counts time.
#pragma once

#include <chrono>
#include <cstdint>

namespace leat::wire::internal {

/// The interface options if_tsresol and if_tsoffset (draft-ietf-opsawg-pcapng, 4.2).
class TraceClock {
 public:
  /// `resolution` as if_tsresol has it: the unit is 10^-n seconds, or 2^-n with the highest bit
  /// set, n being the lower seven bits. 6 is the default: microseconds.
  explicit TraceClock(std::uint8_t resolution = 6, std::int64_t offset_seconds = 0);

  /// `ticks` units since the epoch, rounded down. What lies beyond the 292 years that nanoseconds
  /// can count becomes the last of them.
  [[nodiscard]] std::chrono::nanoseconds time(std::uint64_t ticks) const;

 private:
  // A time is ticks * multiply_ / divide_ >> shift_ nanoseconds; one of the three does something.
  std::uint64_t multiply_ = 1;
  std::uint64_t divide_ = 1;
  unsigned shift_ = 0;
  std::int64_t offset_seconds_;
};

}  // namespace leat::wire::internal
