#include "leat/steering/receive_steering.h"

#include <cerrno>
#include <utility>

#include <gtest/gtest.h>

#include "leat/base/random.h"

namespace leat::steering {
namespace {

using By = SteeringDecision::By;
using Enqueued = ReceiveSteering::Enqueued;

constexpr std::uint32_t kHash = 0x51cc'c178;  // the lower half: the first CPU of a map of two
constexpr int kStay = SteeringDecision::kStayHere;

ReceiveSteering make(ReceiveSteering::Options options) {
  return ReceiveSteering::create(std::move(options)).value();
}

/// Four CPUs, two queues, RFS tables, no reader yet.
ReceiveSteering with_rfs(KernelRules rules = {}) {
  ReceiveSteering steering = make({.cpus = 4, .receive_queues = 2, .rules = rules});
  EXPECT_TRUE(steering.socket_flows().set_size(4096));
  for (const std::size_t queue : {0u, 1u}) EXPECT_TRUE(steering.set_rps_flow_count(queue, 1024));
  return steering;
}

void read_on(ReceiveSteering& steering, std::uint32_t hash, int cpu) {
  steering.socket_flows().on_receive({.hash = hash, .connected = true}, cpu);
}

void put(ReceiveSteering& steering, std::size_t queue, std::uint32_t hash, int expected_cpu) {
  const auto decision = steering.steer(queue, hash);
  EXPECT_EQ(decision.cpu, expected_cpu);
  const auto queued = steering.enqueue(0, decision, hash, 0);
  EXPECT_TRUE(queued == Enqueued::kQueued || queued == Enqueued::kQueuedWake);
}

void drain(ReceiveSteering& steering, int cpu) {
  while (steering.dequeue(cpu)) {
  }
  steering.end_batch(cpu);
}

TEST(ReceiveSteering, WithoutTablesAPacketStaysAndNeedsNoHash) {
  ReceiveSteering steering = make({.cpus = 4, .receive_queues = 2});
  EXPECT_FALSE(steering.wants_hash(0));
  EXPECT_EQ(steering.steer(0, kHash).cpu, kStay);
  EXPECT_FALSE(steering.wants_hash(7)) << "no such queue";
  EXPECT_EQ(steering.steer(7, kHash).cpu, kStay);
}

TEST(ReceiveSteering, RpsIsForItsQueueOnly) {
  ReceiveSteering steering = make({.cpus = 4, .receive_queues = 2});
  ASSERT_TRUE(steering.set_rps_cpus(1, CpuSet::of({1, 3})));
  EXPECT_EQ(steering.steer(0, kHash).cpu, kStay);
  const auto decision = steering.steer(1, kHash);
  EXPECT_EQ(decision.cpu, 1);
  EXPECT_EQ(decision.by, By::kRps);
  EXPECT_EQ(decision.flow, nullptr);
  EXPECT_EQ(steering.steer(1, 0x9000'0000).cpu, 3);
  EXPECT_EQ(steering.steer(1, 0).cpu, kStay) << "no hash";
  ASSERT_TRUE(steering.set_rps_cpus(1, {}));
  EXPECT_EQ(steering.steer(1, kHash).cpu, kStay);
}

TEST(ReceiveSteering, AnOfflineCpuIsNotInTheMapAndDoesNotComeBack) {
  ReceiveSteering steering = make({.cpus = 2, .online = CpuSet::of(0)});
  ASSERT_TRUE(steering.set_rps_cpus(0, CpuSet::of({0, 1})));
  EXPECT_EQ(steering.steer(0, 0x9000'0000).cpu, 0);
  steering.set_online(CpuSet::of({0, 1}));
  EXPECT_EQ(steering.steer(0, 0x9000'0000).cpu, 0) << "the map is as it was made";
  ASSERT_TRUE(steering.set_rps_cpus(0, CpuSet::of({0, 1})));
  EXPECT_EQ(steering.steer(0, 0x9000'0000).cpu, 1);
  steering.set_online(CpuSet::of(0));
  EXPECT_EQ(steering.steer(0, 0x9000'0000).cpu, kStay) << "and none else steps in";
}

TEST(ReceiveSteering, RfsNeedsBothTablesAndNoMap) {
  ReceiveSteering steering = make({.cpus = 4});
  ASSERT_TRUE(steering.set_rps_flow_count(0, 1000));
  read_on(steering, kHash, 2);
  EXPECT_EQ(steering.steer(0, kHash).cpu, kStay) << "the global table is off";
  ASSERT_TRUE(steering.socket_flows().set_size(1024));
  EXPECT_EQ(steering.steer(0, kHash).cpu, kStay) << "nobody reads it";
  read_on(steering, kHash, 2);
  const auto decision = steering.steer(0, kHash);
  EXPECT_EQ(decision.cpu, 2);
  EXPECT_EQ(decision.by, By::kRfs);
  EXPECT_NE(decision.flow, nullptr);
}

TEST(ReceiveSteering, RfsWinsOverTheMapAndAMismatchFallsToIt) {
  ReceiveSteering steering = with_rfs();
  ASSERT_TRUE(steering.set_rps_cpus(0, CpuSet::of(1)));
  EXPECT_EQ(steering.steer(0, kHash).cpu, 1);
  read_on(steering, kHash, 3);
  EXPECT_EQ(steering.steer(0, kHash).cpu, 3);
  read_on(steering, kHash ^ 0x1000'0000, 2);  // another flow of the same slot
  const auto decision = steering.steer(0, kHash);
  EXPECT_EQ(decision.cpu, 1);
  EXPECT_EQ(decision.by, By::kRps);
}

TEST(ReceiveSteering, AFlowMovesOnceItsPacketsAreProcessed) {
  ReceiveSteering steering = with_rfs();
  read_on(steering, kHash, 1);
  put(steering, 0, kHash, 1);
  put(steering, 0, kHash, 1);
  read_on(steering, kHash, 2);
  put(steering, 0, kHash, 1);
  EXPECT_TRUE(steering.dequeue(1));
  EXPECT_TRUE(steering.dequeue(1));
  EXPECT_TRUE(steering.dequeue(1));
  put(steering, 0, kHash, 1);  // the last one is still being worked on
  EXPECT_TRUE(steering.dequeue(1));
  steering.end_batch(1);
  put(steering, 0, kHash, 2);
}

TEST(ReceiveSteering, OtherPacketsBehindTheFlowsLastDoNotHoldIt) {
  ReceiveSteering steering = with_rfs();
  read_on(steering, kHash, 1);
  put(steering, 0, kHash, 1);
  read_on(steering, 0x1234'5678, 1);
  put(steering, 0, 0x1234'5678, 1);
  EXPECT_TRUE(steering.dequeue(1));
  steering.end_batch(1);
  read_on(steering, kHash, 2);
  put(steering, 0, kHash, 2);
}

// A move notes where the new CPU stands, which counts if the packet is lost after all.
TEST(ReceiveSteering, AFlowThatWasNeverQueuedMayMoveOn) {
  ReceiveSteering steering = make({.cpus = 4, .max_backlog = 0});
  ASSERT_TRUE(steering.socket_flows().set_size(4096));
  ASSERT_TRUE(steering.set_rps_flow_count(0, 1024));
  for (int i = 0; i < 5; ++i) {
    read_on(steering, kHash, 1);
    put(steering, 0, kHash, 1);
    drain(steering, 1);
  }
  read_on(steering, 0x1234'5678, 2);
  put(steering, 0, 0x1234'5678, 2);
  read_on(steering, kHash, 2);
  const auto decision = steering.steer(0, kHash);
  EXPECT_EQ(decision.cpu, 2);
  EXPECT_EQ(steering.enqueue(0, decision, kHash, 0), Enqueued::kDroppedFull);
  read_on(steering, kHash, 3);
  put(steering, 0, kHash, 3);
}

TEST(ReceiveSteering, AFlowLeavesACpuThatWentOffline) {
  ReceiveSteering steering = with_rfs();
  read_on(steering, kHash, 1);
  put(steering, 0, kHash, 1);
  read_on(steering, kHash, 2);
  steering.set_online(CpuSet::of({0, 2, 3}));
  put(steering, 0, kHash, 2);
}

TEST(ReceiveSteering, AReaderOnACpuThatCannotBeFallsToTheMap) {
  ReceiveSteering steering = make({.cpus = 3});
  ASSERT_TRUE(steering.socket_flows().set_size(1024));
  ASSERT_TRUE(steering.set_rps_flow_count(0, 1024));
  ASSERT_TRUE(steering.set_rps_cpus(0, CpuSet::of(2)));
  const auto decision = steering.steer(0, 0x0000'fffd);  // the empty word looks like its own
  EXPECT_EQ(decision.cpu, 2);
  EXPECT_EQ(decision.by, By::kRps);
}

TEST(ReceiveSteering, AFlowWithoutQueueRulesFollowsSlots) {
  // 1 and 1025 share a slot of 1024 by mask, and not by hash_32.
  for (const auto rules : {KernelRules::linux_6_12(), KernelRules::linux_6_18()}) {
    ReceiveSteering steering = with_rfs(rules);
    read_on(steering, 1, 1);
    read_on(steering, 1025, 2);
    put(steering, 0, 1, 1);
    const bool shared = rules.flow_slot == SlotRule::kMask;
    put(steering, 0, 1025, shared ? 1 : 2);
  }
}

TEST(ReceiveSteering, CountsAsSoftnetStatDoes) {
  ReceiveSteering steering = make({.cpus = 2, .max_backlog = 2});
  ASSERT_TRUE(steering.set_rps_cpus(0, CpuSet::of(1)));
  const auto send = [&] { return steering.enqueue(0, steering.steer(0, kHash), kHash, 5); };
  EXPECT_EQ(send(), Enqueued::kQueuedWake);
  EXPECT_EQ(send(), Enqueued::kQueued);
  EXPECT_EQ(send(), Enqueued::kQueued);
  EXPECT_EQ(send(), Enqueued::kDroppedFull) << "the limit is 2, and 3 were taken";
  EXPECT_EQ(steering.counters(1).dropped, 1u);
  EXPECT_EQ(steering.counters(1).received_rps, 1u);
  EXPECT_EQ(steering.counters(0).dropped, 0u);
  EXPECT_EQ(steering.dequeue(1), 5u);
  drain(steering, 1);
  EXPECT_EQ(steering.counters(1).processed, 3u);
  steering.processed_here(0);
  EXPECT_EQ(steering.counters(0).processed, 1u);
  // As netif_rx(): to the CPU's own backlog, and no interrupt between CPUs.
  EXPECT_EQ(steering.enqueue(0, {}, kHash, 6), Enqueued::kQueuedWake);
  EXPECT_EQ(steering.counters(0).received_rps, 0u);
  EXPECT_EQ(steering.dequeue(0), 6u);
}

TEST(ReceiveSteering, TheFlowLimitIsThatOfTheCpuThatEnqueues) {
  for (const int limited : {0, 1}) {
    ReceiveSteering steering = make({.cpus = 2, .max_backlog = 1000});
    ASSERT_TRUE(steering.set_rps_cpus(0, CpuSet::of(1)));
    ASSERT_TRUE(steering.set_flow_limit(CpuSet::of(limited)));
    for (int i = 0; i < 1200; ++i) {
      (void)steering.enqueue(0, steering.steer(0, kHash), kHash, 0);
    }
    // Half of the limit is let in without a look, then the flow's half of the ring.
    const std::size_t waiting = steering.backlog(1).input_size();
    EXPECT_EQ(waiting, limited == 0 ? 500u + 64u : 1001u);
    EXPECT_EQ(steering.counters(0).flow_limit_count, limited == 0 ? 1200 - waiting : 0u);
    EXPECT_EQ(steering.counters(1).flow_limit_count, 0u);
    EXPECT_EQ(steering.counters(1).dropped, 1200 - waiting);
    EXPECT_EQ(steering.counters(0).dropped, 0u);
  }
}

TEST(ReceiveSteering, TheFlowLimitSparesTheOthers) {
  ReceiveSteering steering = make({.cpus = 2, .max_backlog = 100});
  ASSERT_TRUE(steering.set_rps_cpus(0, CpuSet::of(1)));
  ASSERT_TRUE(steering.set_flow_limit(CpuSet::of(0)));
  Random random(3);
  int lost = 0;
  for (int i = 0; i < 20'000; ++i) {
    (void)steering.enqueue(0, steering.steer(0, kHash), kHash, 0);
    if (i % 10 == 0) {
      const auto hash = static_cast<std::uint32_t>(random()) | 1;
      const auto queued = steering.enqueue(0, steering.steer(0, hash), hash, 0);
      lost += queued == Enqueued::kDroppedFull || queued == Enqueued::kDroppedFlowLimit;
    }
    if (i % 2 == 0) (void)steering.dequeue(1);
  }
  EXPECT_EQ(lost, 0);
  EXPECT_GT(steering.counters(0).flow_limit_count, 5'000u);
}

TEST(ReceiveSteering, RefusesImpossibleSettings) {
  EXPECT_EQ(ReceiveSteering::create({.cpus = 0}).error().number(), EINVAL);
  EXPECT_EQ(ReceiveSteering::create({.cpus = 65'535}).error().number(), EINVAL);
  EXPECT_EQ(ReceiveSteering::create({.receive_queues = 0}).error().number(), EINVAL);
  EXPECT_EQ(ReceiveSteering::create({.max_backlog = std::size_t{1} << 40}).error().number(),
            EINVAL);
  ReceiveSteering steering = make({.cpus = 2});
  EXPECT_EQ(steering.set_rps_cpus(1, CpuSet::of(0)).error().number(), EINVAL);
  EXPECT_EQ(steering.set_rps_cpus(0, CpuSet::of(2)).error().number(), EOVERFLOW);
  EXPECT_EQ(steering.set_rps_flow_count(1, 8).error().number(), EINVAL);
  EXPECT_EQ(steering.set_rps_flow_count(0, std::size_t{1} << 40).error().number(), EINVAL);
  EXPECT_EQ(steering.set_flow_limit(CpuSet::of(0), 100).error().number(), EINVAL);
}

}  // namespace
}  // namespace leat::steering
