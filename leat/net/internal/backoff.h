// Internal: the delays between attempts.
#pragma once

#include <algorithm>
#include <cstdint>

#include "leat/base/assert.h"
#include "leat/base/monotonic_time.h"
#include "leat/base/random.h"
#include "leat/net/retry_options.h"

namespace leat::internal {

/// Pure: reads no clock and waits for nothing.
class Backoff {
 public:
  Backoff(const RetryOptions& options, std::uint64_t seed)
      : options_(options), random_(seed), next_(options.initial) {
    LEAT_ASSERT(options.initial > Duration::zero(), "attempts without a delay");
    LEAT_ASSERT(options.multiplier >= 1, "delays that shrink");
  }

  [[nodiscard]] Duration next() {
    const Duration middle = std::min(next_, options_.maximum);
    // In floating point, for the product may be more than a Duration can hold.
    const double longer = static_cast<double>(middle.count()) * options_.multiplier;
    next_ = longer < static_cast<double>(options_.maximum.count())
                ? Duration(static_cast<Duration::rep>(longer))
                : options_.maximum;
    return std::min(random_.jitter(middle, options_.jitter), options_.maximum);
  }
  /// Begins with the first delay again.
  void reset() { next_ = options_.initial; }

 private:
  const RetryOptions options_;
  Random random_;
  Duration next_;
};

}  // namespace leat::internal
