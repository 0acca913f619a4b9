// What the broker proposes to ends of two network namespaces.

#include <cstring>

#include "leat/smc/broker_client.h"
#include "leat/smc/segment.h"

#include "tests/smc/broker_harness.h"

namespace leat::smc {
namespace {

using Kind = Answer::Kind;

class AcrossTest : public BrokerHarness {
 protected:
  /// 10.0.0.`local` and 10.0.0.`peer`, in namespace `netns`.
  static Offer at(std::uint64_t netns, std::uint64_t cookie, std::uint16_t local,
                  std::uint16_t peer) {
    Offer offer = make_offer(cookie, local, peer);
    offer.netns = netns;
    offer.names.local[0] = offer.names.peer[0] = 10;
    offer.names.local[3] = static_cast<std::uint8_t>(local);
    offer.names.peer[3] = static_cast<std::uint8_t>(peer);
    return offer;
  }
  static EndControl& end_of(SegmentHeader& header, unsigned end) {
    return *reinterpret_cast<EndControl*>(reinterpret_cast<char*>(&header) +
                                          SegmentLayout::control(end));
  }
  Mapped<SegmentHeader> offered(const Offer& offer) {
    return Mapped<SegmentHeader>(client().offer(offer, 0));
  }
  Mapped<SegmentHeader> fetched(std::uint64_t cookie) {
    return Mapped<SegmentHeader>(client().fetch(cookie, 0));
  }
};

TEST_F(AcrossTest, MirroredNamesOfTwoNamespacesAreProposedForAProof) {
  EXPECT_EQ(client().offer(at(1, 1, 10, 20), 0).kind, Kind::kPending);
  const Mapped<SegmentHeader> segment = offered(at(2, 2, 20, 10));
  ASSERT_TRUE(segment);
  EXPECT_EQ(segment->across, 1U);
  EXPECT_EQ(fetched(1)->token, segment->token);
}

TEST_F(AcrossTest, InOneNamespaceThereIsNothingToProve) {
  offered(at(1, 1, 10, 20));
  EXPECT_EQ(offered(at(1, 2, 20, 10))->across, 0U);
}

TEST_F(AcrossTest, WhatStaysWithinANamespaceIsNoMatch) {
  Offer near = at(1, 1, 10, 20);
  Offer far = at(2, 2, 20, 10);
  std::memcpy(near.names.peer, near.names.local, 16);
  std::memcpy(far.names.local, near.names.local, 16);
  std::memcpy(far.names.peer, near.names.local, 16);
  EXPECT_EQ(client().offer(near, 0).kind, Kind::kPending);
  EXPECT_EQ(client().offer(far, 0).kind, Kind::kPending);
}

TEST_F(AcrossTest, AnEndOfTheOwnNamespaceTakesTheProposalsPlace) {
  offered(at(1, 1, 10, 20));
  const Mapped<SegmentHeader> proposed = offered(at(2, 2, 20, 10));
  ASSERT_TRUE(proposed);
  const Mapped<SegmentHeader> certain = offered(at(1, 3, 20, 10));
  ASSERT_TRUE(certain);
  EXPECT_EQ(certain->across, 0U);
  EXPECT_EQ(fetched(1)->token, certain->token);
  EXPECT_EQ(client().fetch(2, 0).kind, Kind::kPending);
}

TEST_F(AcrossTest, AProvedPairKeepsItsPeer) {
  offered(at(1, 1, 10, 20));
  const Mapped<SegmentHeader> proved = offered(at(2, 2, 20, 10));
  ASSERT_TRUE(proved);
  end_of(*proved, 0).state = EndState::kConfirmed;
  EXPECT_EQ(client().offer(at(1, 3, 20, 10), 0).kind, Kind::kPending);
  const Mapped<SegmentHeader> kept(client().reject(2, proved->token, 0));
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->token, proved->token);
}

TEST_F(AcrossTest, ARejectedPairIsNotTriedAgain) {
  offered(at(1, 1, 10, 20));
  const Mapped<SegmentHeader> wrong = offered(at(2, 2, 20, 10));
  ASSERT_TRUE(wrong);
  const Answer rejected = client().reject(2, wrong->token, 0);
  EXPECT_EQ(rejected.kind, Kind::kPending);
  EXPECT_EQ(rejected.reason, FallbackReason::kNoProof);
  const Answer other = client().fetch(1, 0);
  EXPECT_EQ(other.kind, Kind::kPending);
  EXPECT_EQ(other.reason, FallbackReason::kNoProof);
  // A third comes, who is the true peer of one.
  const Mapped<SegmentHeader> right = offered(at(3, 3, 20, 10));
  ASSERT_TRUE(right);
  EXPECT_EQ(fetched(1)->token, right->token);
  EXPECT_EQ(client().fetch(2, 0).kind, Kind::kPending);
}

TEST_F(AcrossTest, CrossedPairsAreSortedOut) {
  // 1-2 and 3-4 are connections of equal names; the first two to offer are of different ones.
  offered(at(1, 1, 10, 20));
  const Mapped<SegmentHeader> crossed = offered(at(4, 4, 20, 10));
  offered(at(3, 3, 10, 20));
  ASSERT_TRUE(crossed);
  const Mapped<SegmentHeader> other = offered(at(2, 2, 20, 10));
  ASSERT_TRUE(other);
  EXPECT_EQ(fetched(3)->token, other->token);
  EXPECT_EQ(client().reject(1, crossed->token, 0).kind, Kind::kPending);
  // Told once more by the other end, or late: no harm.
  EXPECT_EQ(client().reject(4, crossed->token, 0).kind, Kind::kPending);
  const Mapped<SegmentHeader> found(client().reject(3, other->token, 0));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->token, fetched(4)->token);
  EXPECT_EQ(fetched(1)->token, fetched(2)->token);
}

TEST_F(AcrossTest, AnEndTriesEightAndIsThenGivenUp) {
  offered(at(1, 1, 10, 20));
  for (std::uint64_t i = 0; i < 8; ++i) {
    const Mapped<SegmentHeader> next = offered(at(2 + i, 2 + i, 20, 10));
    ASSERT_TRUE(next) << i;
    client().reject(2 + i, next->token, 0);
  }
  EXPECT_EQ(client().fetch(1, 0).kind, Kind::kUnknown);
  EXPECT_EQ(client().offer(at(20, 20, 20, 10), 0).kind, Kind::kPending);
}

TEST_F(AcrossTest, ManyOfTheSameNamesCostBoundedWork) {
  for (std::uint64_t i = 0; i < 300; ++i) {
    EXPECT_EQ(client().offer(at(100 + i, 100 + i, 10, 20), 0).kind, Kind::kPending);
  }
  for (std::uint64_t i = 0; i < 300; ++i) {
    ASSERT_TRUE(offered(at(500 + i, 500 + i, 20, 10))) << i;
  }
}

TEST_F(AcrossTest, NobodyRejectsForAnother) {
  offered(at(1, 1, 10, 20));
  const Mapped<SegmentHeader> segment = offered(at(2, 2, 20, 10));
  EXPECT_EQ(client().reject(99, segment->token, 0).kind, Kind::kUnknown);
  const Mapped<SegmentHeader> kept(client().reject(1, segment->token + 1, 0));
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->token, segment->token);
}

TEST_F(AcrossTest, ADeadEndIsNoMatch) {
  offered(at(1, 1, 10, 20));
  offered(at(1, 2, 10, 20));  // Newer, of the same names.
  const Mapped<SegmentHeader> segment = offered(at(2, 3, 20, 10));
  ASSERT_TRUE(segment);
  EXPECT_EQ(fetched(2)->token, segment->token);
}

}  // namespace
}  // namespace leat::smc
