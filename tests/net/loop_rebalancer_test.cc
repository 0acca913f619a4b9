#include "leat/net/loop_rebalancer.h"

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "leat/net/tcp_server.h"

#include "support/raw_client.h"
#include "support/server_fixture.h"

namespace leat {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using testing::RawClient;
using testing::run_on;
using testing::ServerFixture;
using testing::wait_until;

/// A server whose connections cost what the test says, in each interval.
class LoopRebalancerTest : public ::testing::Test {
 protected:
  struct Work {
    std::uint64_t each;
    std::uint64_t total;
  };

  /// One connection for each, in turn on loop 0 and loop 1.
  void start(const std::vector<std::uint64_t>& costs, double slack = 0.25) {
    fixture_.emplace(TcpServerOptions{.loops = 2, .balance = Balance::kRoundRobin});
    fixture_->server().on_message(testing::echo);
    fixture_->server().on_connection([this, costs](const TcpConnectionPtr& connection) {
      connection->set_context(Work{costs[connected_++], 0});
      if (pinned_ && connection->context_as<Work>().each == pinned_) connection->keep_for_read();
    });
    fixture_->start();
    for (std::size_t i = 0; i < costs.size(); ++i) {
      clients_.emplace_back(fixture_->address());
      ASSERT_TRUE(wait_until([&] { return connected_ == i + 1; }));
    }
    run_on(fixture_->base(), [&] {
      LoopRebalancerOptions options{.interval = 5ms, .slack = slack};
      options.cost = [this](const TcpConnection& connection) {
        ++samples_;
        Work& work = const_cast<TcpConnection&>(connection).context_as<Work>();
        return work.total += work.each;
      };
      rebalancer_ = std::make_unique<LoopRebalancer>(fixture_->base(), fixture_->server(), options);
      ASSERT_TRUE(rebalancer_->start());
    });
  }
  void TearDown() override {
    if (!fixture_) return;
    run_on(fixture_->base(), [this] { rebalancer_.reset(); });
    fixture_.reset();
  }
  /// The sum of what the connections of each loop cost.
  std::vector<std::uint64_t> loads() {
    std::vector<std::uint64_t> sums;
    for (EventLoop* const loop : fixture_->server().loops()) {
      std::uint64_t sum = 0;
      fixture_->server().for_each_connection([&, loop](const TcpConnectionPtr& connection) {
        if (&connection->loop() == loop) sum += connection->context_as<Work>().each;
      });
      for (EventLoop* const each : fixture_->server().loops()) run_on(*each, [] {});
      sums.push_back(sum);
    }
    return sums;
  }
  void wait_for_samples() {
    const std::uint64_t enough = samples_ + 40 * clients_.size();
    ASSERT_TRUE(wait_until([&] { return samples_ >= enough; }));
  }

  std::uint64_t pinned_ = 0;
  std::atomic<std::size_t> connected_{0};
  std::atomic<std::uint64_t> samples_{0};
  std::optional<ServerFixture> fixture_;
  std::vector<RawClient> clients_;
  std::unique_ptr<LoopRebalancer> rebalancer_;
};

TEST_F(LoopRebalancerTest, TheConnectionThatFitsBestMovesAndThenItIsQuiet) {
  start({7, 1, 4, 1, 2, 1});  // 13 and 3: half of the difference is 5
  EXPECT_TRUE(wait_until([this] { return rebalancer_->moves() > 0; }));
  wait_for_samples();
  EXPECT_THAT(loads(), ElementsAre(9, 7));
  EXPECT_EQ(rebalancer_->moves(), 1u);
}

TEST_F(LoopRebalancerTest, SeveralMoveOneAfterTheOther) {
  start({5, 0, 5, 0, 5, 0, 5, 0, 5, 0, 5, 0}, 0.1);
  EXPECT_TRUE(wait_until([this] { return rebalancer_->moves() >= 3; }));
  wait_for_samples();
  EXPECT_THAT(loads(), ElementsAre(15, 15));
  EXPECT_EQ(rebalancer_->moves(), 3u);
}

TEST_F(LoopRebalancerTest, WhatWouldOnlyChangePlacesStays) {
  start({10, 1, 0, 1});  // one connection is all of the load
  wait_for_samples();
  EXPECT_EQ(rebalancer_->moves(), 0u);
}

TEST_F(LoopRebalancerTest, WhatCannotMoveIsPassedOver) {
  pinned_ = 5;
  start({5, 1, 7, 1, 1, 1});  // 13 and 3: 5 would fit best
  EXPECT_TRUE(wait_until([this] { return rebalancer_->moves() > 0; }));
  wait_for_samples();
  EXPECT_THAT(loads(), ElementsAre(6, 10));
}

TEST_F(LoopRebalancerTest, ItsTrafficIsWhatAConnectionCosts) {
  fixture_.emplace(TcpServerOptions{.loops = 2, .balance = Balance::kRoundRobin});
  fixture_->server().on_message(testing::echo);
  fixture_->start();
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    clients_.emplace_back(fixture_->address());
    ASSERT_TRUE(clients_.back().send("x"));
    ASSERT_EQ(clients_.back().read(1), "x");
  }
  for (const std::size_t i : {0u, 2u}) {
    threads.emplace_back([this, i, &done] {
      const std::string some(1000, 'x');
      while (!done) {
        ASSERT_TRUE(clients_[i].send(some));
        ASSERT_EQ(clients_[i].read(some.size()), some);
      }
    });
  }
  run_on(fixture_->base(), [&] {
    rebalancer_ = std::make_unique<LoopRebalancer>(fixture_->base(), fixture_->server(),
                                                   LoopRebalancerOptions{.interval = 10ms});
    EXPECT_TRUE(rebalancer_->start());
  });
  EXPECT_TRUE(
      wait_until([this] { return fixture_->server().counters()[1]->moved_in.load() >= 1; }));
  done = true;
  for (std::thread& thread : threads) thread.join();
}

TEST_F(LoopRebalancerTest, WhatCannotBeIsRefused) {
  fixture_.emplace(TcpServerOptions{.loops = 2});
  run_on(fixture_->base(), [&] {
    LoopRebalancer early(fixture_->base(), fixture_->server());
    EXPECT_EQ(early.start().error().number(), EINVAL);
    fixture_->server().start().value();
    EXPECT_TRUE(early.start());
    EXPECT_TRUE(early.start());
    LoopRebalancer hasty(fixture_->base(), fixture_->server(), {.interval = 0ms});
    EXPECT_EQ(hasty.start().error().number(), EINVAL);
    LoopRebalancer odd(fixture_->base(), fixture_->server(), {.slack = -1});
    EXPECT_EQ(odd.start().error().number(), EINVAL);
  });
}

}  // namespace
}  // namespace leat
