#include "leat/steering/backlog.h"

#include <cerrno>
#include <deque>

#include <gtest/gtest.h>

#include "leat/base/random.h"
#include "leat/steering/flow_limit.h"

namespace leat::steering {
namespace {

TEST(Backlog, HoldsOneMoreThanItsLimitAndAsManyBeingProcessed) {
  Backlog backlog(3);
  for (PacketHandle packet = 0; packet < 4; ++packet) {
    ASSERT_FALSE(backlog.full());
    const auto queued = backlog.enqueue(packet);
    EXPECT_EQ(queued.tail, packet + 1);
    EXPECT_EQ(queued.wake, packet == 0);
  }
  EXPECT_TRUE(backlog.full());
  EXPECT_EQ(backlog.dequeue(), 0u);
  EXPECT_EQ(backlog.process_size(), 3u);
  EXPECT_EQ(backlog.input_size(), 0u);
  for (PacketHandle packet = 4; packet < 8; ++packet) {
    ASSERT_FALSE(backlog.full()) << "what is being processed does not count";
    EXPECT_FALSE(backlog.enqueue(packet).wake);
  }
  EXPECT_TRUE(backlog.full());
  for (PacketHandle packet = 1; packet < 8; ++packet) EXPECT_EQ(backlog.dequeue(), packet);
  EXPECT_FALSE(backlog.dequeue());
  EXPECT_TRUE(backlog.enqueue(8).wake) << "it slept";
}

TEST(Backlog, IsHalfFullAtHalfOfItsLimit) {
  Backlog backlog(5);
  EXPECT_FALSE(backlog.half_full());
  backlog.enqueue(0);
  EXPECT_FALSE(backlog.half_full());
  backlog.enqueue(1);
  EXPECT_TRUE(backlog.half_full());
}

TEST(Backlog, TheHeadMovesAtTheEndOfABatch) {
  Backlog backlog(10);
  backlog.enqueue(0);
  const std::uint32_t last_tail = backlog.enqueue(1).tail;
  ASSERT_TRUE(backlog.dequeue());
  ASSERT_TRUE(backlog.dequeue());
  EXPECT_EQ(backlog.position().head, 0u);
  EXPECT_LT(backlog.position().beyond(last_tail), 0) << "the second is still being processed";
  backlog.end_batch();
  EXPECT_EQ(backlog.position().head, 2u);
  EXPECT_EQ(backlog.position().beyond(last_tail), 0);
  backlog.end_batch();
  EXPECT_EQ(backlog.position().head, 2u);
}

TEST(BacklogPosition, ComparesAcrossTheWrap) {
  const BacklogPosition position{.head = 2, .tail = 5};
  EXPECT_EQ(position.beyond(0xffff'ffff), 3);
  EXPECT_EQ(position.beyond(5), -3);
  EXPECT_EQ(position.beyond(2), 0);
}

// Against a std::deque, over many turns of the ring.
TEST(Backlog, GivesBackWhatWasPutInInOrder) {
  Random random(7);
  for (const std::size_t limit : {0u, 1u, 5u, 64u}) {
    Backlog backlog(limit);
    std::deque<PacketHandle> model;
    for (PacketHandle packet = 0; packet < 5'000; ++packet) {
      if (!backlog.full()) {
        backlog.enqueue(packet);
        model.push_back(packet);
      }
      for (auto n = random.uniform(0, 2); n > 0; --n) {
        const auto next = backlog.dequeue();
        ASSERT_EQ(next.has_value(), !model.empty());
        if (!next) break;
        ASSERT_EQ(*next, model.front());
        model.pop_front();
      }
      ASSERT_EQ(backlog.input_size() + backlog.process_size(), model.size());
      ASSERT_LE(backlog.input_size(), limit + 1);
      ASSERT_LE(backlog.process_size(), limit + 1);
    }
  }
}

FlowLimit limit_of(std::size_t buckets) {
  return FlowLimit::create(buckets, SlotRule::kMask).value();
}

TEST(FlowLimit, LetsAFlowHaveHalfOfTheRing) {
  FlowLimit limit = limit_of(4096);
  for (int i = 0; i < 64; ++i) ASSERT_FALSE(limit.exceeded(77)) << i;
  EXPECT_TRUE(limit.exceeded(77));
  EXPECT_TRUE(limit.exceeded(77));
  EXPECT_FALSE(limit.exceeded(78));
}

TEST(FlowLimit, ForgetsAfter128Packets) {
  FlowLimit limit = limit_of(4096);
  for (int i = 0; i < 64; ++i) ASSERT_FALSE(limit.exceeded(77));
  for (std::uint32_t i = 0; i < 64; ++i) ASSERT_FALSE(limit.exceeded(1000 + i));
  // Each packet from here on replaces one of the flow's own, until those are all gone.
  for (int i = 0; i < 64; ++i) ASSERT_FALSE(limit.exceeded(77)) << i;
  EXPECT_TRUE(limit.exceeded(77));
}

TEST(FlowLimit, TwoEqualFlowsPass) {
  FlowLimit limit = limit_of(4096);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_FALSE(limit.exceeded(77));
    ASSERT_FALSE(limit.exceeded(78));
  }
}

// The ring is full of bucket 0 at first, which nobody sent: as in the kernel, each packet of that
// bucket takes one of these away that was never counted, so alone it is never limited.
TEST(FlowLimit, TheFirstBucketAloneIsNeverLimited) {
  FlowLimit limit = limit_of(4096);
  for (int i = 0; i < 1000; ++i) ASSERT_FALSE(limit.exceeded(4096));
  FlowLimit other = limit_of(4096);
  for (std::uint32_t i = 0; i < 128; ++i) ASSERT_FALSE(other.exceeded(1 + i));
  for (int i = 0; i < 64; ++i) ASSERT_FALSE(other.exceeded(0)) << i;
  EXPECT_TRUE(other.exceeded(0)) << "once the ring has turned, it is one as the others";
}

TEST(FlowLimit, CollidingFlowsShareABucket) {
  FlowLimit limit = limit_of(16);
  for (int i = 0; i < 32; ++i) {
    ASSERT_FALSE(limit.exceeded(3));
    ASSERT_FALSE(limit.exceeded(19));
  }
  EXPECT_TRUE(limit.exceeded(35));
}

TEST(FlowLimit, RefusesImpossibleSizes) {
  for (const std::size_t buckets : {0u, 3u, 4095u, 131'072u}) {
    const auto limit = FlowLimit::create(buckets, SlotRule::kMask);
    ASSERT_FALSE(limit) << buckets;
    EXPECT_EQ(limit.error().number(), EINVAL);
  }
}

}  // namespace
}  // namespace leat::steering
