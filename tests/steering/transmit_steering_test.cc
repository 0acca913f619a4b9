#include "leat/steering/transmit_steering.h"

#include <cerrno>
#include <set>
#include <utility>

#include <gtest/gtest.h>

#include "leat/base/random.h"

namespace leat::steering {
namespace {

TransmitSteering make(TransmitSteering::Options options) {
  return TransmitSteering::create(std::move(options)).value();
}

TEST(TransmitSteering, WithoutMapsTheHashSpreads) {
  const TransmitSteering steering = make({.transmit_queues = 4});
  EXPECT_EQ(steering.choose({.hash = 0x3fff'ffff}, nullptr), 0);
  EXPECT_EQ(steering.choose({.hash = 0x4000'0000}, nullptr), 1);
  EXPECT_EQ(steering.choose({.hash = 0xffff'ffff}, nullptr), 3);
  EXPECT_EQ(make({}).choose({.hash = 0xffff'ffff}, nullptr), 0);
}

TEST(TransmitSteering, AForwardedPacketGoesByTheQueueItCameOn) {
  const TransmitSteering steering = make({.transmit_queues = 4});
  EXPECT_EQ(steering.choose({.hash = 0xffff'ffff, .receive_queue = 1}, nullptr), 1);
  EXPECT_EQ(steering.choose({.hash = 0xffff'ffff, .receive_queue = 6}, nullptr), 2);
}

TEST(TransmitSteering, ByCpuOneQueueOrSeveralByTheHash) {
  TransmitSteering steering = make({.transmit_queues = 4, .cpus = 2});
  ASSERT_TRUE(steering.set_xps_cpus(3, CpuSet::of(0)));
  ASSERT_TRUE(steering.set_xps_cpus(2, CpuSet::of(1)));
  ASSERT_TRUE(steering.set_xps_cpus(1, CpuSet::of(1)));
  EXPECT_EQ(steering.choose({.hash = 0xffff'ffff, .cpu = 0}, nullptr), 3);
  // In the order in which they were set.
  EXPECT_EQ(steering.choose({.hash = 0x1000'0000, .cpu = 1}, nullptr), 2);
  EXPECT_EQ(steering.choose({.hash = 0x9000'0000, .cpu = 1}, nullptr), 1);
  ASSERT_TRUE(steering.set_xps_cpus(3, {}));
  EXPECT_EQ(steering.choose({.hash = 0x1000'0000, .cpu = 0}, nullptr), 0) << "back to the hash";
}

TEST(TransmitSteering, TheLastQueueOfARowFillsTheHole) {
  TransmitSteering steering = make({.transmit_queues = 3});
  for (std::uint16_t queue = 0; queue < 3; ++queue) {
    ASSERT_TRUE(steering.set_xps_cpus(queue, CpuSet::of(0)));
  }
  ASSERT_TRUE(steering.set_xps_cpus(0, {}));
  EXPECT_EQ(steering.choose({.hash = 0x1000'0000}, nullptr), 2);
  EXPECT_EQ(steering.choose({.hash = 0x9000'0000}, nullptr), 1);
}

TEST(TransmitSteering, TheReceiveQueueCountsBeforeTheCpu) {
  TransmitSteering steering = make({.transmit_queues = 4, .receive_queues = 2, .cpus = 2});
  ASSERT_TRUE(steering.set_xps_cpus(3, CpuSet::of({0, 1})));
  ASSERT_TRUE(steering.set_xps_rxqs(1, CpuSet::of(0)));
  TransmitSocket socket{.receive_queue = 0};
  EXPECT_EQ(steering.choose({}, &socket), 1);
  socket.receive_queue = 1;
  EXPECT_EQ(steering.choose({}, &socket), 3) << "no row for it";
  socket.receive_queue = 9;
  EXPECT_EQ(steering.choose({}, &socket), 3);
  EXPECT_EQ(steering.choose({}, nullptr), 3);
}

TEST(TransmitSteering, ASocketKeepsItsQueueWhileItsPacketsAreOnTheWay) {
  TransmitSteering steering = make({.transmit_queues = 4, .cpus = 2});
  ASSERT_TRUE(steering.set_xps_cpus(1, CpuSet::of(0)));
  ASSERT_TRUE(steering.set_xps_cpus(2, CpuSet::of(1)));
  TransmitSocket socket{.has_route = true};
  EXPECT_EQ(steering.choose({.cpu = 0}, &socket), 1);
  EXPECT_EQ(steering.choose({.cpu = 1}, &socket), 1);
  EXPECT_EQ(steering.choose({.cpu = 1, .may_reorder = true}, &socket), 2);
  EXPECT_EQ(socket.transmit_queue, 2);
  steering.set_real_queues(2);
  EXPECT_EQ(steering.choose({.hash = 0x9000'0000, .cpu = 1}, &socket), 1)
      << "its queue is gone, and so is its CPU's";
  TransmitSocket without_route;
  EXPECT_EQ(steering.choose({.cpu = 0}, &without_route), 1);
  EXPECT_FALSE(without_route.transmit_queue);
}

TEST(TransmitSteering, ATrafficClassHasItsQueues) {
  TransmitSteering steering =
      make({.transmit_queues = 6, .cpus = 2, .classes = {{0, 2}, {2, 4}, {0, 0}}});
  EXPECT_EQ(steering.choose({.hash = 0xffff'ffff}, nullptr), 1);
  EXPECT_EQ(steering.choose({.hash = 0xffff'ffff, .traffic_class = 1}, nullptr), 5);
  EXPECT_EQ(steering.choose({.receive_queue = 1, .traffic_class = 1}, nullptr), 3);
  EXPECT_EQ(steering.choose({.receive_queue = 3, .traffic_class = 1}, nullptr), 3);
  EXPECT_EQ(steering.choose({.hash = 0xffff'ffff, .traffic_class = 2}, nullptr), 5)
      << "a class without queues has all";
  ASSERT_TRUE(steering.set_xps_cpus(1, CpuSet::of(0)));
  ASSERT_TRUE(steering.set_xps_cpus(4, CpuSet::of(0)));
  EXPECT_EQ(steering.choose({.cpu = 0}, nullptr), 1);
  EXPECT_EQ(steering.choose({.cpu = 0, .traffic_class = 1}, nullptr), 4);
  EXPECT_EQ(steering.choose({.cpu = 1, .traffic_class = 1}, nullptr), 2) << "no row: the hash";
}

TEST(TransmitSteering, RefusesImpossibleSettings) {
  EXPECT_EQ(TransmitSteering::create({.transmit_queues = 0}).error().number(), EINVAL);
  EXPECT_EQ(TransmitSteering::create({.cpus = 0}).error().number(), EINVAL);
  EXPECT_EQ(TransmitSteering::create({.transmit_queues = 2, .classes = {{1, 2}}}).error().number(),
            EINVAL);
  TransmitSteering::Options many;
  many.classes.resize(17);
  EXPECT_EQ(TransmitSteering::create(many).error().number(), EINVAL);
  TransmitSteering steering = make({.transmit_queues = 2, .cpus = 2, .classes = {{0, 1}}});
  EXPECT_EQ(steering.set_xps_cpus(2, CpuSet::of(0)).error().number(), EINVAL);
  EXPECT_EQ(steering.set_xps_cpus(1, CpuSet::of(0)).error().number(), EINVAL) << "of no class";
  EXPECT_EQ(steering.set_xps_cpus(0, CpuSet::of(2)).error().number(), EOVERFLOW);
  EXPECT_EQ(steering.set_xps_rxqs(0, CpuSet::of(1)).error().number(), EOVERFLOW);
}

// Whatever the settings, the answer is a queue, of the packet's class if that has some.
TEST(TransmitSteering, AlwaysAnswersWithAQueueOfTheClass) {
  Random random(21);
  for (int round = 0; round < 200; ++round) {
    TransmitSteering steering =
        make({.transmit_queues = 8, .receive_queues = 4, .cpus = 4, .classes = {{0, 3}, {3, 5}}});
    for (auto n = random.uniform(0, 8); n > 0; --n) {
      const auto queue = static_cast<std::uint16_t>(random.uniform(0, 7));
      const CpuSet ids = CpuSet::of(static_cast<int>(random.uniform(0, 3)));
      ASSERT_TRUE(random.uniform(0, 1) ? steering.set_xps_cpus(queue, ids)
                                       : steering.set_xps_rxqs(queue, ids));
    }
    for (int i = 0; i < 50; ++i) {
      TransmitSocket socket{.receive_queue = static_cast<std::uint16_t>(random.uniform(0, 3))};
      const TransmitPacket packet{.hash = static_cast<std::uint32_t>(random()),
                                  .cpu = static_cast<int>(random.uniform(0, 3)),
                                  .traffic_class = static_cast<std::uint8_t>(i % 2)};
      const int queue = steering.choose(packet, &socket);
      ASSERT_TRUE(i % 2 == 0 ? queue < 3 : queue >= 3 && queue < 8) << "seed 21, round " << round;
    }
  }
}

}  // namespace
}  // namespace leat::steering
