// Internal: latencies of the benchmark's client.
#pragma once

#include <array>
#include <cstdint>

namespace leat::bench {

/// Counts nanoseconds in buckets that are at most 1/32 of their value wide. The client shares no
/// code with the servers it measures, so this is not leat's Histogram.
class Histogram {
 public:
  void add(std::uint64_t nanoseconds);
  void clear();
  [[nodiscard]] std::uint64_t count() const { return count_; }
  /// The lower end of the bucket that `part` (0 to 1) of all values reach, in nanoseconds.
  [[nodiscard]] std::uint64_t percentile(double part) const;

 private:
  static constexpr unsigned kBits = 5;
  static constexpr std::size_t kBuckets = (64 - kBits + 1) << kBits;

  static std::size_t bucket_of(std::uint64_t value);
  static std::uint64_t start_of(std::size_t bucket);

  std::array<std::uint64_t, kBuckets> buckets_{};
  std::uint64_t count_ = 0;
};

}  // namespace leat::bench
