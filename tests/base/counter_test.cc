#include "leat/base/counter.h"

#include <thread>

#include <gtest/gtest.h>

#include "leat/base/monotonic_time.h"

namespace leat {
namespace {

TEST(Counter, CountsUpAndDown) {
  Counter counter;
  EXPECT_EQ(counter.load(), 0u);
  counter.add();
  counter.add(41);
  EXPECT_EQ(counter.load(), 42u);
  counter.subtract();
  counter.subtract(11);
  EXPECT_EQ(counter.load(), 30u);
}

TEST(Counter, AnotherThreadReadsWhileTheOwnerCounts) {
  constexpr std::uint64_t kLast = 100'000;
  Counter counter;
  std::thread owner([&counter] {
    for (std::uint64_t i = 0; i < kLast; ++i) counter.add();
  });
  std::uint64_t before = 0;
  while (before < kLast) {
    const std::uint64_t now = counter.load();
    ASSERT_GE(now, before);
    before = now;
  }
  owner.join();
  EXPECT_EQ(counter.load(), kLast);
}

TEST(MonotonicTime, NeverGoesBack) {
  MonotonicTime before = monotonic_now();
  for (int i = 0; i < 1'000; ++i) {
    const MonotonicTime now = monotonic_now();
    ASSERT_GE(now, before);
    before = now;
  }
}

}  // namespace
}  // namespace leat
