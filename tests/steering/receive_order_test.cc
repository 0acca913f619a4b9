// No flow is reordered while readers move between CPUs; and what the rule for that does not cover.
#include <string>

#include <gtest/gtest.h>

#include "support/order_world.h"

namespace leat::steering {
namespace {

using testing::OrderWorld;

constexpr std::uint64_t kSeeds = 8;
constexpr std::size_t kSteps = 20'000;

std::string seed_of(const OrderWorld::Options& options) {
  return "seed " + std::to_string(options.seed);
}

template <typename Check>
void for_each_seed(OrderWorld::Options options, Check&& check) {
  for (options.seed = 1; options.seed <= kSeeds; ++options.seed) {
    for (const auto& rules : {KernelRules::linux_6_12(), KernelRules::linux_6_18()}) {
      const TailRule tail = options.rules.tail;
      options.rules = rules;
      options.rules.tail = tail;
      SCOPED_TRACE(seed_of(options));
      OrderWorld world(options);
      world.run(kSteps);
      check(world);
    }
  }
}

TEST(ReceiveOrder, RfsNeverReordersAFlow) {
  for_each_seed({}, [](const OrderWorld& world) {
    EXPECT_EQ(world.reordered, 0u);
    EXPECT_GT(world.delivered, kSteps / 3);
    EXPECT_GT(world.moved, 50u) << "flows do move";
  });
}

TEST(ReceiveOrder, WithoutTheTailRuleItDoes) {
  for_each_seed({.rules = {.tail = TailRule::kAtOnce}},
                [](const OrderWorld& world) { EXPECT_GT(world.reordered, 20u); });
}

TEST(ReceiveOrder, FlowsThatShareASlotStayInOrderToo) {
  for_each_seed({.flow_entries = 4}, [](const OrderWorld& world) {
    EXPECT_EQ(world.reordered, 0u);
    EXPECT_GT(world.moved, 20u);
  });
}

TEST(ReceiveOrder, LossIsNoReordering) {
  for_each_seed({.max_backlog = 3}, [](OrderWorld& world) {
    EXPECT_EQ(world.reordered, 0u);
    EXPECT_GT(world.steering().counters(0).dropped, 100u);
  });
}

TEST(ReceiveOrder, ArfsNeverReordersAFlow) {
  for_each_seed({.cpus = 8, .queues = 4, .flow_entries = 1024, .arfs = true, .own_slots = true},
                [](const OrderWorld& world) {
                  EXPECT_EQ(world.reordered, 0u);
                  EXPECT_GT(world.moved, 20u);
                  EXPECT_GT(world.by_filter, 1000u) << "filters do steer";
                });
}

TEST(ReceiveOrder, ArfsWithoutTheTailRuleDoes) {
  for_each_seed({.cpus = 8,
                 .queues = 4,
                 .flow_entries = 1024,
                 .rules = {.tail = TailRule::kAtOnce},
                 .arfs = true,
                 .own_slots = true},
                [](const OrderWorld& world) { EXPECT_GT(world.reordered, 20u); });
}

// What the kernel's rule does not cover, so neither does this.

// A flow's first packets go by the map, whose queue the flow's slot knows nothing of.
TEST(ReceiveOrder, TheWayFromRpsToRfsIsNotCovered) {
  std::uint64_t reordered = 0;
  for_each_seed({.read_before_packets = false},
                [&](const OrderWorld& world) { reordered += world.reordered; });
  EXPECT_GT(reordered, 0u);
}

// A flow that gets a slot in another queue's table takes it over from the flow that is there, whose
// packets still wait where it went so far.
TEST(ReceiveOrder, ArfsWithSharedSlotsIsNotCovered) {
  std::uint64_t reordered = 0;
  for_each_seed({.cpus = 8, .queues = 4, .flow_entries = 8, .arfs = true},
                [&](const OrderWorld& world) { reordered += world.reordered; });
  EXPECT_GT(reordered, 0u);
}

}  // namespace
}  // namespace leat::steering
