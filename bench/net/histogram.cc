#include "bench/net/histogram.h"

#include <bit>
#include <cmath>

namespace leat::bench {

std::size_t Histogram::bucket_of(std::uint64_t value) {
  const unsigned width = static_cast<unsigned>(std::bit_width(value));
  if (width <= kBits) return value;
  // The leading bit picks the group, the kBits bits behind it the place in the group.
  const unsigned shift = width - kBits - 1;
  return (static_cast<std::size_t>(shift) << kBits) + (value >> shift);
}

std::uint64_t Histogram::start_of(std::size_t bucket) {
  if (bucket < (std::size_t{2} << kBits)) return bucket;
  const std::size_t shift = (bucket >> kBits) - 1;
  return static_cast<std::uint64_t>(bucket - (shift << kBits)) << shift;
}

void Histogram::add(std::uint64_t nanoseconds) {
  ++buckets_[bucket_of(nanoseconds)];
  ++count_;
}

void Histogram::clear() {
  buckets_.fill(0);
  count_ = 0;
}

std::uint64_t Histogram::percentile(double part) const {
  const auto wanted = static_cast<std::uint64_t>(std::ceil(part * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
    seen += buckets_[bucket];
    if (seen >= wanted && seen > 0) return start_of(bucket);
  }
  return 0;
}

}  // namespace leat::bench
