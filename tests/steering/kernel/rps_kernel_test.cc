// RPS: given the kernel's own hash, the model names the CPU of every packet.
#include <array>
#include <iterator>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "leat/steering/receive_steering.h"

#include "kernel/kernel_fixture.h"

namespace leat::steering {
namespace {

using leat::testing::receive_queue;
using leat::testing::VethWorld;

class RpsKernel : public leat::testing::KernelFixture {
 protected:
  static constexpr std::uint32_t kFlows = 64;
  static constexpr std::uint32_t kPackets = 3;

  /// A mask for each receive queue.
  using Masks = std::array<CpuSet, VethWorld::kQueues>;

  ReceiveSteering configured(const Masks& masks) {
    auto model =
        ReceiveSteering::create({.cpus = cpus, .online = online, .receive_queues = masks.size()});
    for (std::size_t queue = 0; queue < masks.size(); ++queue) {
      EXPECT_TRUE(world->set_rps_cpus(queue, masks[queue]));
      EXPECT_TRUE(model->set_rps_cpus(queue, masks[queue]));
    }
    return *std::move(model);
  }

  void send_flows() {
    const UniqueFd to = near_socket(9000);
    for (std::uint32_t flow = 0; flow < kFlows; ++flow) {
      const UniqueFd from = far_socket(0);
      for (std::uint32_t i = 0; i < kPackets; ++i) {
        ASSERT_TRUE(send_to(from, VethWorld::kNearAddress, 9000, i));
      }
    }
  }

  /// How many packets were compared.
  std::size_t compare(const Masks& masks, int sender) {
    ReceiveSteering model = configured(masks);
    EXPECT_TRUE(CpuSet::of(sender).pin_current_thread());
    watch->take();
    send_flows();
    const auto events = seen(STEERING_RECEIVED, kFlows * kPackets);
    for (const steering_event& event : events) {
      const std::size_t queue = receive_queue(event);
      const SteeringDecision decision = model.steer(queue, event.hash);
      const auto expected = static_cast<unsigned>(decision.cpu);
      if (decision.cpu == SteeringDecision::kStayHere) {
        EXPECT_EQ(event.cpu, event.entry_cpu) << "queue " << queue;
      } else {
        EXPECT_EQ(event.cpu, expected) << "queue " << queue << " hash " << event.hash;
      }
      EXPECT_EQ(event.entry, static_cast<unsigned>(entry));
      ++on_queue[queue];
      moved += event.cpu != event.entry_cpu;
    }
    return events.size();
  }

  void compare_grid() {
    const Masks grid[] = {
        {},
        {CpuSet::of(0), CpuSet::of(0), CpuSet::of(0), CpuSet::of(0)},
        {CpuSet::of(1), CpuSet::of(1), CpuSet::of(1), CpuSet::of(1)},
        {CpuSet::of({0, 1}), CpuSet::of({0, 1}), CpuSet::of({0, 1}), CpuSet::of({0, 1})},
        {CpuSet::of(0), CpuSet::of(1), CpuSet(), CpuSet::of({0, 1})},
        {CpuSet::of({0, 1}), CpuSet(), CpuSet::of(1), CpuSet::of(0)},
    };
    std::size_t compared = 0;
    for (const Masks& masks : grid) {
      for (const int sender : {0, 1}) {
        SCOPED_TRACE("masks " + masks[0].to_mask() + " " + masks[1].to_mask() + " " +
                     masks[2].to_mask() + " " + masks[3].to_mask() + ", sender on CPU " +
                     std::to_string(sender));
        compared += compare(masks, sender);
      }
    }
    EXPECT_GT(compared, std::size(grid) * kFlows * kPackets) << "half of them or more were seen";
    EXPECT_GT(moved, 0u);
    // The reference's trap: a veth uses the rules of the queue before, so the last are never used.
    for (const std::size_t queue : {0u, 1u, 2u}) EXPECT_GT(on_queue[queue], 0u) << queue;
    EXPECT_EQ(on_queue[3], 0u);
  }

  std::array<std::size_t, VethWorld::kQueues> on_queue{};
  std::size_t moved = 0;
  steering_entry entry = STEERING_BY_NETIF_RX;
};

TEST_F(RpsKernel, EveryPacketByNetifRx) {
  compare_grid();
}

TEST_F(RpsKernel, EveryPacketByNapi) {
  if (!world->use_napi()) GTEST_SKIP() << "veth without NAPI";
  entry = STEERING_BY_NAPI;
  compare_grid();
}

TEST_F(RpsKernel, BothRefuseTheSameMasks) {
  const CpuSet beyond = CpuSet::of({0, cpus});
  EXPECT_FALSE(world->set_rps_cpus(0, beyond));
  EXPECT_EQ(errno, EOVERFLOW);
  auto model = ReceiveSteering::create({.cpus = cpus, .online = online});
  EXPECT_EQ(model->set_rps_cpus(0, beyond).error().number(), EOVERFLOW);
}

}  // namespace
}  // namespace leat::steering
