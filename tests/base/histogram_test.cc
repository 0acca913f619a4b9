#include "leat/base/histogram.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "leat/base/random.h"

namespace leat {
namespace {

struct Bucket {
  std::uint64_t low, high, count;
  friend bool operator==(const Bucket&, const Bucket&) = default;
};

std::vector<Bucket> buckets(const Histogram& h) {
  std::vector<Bucket> all;
  h.for_each_bucket([&all](std::uint64_t low, std::uint64_t high, std::uint64_t count) {
    all.push_back({low, high, count});
  });
  return all;
}

/// What a sorted list says: the least value that `percent` of all are not above.
std::uint64_t exact_percentile(const std::vector<std::uint64_t>& sorted, std::uint64_t per_mille) {
  const std::uint64_t rank = (sorted.size() * per_mille + 999) / 1'000;
  return sorted[std::max<std::uint64_t>(rank, 1) - 1];
}

/// Within 1/128 of the truth, or equal below 128.
void expect_close(std::uint64_t got, std::uint64_t exact) {
  const std::uint64_t error = got > exact ? got - exact : exact - got;
  EXPECT_LE(error, exact / 128) << "got " << got << " for " << exact;
}

TEST(Histogram, IsEmptyAtFirstAndAfterReset) {
  Histogram h;
  const auto expect_empty = [&h] {
    EXPECT_TRUE(h.empty());
    EXPECT_EQ(h.count(), 0u);
    EXPECT_EQ(h.min(), 0u);
    EXPECT_EQ(h.max(), 0u);
    EXPECT_EQ(h.mean(), 0);
    EXPECT_EQ(h.stddev(), 0);
    EXPECT_EQ(h.percentile(99), 0u);
    EXPECT_TRUE(buckets(h).empty());
  };
  expect_empty();
  h.record(5);
  EXPECT_FALSE(h.empty());
  h.reset();
  expect_empty();
  h.record(7, 0);
  expect_empty();
}

TEST(Histogram, SmallValuesAreExact) {
  Histogram h;
  for (std::uint64_t v = 0; v < 128; ++v) h.record(v, v + 1);
  const auto all = buckets(h);
  ASSERT_EQ(all.size(), 128u);
  for (std::uint64_t v = 0; v < 128; ++v) EXPECT_EQ(all[v], (Bucket{v, v, v + 1}));
}

TEST(Histogram, BucketsCoverTheRangeWithoutGapsAndStayNarrow) {
  Histogram h;
  for (std::uint64_t v = 1; v < Histogram::kMaxValue; v += std::max<std::uint64_t>(1, v / 200)) {
    h.record(v);
  }
  h.record(0);
  h.record(Histogram::kMaxValue);
  std::uint64_t next = 0;
  for (const Bucket& b : buckets(h)) {
    ASSERT_EQ(b.low, next);
    ASSERT_GE(b.high, b.low);
    ASSERT_LE(b.high - b.low, b.low / 64);
    next = b.high + 1;
  }
  EXPECT_GT(next, Histogram::kMaxValue);
  EXPECT_EQ(buckets(h).size() * sizeof(std::uint64_t) / 1'024, 28u) << "KiB";
}

TEST(Histogram, AValueFallsIntoTheBucketThatHoldsIt) {
  Random random(17);
  for (int i = 0; i < 20'000; ++i) {
    const std::uint64_t value = random() >> random.uniform(2, 63);
    Histogram h;
    h.record(value);
    const auto all = buckets(h);
    ASSERT_EQ(all.size(), 1u);
    ASSERT_LE(all[0].low, value);
    ASSERT_GE(all[0].high, value);
    ASSERT_EQ(h.percentile(50), value) << "one value alone is its own minimum and maximum";
    if (i >= 500) break;
  }
}

TEST(Histogram, ValuesBeyondTheRangeCountAsItsEnd) {
  Histogram h;
  h.record(~std::uint64_t{0});
  EXPECT_EQ(h.max(), Histogram::kMaxValue);
  EXPECT_EQ(h.min(), Histogram::kMaxValue);
  EXPECT_EQ(h.percentile(100), Histogram::kMaxValue);
}

TEST(Histogram, PercentilesTakeTheRankAboveAsTheDefinitionSays) {
  Histogram h;
  for (std::uint64_t v = 1; v <= 100; ++v) h.record(v);
  EXPECT_EQ(h.percentile(0), 1u);
  EXPECT_EQ(h.percentile(0.5), 1u);
  EXPECT_EQ(h.percentile(1), 1u);
  EXPECT_EQ(h.percentile(1.5), 2u);
  EXPECT_EQ(h.percentile(50), 50u);
  EXPECT_EQ(h.percentile(99), 99u);
  EXPECT_EQ(h.percentile(99.1), 100u);
  EXPECT_EQ(h.percentile(100), 100u);
  Histogram thousand;
  thousand.record(1, 999);
  thousand.record(100);
  EXPECT_EQ(thousand.percentile(99.9), 1u);
  EXPECT_EQ(thousand.percentile(99.91), 100u);
  Histogram rounded;
  rounded.record(1, 7);
  rounded.record(100, 9'993);
  EXPECT_EQ(rounded.percentile(0.07), 1u) << "7 of 10000, whatever 0.07 is in binary";
}

TEST(Histogram, PercentilesAreCloseToThoseOfTheSortedValues) {
  Random random(18);
  for (int round = 0; round < 40; ++round) {
    Histogram h;
    std::vector<std::uint64_t> values;
    const std::uint64_t width = random.uniform(2, 62);
    for (auto n = random.uniform(1, 5'000); n > 0; --n) {
      values.push_back(random() >> (64 - random.uniform(1, width)));
      h.record(values.back());
    }
    std::ranges::sort(values);
    for (const std::uint64_t per_mille : {0u, 1u, 10u, 250u, 500u, 900u, 990u, 999u, 1'000u}) {
      expect_close(h.percentile(static_cast<double>(per_mille) / 10),
                   exact_percentile(values, per_mille));
    }
    EXPECT_EQ(h.min(), values.front());
    EXPECT_EQ(h.max(), values.back());
    EXPECT_EQ(h.count(), values.size());
  }
}

TEST(Histogram, MeanIsExactAndStddevClose) {
  Histogram h;
  h.record(1'000, 3);
  h.record(5'001);
  EXPECT_DOUBLE_EQ(h.mean(), 8'001 / 4.0);
  Histogram huge;
  for (int i = 0; i < 100; ++i) huge.record(Histogram::kMaxValue);
  EXPECT_DOUBLE_EQ(huge.mean(), static_cast<double>(Histogram::kMaxValue)) << "the sum is wide";
  Histogram small;
  for (const std::uint64_t v : {2u, 4u, 4u, 4u, 5u, 5u, 7u, 9u}) small.record(v);
  EXPECT_DOUBLE_EQ(small.stddev(), 2);
  Random random(19);
  Histogram uniform;
  for (int i = 0; i < 100'000; ++i) uniform.record(random.uniform(0, 1'000'000));
  EXPECT_NEAR(uniform.stddev(), 1e6 / std::sqrt(12.0), 4'000);
}

TEST(Histogram, MergesAsIfAllHadBeenRecordedInOne) {
  Random random(20);
  Histogram parts[3];
  Histogram whole;
  for (int i = 0; i < 10'000; ++i) {
    const std::uint64_t value = random() >> random.uniform(2, 60);
    parts[random.uniform(0, 1)].record(value);
    whole.record(value);
  }
  Histogram sum;
  for (const Histogram& part : parts) sum.merge(part);
  EXPECT_EQ(buckets(sum), buckets(whole));
  EXPECT_EQ(sum.count(), whole.count());
  EXPECT_EQ(sum.min(), whole.min());
  EXPECT_EQ(sum.max(), whole.max());
  EXPECT_DOUBLE_EQ(sum.mean(), whole.mean());
}

TEST(Histogram, CorrectsForOmittedMeasurements) {
  Histogram h;
  h.record_corrected(1'000, 300);
  EXPECT_EQ(h.count(), 3u) << "1000, 700 and 400: 100 is below the interval";
  EXPECT_EQ(h.min(), 400u);
  EXPECT_EQ(h.max(), 1'000u);
  EXPECT_DOUBLE_EQ(h.mean(), 700);
  Histogram borders;
  borders.record_corrected(600, 300);
  EXPECT_EQ(borders.count(), 2u) << "600 and 300";
  borders.record_corrected(300, 300);
  borders.record_corrected(100, 300);
  borders.record_corrected(1'000, 0);
  EXPECT_EQ(borders.count(), 5u) << "on time, or no interval: nothing is missing";
}

TEST(Histogram, CorrectionEqualsTheLoopOfItsDefinition) {
  Random random(21);
  for (int round = 0; round < 500; ++round) {
    const std::uint64_t interval = random.uniform(1, 1'000);
    const std::uint64_t value = random.uniform(0, 100'000);
    Histogram fast;
    Histogram plain;
    fast.record_corrected(value, interval);
    plain.record(value);
    for (std::uint64_t missing = value; missing >= 2 * interval;) {
      missing -= interval;
      plain.record(missing);
    }
    ASSERT_EQ(buckets(fast), buckets(plain)) << value << " every " << interval;
    ASSERT_EQ(fast.count(), plain.count());
    ASSERT_EQ(fast.min(), plain.min());
    ASSERT_EQ(fast.max(), plain.max());
    ASSERT_DOUBLE_EQ(fast.mean(), plain.mean());
  }
}

TEST(Histogram, CorrectionTakesNoTimeForAnEndlessStall) {
  Histogram h;
  h.record_corrected(Histogram::kMaxValue, 1);
  EXPECT_EQ(h.count(), Histogram::kMaxValue);
  EXPECT_EQ(h.min(), 1u);
}

#if defined(LEAT_ASSERTIONS) && LEAT_ASSERTIONS
TEST(HistogramDeathTest, APercentileIsZeroToAHundred) {
  const Histogram h;
  EXPECT_DEATH(static_cast<void>(h.percentile(-1)), "percentile outside");
  EXPECT_DEATH(static_cast<void>(h.percentile(101)), "percentile outside");
  EXPECT_DEATH(static_cast<void>(h.percentile(std::nan(""))), "percentile outside");
}
#endif

}  // namespace
}  // namespace leat
