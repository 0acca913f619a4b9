#include "leat/base/histogram.h"

#include <algorithm>
#include <cmath>

namespace leat {

void Histogram::record_corrected(std::uint64_t value, std::uint64_t expected_interval) {
  value = std::min(value, kMaxValue);
  record(value);
  if (expected_interval == 0 || value <= expected_interval) return;
  // The missing values are an arithmetic sequence: bucket for bucket, count how many fall into it.
  const std::uint64_t step = expected_interval;
  std::uint64_t missing = value - step;
  while (missing >= step) {
    const std::size_t bucket = bucket_of(missing);
    // None of them is below the interval: only a bucket narrower than it can begin below it.
    const std::uint64_t further = (missing - low_of(bucket)) / step;
    const std::uint64_t last = missing - further * step;
    counts_[bucket] += further + 1;
    account(last, missing, further + 1);
    sum_ += (static_cast<Wide>(missing) + last) * (further + 1) / 2;
    missing = last - step;
  }
}

std::uint64_t Histogram::percentile(double percent) const {
  LEAT_ASSERT(percent >= 0 && percent <= 100, "a percentile outside 0 to 100");
  if (count_ == 0) return 0;
  // Without the step down, 0.07 % of 10000 would come out a little above 7, and so as 8.
  const double exact = std::nextafter(percent, 0.0) * static_cast<double>(count_) / 100;
  const double rank = std::max(1.0, std::ceil(exact));
  if (rank >= static_cast<double>(count_)) return max_;
  std::uint64_t seen = 0;
  std::size_t bucket = 0;
  while (bucket < kBuckets - 1) {
    seen += counts_[bucket];
    if (static_cast<double>(seen) >= rank) break;
    ++bucket;
  }
  return std::clamp(middle_of(bucket), min_, max_);
}

double Histogram::mean() const {
  return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_);
}

double Histogram::stddev() const {
  if (count_ == 0) return 0;
  const double center = mean();
  double squares = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    if (counts_[i] == 0) continue;
    const double distance = static_cast<double>(middle_of(i)) - center;
    squares += distance * distance * static_cast<double>(counts_[i]);
  }
  return std::sqrt(squares / static_cast<double>(count_));
}

void Histogram::merge(const Histogram& other) {
  for (std::size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
  sum_ += other.sum_;
}

}  // namespace leat
