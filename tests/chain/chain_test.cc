// The whole chain: with all pieces a connection stays on the CPU of its loop, and each of the
// decisive ones, taken away, is missed.

#include "chain/chain.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "leat/reactor/event_loop.h"

namespace leat::testing {
namespace {

constexpr double kStays = 99;  // per cent

class WholeChain : public ::testing::TestWithParam<PollerKind> {
 protected:
  void SetUp() override {
    const auto loop = EventLoop::create({.poller = GetParam()});
    if (!loop) GTEST_SKIP() << loop.error().message();
    std::string why;
    chain_ = Chain::create(why);
    if (chain_ == nullptr) GTEST_SKIP() << why;
  }

  std::optional<ChainTally> run(Pieces pieces) {
    pieces.poller = GetParam();
    const ChainLoad load{.short_connections = 100, .neighbour = false, .seed = 3};
    std::string why;
    auto tally = chain_->run(pieces, load, why);
    EXPECT_TRUE(tally) << why;
    if (!tally) return tally;
    const auto connections =
        static_cast<std::size_t>(load.threads) *
        static_cast<std::size_t>(load.short_connections + load.long_connections);
    EXPECT_EQ(tally->connections(), connections);
    EXPECT_GT(tally->all().all, connections * 10) << "nearly all of their steps were seen";
    EXPECT_LT(tally->arrived.percent(), 90) << "there was something to steer";
    return tally;
  }

 private:
  std::unique_ptr<Chain> chain_;
};

TEST_P(WholeChain, KeepsAConnectionOnTheCpuOfItsLoop) {
  const auto tally = run({});
  ASSERT_TRUE(tally);
  EXPECT_GE(tally->received().percent(), kStays);
  EXPECT_GE(tally->accepted.percent(), kStays);
  EXPECT_GE(tally->read.percent(), kStays);
  EXPECT_GE(tally->sent.percent(), kStays);
  EXPECT_GE(tally->sent_by.percent(), kStays);
  EXPECT_GE(tally->of_short.percent(), kStays);
  EXPECT_GE(tally->of_long.percent(), kStays);
}

TEST_P(WholeChain, WithoutTheChoiceByCpuHandshakesAreElsewhere) {
  const auto tally = run({.balance = Balance::kKernelHash});
  ASSERT_TRUE(tally);
  EXPECT_LT(tally->handshake.percent(), 80);
  EXPECT_LT(tally->all().percent(), 95);
}

TEST_P(WholeChain, WithoutXpsPacketsLeaveByOthersQueues) {
  const auto tally = run({.xps = false});
  ASSERT_TRUE(tally);
  EXPECT_LT(tally->sent_by.percent(), 80);
  EXPECT_GE(tally->sent.percent(), kStays) << "on the right CPU all the same";
}

TEST_P(WholeChain, WithoutRpsAndRfsPacketsAreProcessedWhereTheyArrive) {
  const auto tally = run({.rps = false, .rfs = false});
  ASSERT_TRUE(tally);
  EXPECT_LT(tally->data.percent(), 90);
  EXPECT_LT(tally->all().percent(), 95);
}

// The long connections are few: without RFS the hash may put all of them right, by chance. With it
// a flow moves only once the backlog of its old CPU holds none of its packets, which a busy
// neighbour of that CPU delays. So the worst of a few runs without is judged, and the best of a few
// with.
TEST_P(WholeChain, RfsMendsWhatTheHashChose) {
  constexpr int kRuns = 4;
  double without = 100;
  for (int i = 0; i < kRuns && without >= 95; ++i) {
    const auto tally = run({.balance = Balance::kKernelHash, .rfs = false});
    ASSERT_TRUE(tally);
    without = std::min(without, tally->of_long.percent());
  }
  double with = 0;
  for (int i = 0; i < kRuns && with < 95; ++i) {
    const auto tally = run({.balance = Balance::kKernelHash});
    ASSERT_TRUE(tally);
    with = std::max(with, tally->of_long.percent());
  }
  EXPECT_LT(without, 95);
  EXPECT_GE(with, 95);
}

INSTANTIATE_TEST_SUITE_P(OverEachPoller, WholeChain,
                         ::testing::Values(PollerKind::kEpoll, PollerKind::kUring),
                         [](const auto& parameter) {
                           return parameter.param == PollerKind::kEpoll ? "epoll" : "uring";
                         });

}  // namespace
}  // namespace leat::testing
