#include "leat/net/internal/backoff.h"

#include <chrono>
#include <set>

#include <gtest/gtest.h>

namespace leat::internal {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

TEST(Backoff, GrowsUpToTheMaximum) {
  Backoff backoff({.initial = milliseconds(100), .maximum = milliseconds(1000), .jitter = 0}, 1);
  for (const int expected : {100, 200, 400, 800, 1000, 1000}) {
    EXPECT_EQ(backoff.next(), milliseconds(expected));
  }
  backoff.reset();
  EXPECT_EQ(backoff.next(), milliseconds(100));
}

TEST(Backoff, ScattersByItsJitterAndNoFurther) {
  const RetryOptions options{
      .initial = milliseconds(100), .maximum = milliseconds(450), .jitter = 0.5};
  std::set<Duration> first_delays;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    Backoff backoff(options, seed);
    Duration middle = options.initial;
    first_delays.insert(Backoff(options, seed).next());
    for (int i = 0; i < 5; ++i) {
      const Duration delay = backoff.next();
      ASSERT_GE(delay, middle / 2);
      ASSERT_LE(delay, std::min(middle * 3 / 2, options.maximum));
      middle = std::min<Duration>(middle * 2, options.maximum);
    }
  }
  EXPECT_GT(first_delays.size(), 990u);
  EXPECT_LT(*first_delays.begin(), milliseconds(55));
  EXPECT_GT(*first_delays.rbegin(), milliseconds(145));
}

TEST(Backoff, DoesNotOverflow) {
  Backoff backoff({.initial = hours(1), .maximum = Duration::max(), .multiplier = 1e6, .jitter = 0},
                  1);
  Duration last{0};
  for (int i = 0; i < 10; ++i) {
    const Duration next = backoff.next();
    ASSERT_GE(next, last);
    last = next;
  }
}

TEST(Backoff, StartsNoHigherThanTheMaximum) {
  Backoff backoff({.initial = hours(1), .maximum = milliseconds(5), .jitter = 0}, 1);
  EXPECT_EQ(backoff.next(), milliseconds(5));
}

}  // namespace
}  // namespace leat::internal
