// Public: how often which value occurred, in bounded memory, for latencies and sizes.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "leat/base/assert.h"

namespace leat {

/// Counts values of 0 to 2^62 in buckets whose width grows with the value, after Gil Tene's
/// HdrHistogram: below 128 each value has its own bucket, above it each doubling has 64. What it
/// tells about a value is off by at most 1/128 (0.8 %); minimum, maximum, count and mean are exact.
/// 29 KiB, whatever it counts. A value (once moved from, assign to it before anything else); one
/// thread at a time: give each thread its own, and merge.
///
///     values     0 ... 127 | 128 ... 255 | 256 ... 511 | ...
///     width         1      |      2      |      4      |
///     buckets      128     |     64      |     64      |
class Histogram {
 public:
  /// A larger value is counted as this one.
  static constexpr std::uint64_t kMaxValue = std::uint64_t{1} << 62;

  Histogram() : counts_(kBuckets) {}

  void record(std::uint64_t value, std::uint64_t count = 1) {
    if (value > kMaxValue) value = kMaxValue;
    if (count == 0) return;
    counts_[bucket_of(value)] += count;
    account(value, value, count);
    sum_ += static_cast<Wide>(value) * count;
  }

  /// Records `value` and, where it is longer than the interval at which values were expected,
  /// those that a stalled measurer failed to measure meanwhile: value - interval, value -
  /// 2 * interval ... down to the interval (Tene's correction of coordinated omission). With the
  /// interval 0 it is record(). The time it takes does not grow with value / interval.
  void record_corrected(std::uint64_t value, std::uint64_t expected_interval);

  /// The least recorded value that at least `percent` (0 to 100) of all are not above; within the
  /// bucket its middle. 0 while empty.
  [[nodiscard]] std::uint64_t percentile(double percent) const;
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] bool empty() const { return count_ == 0; }
  /// 0 while empty, and so are the following.
  [[nodiscard]] std::uint64_t min() const { return count_ == 0 ? 0 : min_; }
  [[nodiscard]] std::uint64_t max() const { return max_; }
  [[nodiscard]] double mean() const;
  /// Of the whole population, with each value taken as its bucket's middle.
  [[nodiscard]] double stddev() const;

  /// Adds all that `other` counted.
  void merge(const Histogram& other);
  void reset() { *this = Histogram(); }

  /// Calls `visit(low, high, count)` for each bucket that counted something, in ascending order;
  /// low and high are the least and the greatest value of the bucket.
  template <typename Visit>
  void for_each_bucket(Visit&& visit) const {
    for (std::size_t i = 0; i < kBuckets; ++i) {
      if (counts_[i] != 0) visit(low_of(i), high_of(i), counts_[i]);
    }
  }

 private:
  __extension__ using Wide = unsigned __int128;

  static constexpr unsigned kHalfBits = 6;  // 2^6 buckets a doubling
  static constexpr std::size_t kHalf = std::size_t{1} << kHalfBits;

  static constexpr std::size_t bucket_of(std::uint64_t value) {
    if (value < 2 * kHalf) return static_cast<std::size_t>(value);
    const auto shift = static_cast<unsigned>(std::bit_width(value)) - kHalfBits - 1;
    return (shift << kHalfBits) + static_cast<std::size_t>(value >> shift);
  }
  static constexpr std::uint64_t low_of(std::size_t bucket) {
    const std::size_t shift = bucket < 2 * kHalf ? 0 : (bucket >> kHalfBits) - 1;
    return std::uint64_t{bucket - (shift << kHalfBits)} << shift;
  }
  static constexpr std::uint64_t high_of(std::size_t bucket) { return low_of(bucket + 1) - 1; }
  static constexpr std::uint64_t middle_of(std::size_t bucket) {
    return low_of(bucket) + (high_of(bucket) - low_of(bucket)) / 2;
  }
  static constexpr std::size_t kBuckets = (62 - kHalfBits) * kHalf + kHalf + 1;

  void account(std::uint64_t least, std::uint64_t greatest, std::uint64_t count) {
    if (least < min_) min_ = least;
    if (greatest > max_) max_ = greatest;
    count_ += count;
  }

  std::vector<std::uint64_t> counts_;
  std::uint64_t count_ = 0;
  std::uint64_t min_ = ~std::uint64_t{0};
  std::uint64_t max_ = 0;
  Wide sum_ = 0;
};

}  // namespace leat
