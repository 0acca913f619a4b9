// No flow is reordered while readers move between CPUs; and what the rule for that does not cover.
#include <string>

#include <gtest/gtest.h>

#include "support/order_world.h"

namespace leat::steering {
namespace {

using testing::OrderWorld;

constexpr std::uint64_t kSeeds = 8;
constexpr std::size_t kSteps = 40'000;

/// Runs all seeds under the rules of both kernels, lets `check` look at each, and gives how many
/// packets went to another CPU than those before them.
template <typename Check>
std::uint64_t moves(OrderWorld::Options options, Check&& check) {
  std::uint64_t moved = 0;
  const TailRule tail = options.rules.tail;
  for (options.seed = 1; options.seed <= kSeeds; ++options.seed) {
    for (const auto& rules : {KernelRules::linux_6_12(), KernelRules::linux_6_18()}) {
      options.rules = rules;
      options.rules.tail = tail;
      SCOPED_TRACE("seed " + std::to_string(options.seed));
      OrderWorld world(options);
      world.run(kSteps);
      EXPECT_GT(world.delivered, kSteps / 10);
      check(world);
      moved += world.moved;
    }
  }
  return moved;
}

void expect_order(const OrderWorld& world) {
  EXPECT_EQ(world.reordered, 0u);
}

constexpr OrderWorld::Options kArfs = {
    .queues = 4, .flow_entries = 32, .arfs = true, .own_slots = true};

TEST(ReceiveOrder, RfsNeverReordersAFlow) {
  EXPECT_GT(moves({}, expect_order), 1'000u) << "flows do move";
}

TEST(ReceiveOrder, WithoutTheTailRuleItDoes) {
  moves({.rules = {.tail = TailRule::kAtOnce}},
        [](const OrderWorld& world) { EXPECT_GT(world.reordered, 10u); });
}

TEST(ReceiveOrder, FlowsThatShareASlotStayInOrderToo) {
  EXPECT_GT(moves({.flow_entries = 4}, expect_order), 500u);
}

TEST(ReceiveOrder, LossIsNoReordering) {
  std::uint64_t dropped = 0;
  moves({.max_backlog = 3}, [&](OrderWorld& world) {
    expect_order(world);
    dropped += world.steering().counters(0).dropped;
  });
  EXPECT_GT(dropped, 1'000u);
}

TEST(ReceiveOrder, ArfsNeverReordersAFlow) {
  std::uint64_t by_filter = 0;
  std::uint64_t expired = 0;
  const auto moved = moves(kArfs, [&](const OrderWorld& world) {
    expect_order(world);
    by_filter += world.by_filter;
    expired += world.expired;
  });
  EXPECT_GT(moved, 1'000u);
  EXPECT_GT(by_filter, 10'000u);
  EXPECT_GT(expired, 100u);
}

TEST(ReceiveOrder, ArfsWithoutTheTailRuleDoes) {
  OrderWorld::Options options = kArfs;
  options.rules.tail = TailRule::kAtOnce;
  moves(options, [](const OrderWorld& world) { EXPECT_GT(world.reordered, 10u); });
}

// What the kernel's rule does not cover, so neither does this.

// A flow's first packets go by the map, and the flow's slot knows nothing of where they wait.
TEST(ReceiveOrder, TheWayFromRpsToRfsIsNotCovered) {
  std::uint64_t reordered = 0;
  moves({.read_before_packets = false},
        [&](const OrderWorld& world) { reordered += world.reordered; });
  EXPECT_GT(reordered, 0u);
}

// A flow that gets a slot in another queue's table takes it over from the flow that is there, whose
// packets still wait where it went so far.
TEST(ReceiveOrder, ArfsWithSharedSlotsIsNotCovered) {
  std::uint64_t reordered = 0;
  OrderWorld::Options options = kArfs;
  options.own_slots = false;
  options.flow_entries = 8;
  moves(options, [&](const OrderWorld& world) { reordered += world.reordered; });
  EXPECT_GT(reordered, 0u);
}

}  // namespace
}  // namespace leat::steering
