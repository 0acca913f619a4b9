// XPS: given the kernel's own hash, the model names the transmit queue of every packet.
#include <sys/socket.h>

#include <array>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "leat/steering/transmit_steering.h"

#include "kernel/kernel_fixture.h"

namespace leat::steering {
namespace {

using leat::testing::VethWorld;

class XpsKernel : public leat::testing::KernelFixture {
 protected:
  static constexpr std::uint16_t kQueues = VethWorld::kQueues;

  TransmitSteering model() const {
    return TransmitSteering::create({.transmit_queues = kQueues,  //
                                     .receive_queues = kQueues,
                                     .cpus = cpus})
        .value();
  }
  static TransmitPacket packet_of(const steering_event& event) {
    return {.hash = event.hash, .cpu = static_cast<int>(event.cpu)};
  }
  static TransmitSocket socket_of(const steering_event& event, bool has_route) {
    TransmitSocket socket{.has_route = has_route};
    if (event.socket_receive_queue < kQueues) {
      socket.receive_queue = static_cast<std::uint16_t>(event.socket_receive_queue);
    }
    return socket;
  }
};

TEST_F(XpsKernel, EveryPacketByCpuAndHash) {
  using Maps = std::array<CpuSet, kQueues>;
  const Maps grid[] = {
      {},
      {CpuSet::of(0), CpuSet::of(1), CpuSet(), CpuSet()},
      {CpuSet(), CpuSet(), CpuSet::of({0, 1}), CpuSet()},
      {CpuSet::of({0, 1}), CpuSet::of({0, 1}), CpuSet::of({0, 1}), CpuSet::of({0, 1})},
      {CpuSet::of(1), CpuSet::of(0), CpuSet::of(0), CpuSet::of(0)},
      {CpuSet(), CpuSet::of(0), CpuSet::of(0), CpuSet::of(0)},  // queue 0 left: the hole is filled
      {CpuSet(), CpuSet::of(1), CpuSet::of(0), CpuSet::of({0, 1})},
      {CpuSet(), CpuSet::of(1), CpuSet(), CpuSet()},  // CPU 0 has none any more
  };
  TransmitSteering model = this->model();
  std::map<std::uint32_t, int> used;
  std::size_t compared = 0;
  for (const Maps& maps : grid) {
    for (std::uint16_t queue = 0; queue < kQueues; ++queue) {
      ASSERT_TRUE(world->set_xps_cpus(queue, maps[queue]));
      ASSERT_TRUE(model.set_xps_cpus(queue, maps[queue]));
    }
    for (const int sender : {0, 1}) {
      SCOPED_TRACE("xps_cpus " + maps[0].to_mask() + " " + maps[1].to_mask() + " " +
                   maps[2].to_mask() + " " + maps[3].to_mask() + ", sender on CPU " +
                   std::to_string(sender));
      ASSERT_TRUE(CpuSet::of(sender).pin_current_thread());
      for (int flow = 0; flow < 60; ++flow) {
        const UniqueFd from = near_socket(0);
        ASSERT_TRUE(send_to(from, VethWorld::kFarAddress, 9000, 0));
        ASSERT_TRUE(send_to(from, VethWorld::kFarAddress, 9000, 1));
      }
      const auto events = seen(STEERING_SENT, 120);
      compared += events.size();
      for (const steering_event& event : events) {
        TransmitSocket socket = socket_of(event, false);
        EXPECT_EQ(event.queue, model.choose(packet_of(event), &socket)) << "hash " << event.hash;
        ++used[event.queue];
      }
    }
  }
  EXPECT_GT(compared, std::size(grid) * 120) << "half of them or more were seen";
  EXPECT_EQ(used.size(), kQueues) << "all queues were used";
}

// A connected socket keeps the queue of its first packet, wherever it is sent from later.
TEST_F(XpsKernel, AConnectedSocketKeepsItsQueue) {
  TransmitSteering model = this->model();
  ASSERT_TRUE(world->set_xps_cpus(3, CpuSet::of(0)));
  ASSERT_TRUE(model.set_xps_cpus(3, CpuSet::of(0)));
  ASSERT_TRUE(world->set_xps_cpus(2, CpuSet::of(1)));
  ASSERT_TRUE(model.set_xps_cpus(2, CpuSet::of(1)));
  const UniqueFd from = near_socket(0);
  const UniqueFd to = far_socket(9000);
  ASSERT_TRUE(connect(from, VethWorld::kFarAddress, 9000));
  for (std::uint32_t i = 0; i < 40; ++i) {
    ASSERT_TRUE(CpuSet::of(i / 10 % 2).pin_current_thread());
    ASSERT_TRUE(send(from, i));
  }
  const auto events = seen(STEERING_SENT, 40);
  ASSERT_GE(events.size(), 20u);
  TransmitSocket socket{.has_route = true};
  EXPECT_EQ(model.choose({.cpu = 0}, &socket), 3) << "the first, should it not have been seen";
  for (const steering_event& event : events) {
    EXPECT_EQ(event.queue, model.choose(packet_of(event), &socket)) << event.number;
    EXPECT_EQ(event.queue, 3u);
  }
}

// The receive queue of a socket's own packets counts before the CPU that sends.
TEST_F(XpsKernel, EveryPacketByReceiveQueue) {
  TransmitSteering model = this->model();
  for (const auto& [queue, receive_queues] : {std::pair<std::uint16_t, CpuSet>{0, CpuSet::of(2)},
                                              {1, CpuSet::of(0)},
                                              {2, CpuSet::of(0)},
                                              {3, CpuSet::of(1)}}) {
    ASSERT_TRUE(world->set_xps_rxqs(queue, receive_queues));
    ASSERT_TRUE(model.set_xps_rxqs(queue, receive_queues));
  }
  ASSERT_TRUE(world->set_xps_cpus(0, CpuSet::of({0, 1})));
  ASSERT_TRUE(model.set_xps_cpus(0, CpuSet::of({0, 1})));
  std::map<std::uint32_t, int> by_receive_queue;
  constexpr std::uint32_t kSockets = 80;
  for (std::uint32_t i = 0; i < kSockets; ++i) {
    const UniqueFd near = near_socket(0);
    const UniqueFd far = far_socket(0);
    ASSERT_TRUE(connect(near, VethWorld::kFarAddress, port_of(far)));
    ASSERT_TRUE(connect(far, VethWorld::kNearAddress, port_of(near)));
    if (i % 5 != 0) {  // Some have received nothing before they send.
      char bytes[16];
      ASSERT_TRUE(send(far, i));
      ASSERT_GT(::recv(near.get(), bytes, sizeof(bytes), 0), 0);
    }
    ASSERT_TRUE(send(near, i));
  }
  const auto events = seen(STEERING_SENT, kSockets);
  ASSERT_GE(events.size(), kSockets / 2);
  for (const steering_event& event : events) {
    TransmitSocket socket = socket_of(event, true);
    EXPECT_EQ(event.queue, model.choose(packet_of(event), &socket))
        << "receive queue " << event.socket_receive_queue << " hash " << event.hash;
    ++by_receive_queue[event.socket_receive_queue];
  }
  EXPECT_GE(by_receive_queue.size(), 3u) << "sockets of several receive queues, and of none";
}

}  // namespace
}  // namespace leat::steering
