#include "leat/wire/internal/trace_clock.h"

#include <gtest/gtest.h>

namespace leat::wire::internal {
namespace {

constexpr std::uint64_t kMostTicks = ~std::uint64_t{0};
constexpr std::int64_t kMostTime = std::chrono::nanoseconds::max().count();

std::int64_t time(int resolution, std::uint64_t ticks, std::int64_t offset = 0) {
  return TraceClock(static_cast<std::uint8_t>(resolution), offset).time(ticks).count();
}

TEST(TraceClock, PowersOfTen) {
  EXPECT_EQ(time(0, 5), 5'000'000'000);
  EXPECT_EQ(time(3, 5), 5'000'000);
  EXPECT_EQ(time(6, 1'700'000'000'123'456), 1'700'000'000'123'456'000);
  EXPECT_EQ(time(9, 1'700'000'000'123'456'789), 1'700'000'000'123'456'789);
  EXPECT_EQ(time(12, 1'234'567), 1'234);
  EXPECT_EQ(time(28, kMostTicks), 1);
  EXPECT_EQ(time(29, kMostTicks), 0);
  EXPECT_EQ(time(127, kMostTicks), 0);
}

TEST(TraceClock, PowersOfTwo) {
  EXPECT_EQ(time(0x80, 5), 5'000'000'000);
  EXPECT_EQ(time(0x80 + 1, 3), 1'500'000'000);
  EXPECT_EQ(time(0x80 + 32, std::uint64_t{7} << 32 | 0x8000'0000), 7'500'000'000);
  EXPECT_EQ(time(0x80 + 64, kMostTicks), 999'999'999);
  EXPECT_EQ(time(0x80 + 127, kMostTicks), 0);
}

TEST(TraceClock, Offsets) {
  EXPECT_EQ(time(6, 5, 100), 100'000'005'000);
  EXPECT_EQ(time(6, 5, -100), -99'999'995'000);
}

TEST(TraceClock, WhatNanosecondsCannotCountIsTheLastTime) {
  EXPECT_EQ(time(0, kMostTicks), kMostTime);
  EXPECT_EQ(time(6, kMostTicks), kMostTime);
  EXPECT_EQ(time(9, 0, std::numeric_limits<std::int64_t>::max()), kMostTime);
  EXPECT_EQ(time(9, 0, std::numeric_limits<std::int64_t>::min()), -kMostTime);
}

}  // namespace
}  // namespace leat::wire::internal
