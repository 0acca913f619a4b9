// aRFS: which queue is nearest, the card's filters, and when they go.
#include <cerrno>
#include <map>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "leat/base/random.h"
#include "leat/steering/filter_table.h"
#include "leat/steering/nearest_queue_map.h"
#include "leat/steering/receive_steering.h"

namespace leat::steering {
namespace {

/// Two NUMA nodes of two packages each, a package of two cores, a core of two threads: CPU i and
/// i + 8 share a core.
Topology machine() {
  Topology topology;
  topology.online = CpuSet::range(0, 15);
  for (const int cpu : topology.online) {
    const int core = cpu % 8;
    topology.cpus.push_back({.number = cpu,
                             .package = core / 2,
                             .core = core,
                             .node = core / 4,
                             .siblings = CpuSet::of({core, core + 8})});
  }
  return topology;
}

TEST(NearestQueueMap, BeginsRoundRobinAndInfinitelyFar) {
  const NearestQueueMap map(machine(), 16, 3);
  EXPECT_EQ(map.queue_of(0), 0);
  EXPECT_EQ(map.queue_of(4), 1);
  EXPECT_EQ(map.queue_of(5), 2);
  EXPECT_EQ(map.distance_of(5), NearestQueueMap::kInfinite);
}

TEST(NearestQueueMap, KnowsFourDistances) {
  NearestQueueMap map(machine(), 16, 2);
  map.set_affinity(1, CpuSet::of(2));
  const std::map<int, NearestQueueMap::Distance> expected = {
      {2, NearestQueueMap::kInAffinity},  {10, NearestQueueMap::kSameCore},
      {3, NearestQueueMap::kSamePackage}, {11, NearestQueueMap::kSamePackage},
      {0, NearestQueueMap::kSameNode},    {9, NearestQueueMap::kSameNode},
      {4, NearestQueueMap::kInfinite},
  };
  for (const auto& [cpu, distance] : expected) {
    EXPECT_EQ(map.distance_of(cpu), distance) << cpu;
    if (distance != NearestQueueMap::kInfinite) {
      EXPECT_EQ(map.queue_of(cpu), 1) << cpu;
    }
  }
}

TEST(NearestQueueMap, ACpuKeepsItsQueueUntilANearerOneComesOrItsOwnLeaves) {
  NearestQueueMap map(machine(), 16, 2);
  map.set_affinity(0, CpuSet::of(0));
  map.set_affinity(1, CpuSet::of(1));
  EXPECT_EQ(map.queue_of(0), 0);
  EXPECT_EQ(map.queue_of(8), 0);
  EXPECT_EQ(map.queue_of(9), 1) << "the sibling is nearer than the package";
  EXPECT_EQ(map.queue_of(2), 0) << "as far from both: the first stays";
  map.set_affinity(0, CpuSet::of(4));
  EXPECT_EQ(map.queue_of(0), 1) << "its own left, a neighbour's is there";
  EXPECT_EQ(map.distance_of(0), NearestQueueMap::kSamePackage);
  EXPECT_EQ(map.queue_of(5), 0);
}

TEST(NearestQueueMap, ASloppyAffinityTakesEveryCpu) {
  NearestQueueMap map(machine(), 16, 4);
  for (std::uint16_t queue = 0; queue < 4; ++queue) map.set_affinity(queue, CpuSet::range(0, 15));
  for (int cpu = 0; cpu < 16; ++cpu) EXPECT_EQ(map.queue_of(cpu), 3) << cpu;
}

TEST(FilterTable, FindsMovesAndRunsFull) {
  FilterTable filters = FilterTable::create(2).value();
  EXPECT_FALSE(filters.queue_for(5));
  const auto id = filters.program(5, 1, 100);
  ASSERT_TRUE(id);
  EXPECT_EQ(filters.queue_for(5), 1);
  EXPECT_EQ(filters.program(5, 3, 101), id) << "moved, not added";
  EXPECT_EQ(filters.queue_for(5), 3);
  ASSERT_TRUE(filters.program(7, 0, 1));
  EXPECT_FALSE(filters.program(9, 0, 2)) << "no room";
  EXPECT_EQ(filters.expire(9, [](const auto& f) { return f.hash == 5 && f.flow_id == 101; }), 1u);
  EXPECT_FALSE(filters.queue_for(5));
  EXPECT_EQ(filters.program(9, 2, 2), id) << "its place is used again";
  EXPECT_EQ(FilterTable::create(0).error().number(), EINVAL);
  EXPECT_EQ(FilterTable::create(65'536).error().number(), EINVAL);
}

TEST(FilterTable, BehavesAsAMap) {
  Random random(4);
  FilterTable filters = FilterTable::create(37).value();
  std::map<std::uint32_t, std::uint16_t> model;
  for (int i = 0; i < 20'000; ++i) {
    const auto hash = static_cast<std::uint32_t>(random.uniform(1, 80));
    const auto queue = static_cast<std::uint16_t>(random.uniform(0, 7));
    if (random.uniform(0, 9) == 0) {
      filters.expire(37, [&](const auto& f) { return f.hash % 8 == hash % 8; });
      std::erase_if(model, [&](const auto& f) { return f.first % 8 == hash % 8; });
    } else if (filters.program(hash, queue, 0)) {
      model[hash] = queue;
    } else {
      ASSERT_FALSE(model.contains(hash));
      ASSERT_EQ(model.size(), 37u);
    }
    ASSERT_EQ(filters.size(), model.size());
    const auto found = filters.queue_for(hash);
    ASSERT_EQ(found.has_value(), model.contains(hash));
    if (found) {
      ASSERT_EQ(*found, model[hash]);
    }
  }
}

/// Two CPUs, queue i with its interrupt on CPU i.
struct Arfs {
  explicit Arfs(KernelRules rules, std::size_t entries = 1024)
      : steering(ReceiveSteering::create({.cpus = 2, .receive_queues = 2, .rules = rules}).value()),
        filters(FilterTable::create(100).value()) {
    steering.socket_flows().set_size(4096).value();
    for (const std::size_t queue : {0u, 1u}) steering.set_rps_flow_count(queue, entries).value();
    Topology flat;
    flat.online = CpuSet::range(0, 1);
    for (const int cpu : {0, 1}) {
      flat.cpus.push_back({.number = cpu, .core = cpu, .siblings = CpuSet::of(cpu)});
    }
    NearestQueueMap nearest(flat, 2, 2);
    for (const int cpu : {0, 1}) {
      nearest.set_affinity(static_cast<std::uint16_t>(cpu), CpuSet::of(cpu));
    }
    steering.enable_arfs(std::move(nearest), filters);
  }
  void read(std::uint32_t hash, int cpu) {
    steering.socket_flows().on_receive({.hash = hash, .connected = true}, cpu);
  }
  /// A packet on `queue`, processed at once; the CPU.
  int receive(std::size_t queue, std::uint32_t hash) {
    const auto decision = steering.steer(queue, hash);
    (void)steering.enqueue(0, decision, hash, 0);
    while (steering.dequeue(decision.cpu)) {
    }
    steering.end_batch(decision.cpu);
    return decision.cpu;
  }
  std::size_t expire() {
    return filters.expire(100, [this](const auto& f) { return steering.may_expire(f); });
  }

  ReceiveSteering steering;
  FilterTable filters;
};

TEST(Arfs, MovesAFlowToTheQueueNearItsReader) {
  Arfs arfs(KernelRules::linux_6_18());
  arfs.read(5, 1);
  EXPECT_EQ(arfs.receive(0, 5), 1);
  EXPECT_EQ(arfs.filters.queue_for(5), 1);
  EXPECT_EQ(arfs.receive(1, 5), 1);
  arfs.read(5, 0);
  EXPECT_EQ(arfs.receive(1, 5), 0);
  EXPECT_EQ(arfs.filters.queue_for(5), 0);
  EXPECT_EQ(arfs.filters.size(), 1u);
}

TEST(Arfs, AFlowOnTheRightQueueNeedsNoFilter) {
  Arfs arfs(KernelRules::linux_6_18());
  arfs.read(5, 0);
  EXPECT_EQ(arfs.receive(0, 5), 0);
  EXPECT_EQ(arfs.filters.size(), 0u);
}

TEST(Arfs, TheTargetQueueNeedsAFlowTable) {
  Arfs arfs(KernelRules::linux_6_18());
  ASSERT_TRUE(arfs.steering.set_rps_flow_count(1, 0));
  arfs.read(5, 1);
  EXPECT_EQ(arfs.receive(0, 5), 1) << "RFS alone";
  EXPECT_EQ(arfs.filters.size(), 0u);
}

// 5 and 5 + 1024 share a slot by mask.
TEST(Arfs, TheNewerRuleDoesNotOverwriteAnActiveSlot) {
  for (const auto rule : {FilterRule::kOverwrite, FilterRule::kDoNotOverwriteActive}) {
    KernelRules rules = KernelRules::linux_6_12();
    rules.filter = rule;
    const bool newer = rule == FilterRule::kDoNotOverwriteActive;
    Arfs arfs(rules);
    arfs.read(5, 1);
    arfs.read(5 + 1024, 1);
    EXPECT_EQ(arfs.receive(0, 5), 1);
    // Nor does the flow itself ask again for what it has, while packets still come the old way.
    const auto again = arfs.steering.steer(0, 5);
    EXPECT_EQ(again.cpu, 1);
    EXPECT_EQ(again.flow->filter == QueueFlow::kNoFilter, newer);
    arfs.read(5 + 2048, 0);  // The slot of queue 0 is for CPU 0 again.
    EXPECT_EQ(arfs.receive(0, 5 + 2048), 0);
    arfs.read(5 + 1024, 1);
    EXPECT_EQ(arfs.receive(0, 5 + 1024), 1) << "RFS goes on without a filter";
    arfs.read(5, 1);
    EXPECT_EQ(arfs.filters.queue_for(5), 1);
    EXPECT_EQ(arfs.filters.queue_for(5 + 1024).has_value(), !newer);
  }
}

TEST(Arfs, TheSlotThatAFlowLeavesIsFree) {
  KernelRules rules = KernelRules::linux_6_12();
  rules.filter = FilterRule::kDoNotOverwriteActive;
  Arfs arfs(rules);
  arfs.read(5, 1);
  EXPECT_EQ(arfs.receive(0, 5), 1);
  arfs.read(5, 0);
  EXPECT_EQ(arfs.receive(1, 5), 0);
  arfs.read(5 + 1024, 1);
  EXPECT_EQ(arfs.receive(0, 5 + 1024), 1);
  EXPECT_EQ(arfs.filters.queue_for(5 + 1024), 1);
}

TEST(Arfs, AnInactiveSlotIsTakenOver) {
  Arfs arfs(KernelRules::linux_6_18(), 1);
  arfs.read(5, 1);
  EXPECT_EQ(arfs.receive(0, 5), 1);
  for (int i = 0; i < 10; ++i) {
    (void)arfs.steering.enqueue(0, {.cpu = 1}, 9, 0);
    (void)arfs.steering.dequeue(1);
  }
  arfs.steering.end_batch(1);
  arfs.read(7, 1);
  EXPECT_EQ(arfs.receive(0, 7), 1);
  EXPECT_EQ(arfs.filters.queue_for(7), 1);
  EXPECT_EQ(arfs.expire(), 1u) << "the slot has another filter by now";
  EXPECT_FALSE(arfs.filters.queue_for(5));
}

TEST(Arfs, FiltersExpireByPacketsOfTheirCpu) {
  for (const auto& rules : {KernelRules::linux_6_12(), KernelRules::linux_6_18()}) {
    Arfs arfs(rules, 8);
    arfs.read(5, 1);
    EXPECT_EQ(arfs.receive(0, 5), 1);
    EXPECT_EQ(arfs.expire(), 0u);
    for (int i = 0; i < 200; ++i) {
      (void)arfs.steering.enqueue(0, {.cpu = 0}, 9, 0);
      (void)arfs.steering.dequeue(0);
      arfs.steering.end_batch(0);
    }
    EXPECT_EQ(arfs.expire(), 0u) << "another CPU's packets, or time, do not count";
    const int until = rules.active == ActiveRule::kTenTimesMask ? 70 : 80;
    for (int i = 0; i < until; ++i) {
      EXPECT_EQ(arfs.expire(), 0u) << i;
      (void)arfs.steering.enqueue(0, {.cpu = 1}, 9, 0);
      (void)arfs.steering.dequeue(1);
      arfs.steering.end_batch(1);
    }
    EXPECT_EQ(arfs.expire(), 1u);
    EXPECT_EQ(arfs.filters.size(), 0u);
  }
}

}  // namespace
}  // namespace leat::steering
