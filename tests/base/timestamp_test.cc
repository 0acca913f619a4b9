#include "leat/base/timestamp.h"

#include <chrono>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <unordered_set>

#include <gtest/gtest.h>

#include "leat/base/monotonic_time.h"
#include "leat/base/random.h"

namespace leat {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kGreatest = std::numeric_limits<std::int64_t>::max();
constexpr Timestamp kLast = Timestamp::from_microseconds(kGreatest);
constexpr Timestamp kFirst = Timestamp::from_microseconds(-kGreatest);

// A date is no deadline, and neither becomes the other by accident.
static_assert(!std::is_constructible_v<Timestamp, MonotonicTime>);
static_assert(!std::is_constructible_v<MonotonicTime, Timestamp>);
template <typename A, typename B>
concept Subtractable = requires(A a, B b) { a - b; };
static_assert(Subtractable<Timestamp, Timestamp> && !Subtractable<Timestamp, MonotonicTime>);
static_assert(!Subtractable<MonotonicTime, Timestamp>);

Timestamp at(std::int64_t microseconds) {
  return Timestamp::from_microseconds(microseconds);
}

TEST(Timestamp, IsInvalidUntilItIsSet) {
  EXPECT_FALSE(Timestamp().is_valid());
  EXPECT_FALSE(Timestamp::invalid().is_valid());
  EXPECT_EQ(Timestamp(), Timestamp::invalid());
  EXPECT_TRUE(at(0).is_valid());
  EXPECT_LT(Timestamp::invalid(), kFirst);
  EXPECT_EQ(Timestamp::invalid().to_string(), "invalid");
  EXPECT_EQ(Timestamp::invalid().to_iso8601(), "invalid");
}

TEST(Timestamp, NowIsTheSystemClocks) {
  const auto before = std::chrono::floor<std::chrono::microseconds>(
      std::chrono::system_clock::now().time_since_epoch());
  const std::int64_t now = Timestamp::now().microseconds_since_epoch();
  // The clock may be set in between, but hardly by an hour.
  EXPECT_LT(std::abs(now - before.count()), 3'600 * kSecond);
}

TEST(Timestamp, ComparesAndHashesByItsValue) {
  EXPECT_LT(at(-1), at(0));
  EXPECT_GT(at(2), at(1));
  EXPECT_EQ(at(5), at(5));
  std::unordered_set<Timestamp> set;
  for (std::int64_t i = 0; i < 1'000; ++i) set.insert(at(i % 100));
  EXPECT_EQ(set.size(), 100u);
}

TEST(Timestamp, AddsAndSubtractsSpans) {
  const Timestamp t = at(10 * kSecond);
  EXPECT_EQ(t + 5s, at(15 * kSecond));
  EXPECT_EQ(t - 20s, at(-10 * kSecond));
  EXPECT_EQ(t + 3us, at(10 * kSecond + 3));
  EXPECT_EQ(t + 3'999ns, at(10 * kSecond + 3));
  EXPECT_EQ(t - 3'999ns, at(10 * kSecond - 3));
  EXPECT_EQ(at(7) - at(10), -3us);
  EXPECT_EQ(t - (t - 1h), 1h);
  Timestamp moving = t;
  moving += 1ms;
  EXPECT_EQ(moving, at(10 * kSecond + 1'000));
  moving -= 2ms;
  EXPECT_EQ(moving, at(10 * kSecond - 1'000));
}

TEST(Timestamp, StopsAtTheEndsOfItsRange) {
  using std::chrono::microseconds;
  EXPECT_EQ(kLast + 1us, kLast);
  EXPECT_EQ(kFirst - 1us, kFirst);
  EXPECT_EQ(at(-5) + microseconds::min(), kFirst);
  EXPECT_EQ(at(5) + microseconds::max(), kLast);
  EXPECT_EQ(at(-1) - microseconds::max(), kFirst);
  EXPECT_EQ(at(0) - microseconds::min(), kLast);
  EXPECT_EQ(at(-1) - microseconds::min(), kLast) << "exact: 2^63 - 1";
  EXPECT_EQ(at(-2) - microseconds::min(), at(kGreatest - 1));
  EXPECT_EQ(kFirst - microseconds::min(), at(1));
  EXPECT_EQ(kLast - kFirst, microseconds::max());
  EXPECT_EQ(kFirst - kLast, microseconds(-kGreatest));
  EXPECT_EQ(Timestamp::from_time_t(std::numeric_limits<std::time_t>::max()), kLast);
  EXPECT_EQ(Timestamp::from_time_t(std::numeric_limits<std::time_t>::min()), kFirst);
}

TEST(Timestamp, ConvertsToAndFromTheKernelsTypes) {
  EXPECT_EQ(Timestamp::from_time_t(-2), at(-2 * kSecond));
  EXPECT_EQ(Timestamp::from_timespec({.tv_sec = 3, .tv_nsec = 1'999}), at(3 * kSecond + 1));
  EXPECT_EQ(at(1'999'999).to_time_t(), 1);
  EXPECT_EQ(at(-1).to_time_t(), -1) << "the second it lies in, not the nearest to the epoch";
  const timespec spec = at(-1).to_timespec();
  EXPECT_EQ(spec.tv_sec, -1);
  EXPECT_EQ(spec.tv_nsec, 999'999'000);
  Random random(1);
  for (int i = 0; i < 10'000; ++i) {
    const Timestamp t = at(static_cast<std::int64_t>(random() >> 1) - kGreatest / 2);
    const timespec parts = t.to_timespec();
    ASSERT_GE(parts.tv_nsec, 0);
    ASSERT_LT(parts.tv_nsec, 1'000'000'000);
    ASSERT_EQ(Timestamp::from_timespec(parts), t);
  }
}

TEST(Timestamp, FormatsSecondsSinceTheEpoch) {
  EXPECT_EQ(at(0).to_string(), "0.000000");
  EXPECT_EQ(at(1'700'000'000'123'456).to_string(), "1700000000.123456");
  EXPECT_EQ(at(-1).to_string(), "-0.000001");
  EXPECT_EQ(at(-1'500'000).to_string(), "-1.500000");
  EXPECT_EQ(kLast.to_string(), "9223372036854.775807");
  EXPECT_EQ(kFirst.to_string(), "-9223372036854.775807");
}

TEST(Timestamp, FormatsIso8601) {
  EXPECT_EQ(at(0).to_iso8601(), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(at(1'795'330'800'123'456).to_iso8601(), "2026-11-22T07:00:00.123456Z");
  EXPECT_EQ(at(1'795'330'800'123'456).to_iso8601(false), "2026-11-22T07:00:00Z");
  EXPECT_EQ(at(951'782'400 * kSecond).to_iso8601(false), "2000-02-29T00:00:00Z");
  EXPECT_EQ(at(-1).to_iso8601(), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(at(-62'167'219'200 * kSecond).to_iso8601(false), "0000-01-01T00:00:00Z");
  EXPECT_EQ(at(253'402'300'799'999'999).to_iso8601(), "9999-12-31T23:59:59.999999Z");
}

TEST(Timestamp, FormatsWhatIso8601CannotAsSeconds) {
  EXPECT_EQ(at(253'402'300'800'000'000).to_iso8601(), "253402300800.000000");
  EXPECT_EQ(at(-62'167'219'200'000'001).to_iso8601(), "-62167219200.000001");
  EXPECT_EQ(kLast.to_iso8601(), kLast.to_string());
}

#if defined(LEAT_ASSERTIONS) && LEAT_ASSERTIONS
TEST(TimestampDeathTest, ComputingWithAnInvalidOneIsABrokenPrecondition) {
  const Timestamp none;
  EXPECT_DEATH(static_cast<void>(none + 1s), "invalid Timestamp");
  EXPECT_DEATH(static_cast<void>(none - 1s), "invalid Timestamp");
  EXPECT_DEATH(static_cast<void>(at(0) - none), "invalid Timestamp");
  EXPECT_DEATH(static_cast<void>(none - at(0)), "invalid Timestamp");
  EXPECT_DEATH(static_cast<void>(none.to_time_t()), "invalid Timestamp");
  EXPECT_DEATH(static_cast<void>(none.to_http_date()), "invalid Timestamp");
}
#endif

}  // namespace
}  // namespace leat
