#include "chain/chain_tally.h"

#include <gtest/gtest.h>

namespace leat::testing {
namespace {

constexpr std::uint16_t kShort = 1000;
constexpr std::uint16_t kLong = 2000;

chain_event received(std::uint16_t port, unsigned cpu, unsigned payload, unsigned short flags = 0) {
  return {.kind = CHAIN_RECEIVED,
          .cpu = cpu,
          .arrival_cpu = CHAIN_NO_CPU,
          .queue = 0,
          .hash = 0,
          .payload = payload,
          .client_port = port,
          .flags = flags};
}

/// Homes are CPU 3, whose transmit queue is 1.
ChainTally tally_of_two() {
  return ChainTally({{.client_port = kShort, .home = 3, .accept_cpu = 3},
                     {.client_port = kLong, .home = 3, .accept_cpu = 0}},
                    {kLong}, {{3, 1}});
}

TEST(ChainTally, TellsTheStepsOfReceivingApart) {
  ChainTally tally = tally_of_two();
  tally.count(received(kShort, 3, 0, CHAIN_SYN));
  tally.count(received(kShort, 0, 0));
  tally.count(received(kShort, 3, 64));
  tally.count(received(kShort, 3, 0));
  tally.count(received(kShort, 0, 0));
  tally.count(received(kShort, 0, 0, CHAIN_FIN));
  tally.count(received(kShort, 3, 0));
  EXPECT_EQ(tally.handshake.at_home, 1u);
  EXPECT_EQ(tally.handshake.all, 2u);
  EXPECT_EQ(tally.data.at_home, 2u);
  EXPECT_EQ(tally.data.all, 3u);
  EXPECT_EQ(tally.closing.at_home, 1u);
  EXPECT_EQ(tally.closing.all, 2u);
  EXPECT_EQ(tally.received().all, 7u);
  EXPECT_EQ(tally.arrived.all, 0u) << "none was seen entering";
}

TEST(ChainTally, WantsCpuAndQueueOfWhatIsSent) {
  ChainTally tally = tally_of_two();
  chain_event sent = received(kLong, 3, 0);
  sent.kind = CHAIN_SENT;
  sent.queue = 1;
  tally.count(sent);
  sent.queue = 0;
  tally.count(sent);
  sent.queue = 1;
  sent.cpu = 1;
  tally.count(sent);
  EXPECT_EQ(tally.sent.at_home, 2u);
  EXPECT_EQ(tally.sent_by.at_home, 2u);
  EXPECT_EQ(tally.of_long.at_home, 1u) << "not the accept, and only one packet";
  EXPECT_EQ(tally.of_long.all, 4u);
}

TEST(ChainTally, CountsAcceptsAndStrangers) {
  ChainTally tally = tally_of_two();
  tally.count(received(7, 3, 0));
  EXPECT_EQ(tally.strangers, 1u);
  EXPECT_EQ(tally.accepted.percent(), 50);
  EXPECT_EQ(tally.all().all, 2u);
  EXPECT_EQ(tally.read.percent(), 100) << "nothing was read";
}

TEST(ChainTally, MissesPacketsThatEveryConnectionHas) {
  ChainTally tally = tally_of_two();
  tally.count(received(kShort, 3, 0, CHAIN_SYN));
  tally.count(received(kShort, 3, 0, CHAIN_SYN));  // once more: it was lost on the way
  chain_event sent = received(kShort, 3, 0, CHAIN_FIN);
  sent.kind = CHAIN_SENT;
  tally.count(sent);
  EXPECT_EQ(tally.seen().at_home, 2u);
  EXPECT_EQ(tally.seen().all, 8u);
}

}  // namespace
}  // namespace leat::testing
