#include "leat/steering/rps_map.h"

#include <cerrno>
#include <vector>

#include <gtest/gtest.h>

#include "leat/base/random.h"
#include "leat/steering/kernel_rules.h"

namespace leat::steering {
namespace {

RpsMap map_of(const CpuSet& mask, const CpuSet& online, int cpus) {
  auto map = RpsMap::create(mask, online, cpus);
  EXPECT_TRUE(map) << map.error().message();
  return map ? *map : RpsMap();
}

TEST(ReciprocalScale, TakesTheHighBits) {
  EXPECT_EQ(reciprocal_scale(0, 4), 0u);
  EXPECT_EQ(reciprocal_scale(0x3fff'ffff, 4), 0u);
  EXPECT_EQ(reciprocal_scale(0x4000'0000, 4), 1u);
  EXPECT_EQ(reciprocal_scale(0xffff'ffff, 4), 3u);
  EXPECT_EQ(reciprocal_scale(0x5555'5555, 3), 0u);
  EXPECT_EQ(reciprocal_scale(0x5555'5556, 3), 1u);
  EXPECT_EQ(reciprocal_scale(0xffff'ffff, 0), 0u);
}

// The vectors of 6.18's rfs_slot(), by hand from hash * 0x61c88647 >> 22.
TEST(KernelRules, SlotsOfBothRules) {
  EXPECT_EQ(slot_of(SlotRule::kHash32, 0x1, 10), 391u);
  EXPECT_EQ(slot_of(SlotRule::kHash32, 0x51cc'c178, 10), 491u);
  EXPECT_EQ(slot_of(SlotRule::kHash32, 0xc626'b0ea, 10), 88u);
  EXPECT_EQ(slot_of(SlotRule::kHash32, 0xffff'ffff, 10), 632u);
  EXPECT_EQ(slot_of(SlotRule::kMask, 0x51cc'c178, 10), 0x178u);
  EXPECT_EQ(slot_of(SlotRule::kMask, 0xffff'ffff, 31), 0x7fff'ffffu);
  for (const auto rule : {SlotRule::kMask, SlotRule::kHash32}) {
    EXPECT_EQ(slot_of(rule, 0xffff'ffff, 0), 0u) << "a table of one";
  }
}

TEST(RpsMap, KeepsTheOnlineCpusInOrder) {
  const CpuSet online = CpuSet::of({0, 1, 3});
  EXPECT_EQ(map_of(CpuSet::range(0, 3), online, 4).cpus(), (std::vector{0, 1, 3}));
  EXPECT_EQ(map_of(CpuSet::of({3, 2}), online, 4).cpus(), (std::vector{3}));
  EXPECT_TRUE(map_of({}, online, 4).empty());
}

TEST(RpsMap, RefusesWhatTheKernelRefuses) {
  const auto beyond = RpsMap::create(CpuSet::range(0, 7), CpuSet::range(0, 1), 2);
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().number(), EOVERFLOW);
  EXPECT_EQ(beyond.error().context(), "rps_cpus ff: the last CPU is 1");
  const auto offline = RpsMap::create(CpuSet::of(1), CpuSet::of(0), 2);
  ASSERT_FALSE(offline);
  EXPECT_EQ(offline.error().number(), EINVAL);
}

TEST(RpsMap, SpreadsEvenlyAndByTheHighBits) {
  const RpsMap map = map_of(CpuSet::of({0, 2, 5}), CpuSet::range(0, 7), 8);
  EXPECT_EQ(map.cpu_for(0x0000'0001), 0);
  EXPECT_EQ(map.cpu_for(0x5555'5556), 2);
  EXPECT_EQ(map.cpu_for(0xffff'fff0), 5);
  Random random(11);
  std::vector<int> seen(8);
  for (int i = 0; i < 30'000; ++i) {
    ++seen[static_cast<std::size_t>(map.cpu_for(static_cast<std::uint32_t>(random())))];
  }
  for (const std::size_t cpu : {0u, 2u, 5u}) EXPECT_NEAR(seen[cpu], 10'000, 400);
  EXPECT_EQ(seen[0] + seen[2] + seen[5], 30'000);
}

}  // namespace
}  // namespace leat::steering
