// Changing the number of loops that accept, and stopping with clients that have not spoken yet.
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "leat/net/tcp_server.h"
#include "leat/reactor/event_loop_thread_pool.h"

#include "support/descriptor_limit.h"
#include "support/raw_client.h"
#include "support/server_fixture.h"

namespace leat {
namespace {

using testing::DescriptorLimit;
using testing::echo;
using testing::RawClient;
using testing::run_on;
using testing::ServerFixture;
using testing::wait_until;

class ResizeLoops : public ::testing::TestWithParam<Balance> {
 protected:
  static Result<void> resize(ServerFixture& fixture, std::size_t count) {
    Result<void> result;
    run_on(fixture.base(), [&] { result = fixture.server().resize_loops(count); });
    return result;
  }
  static std::vector<std::uint64_t> accepted(ServerFixture& fixture) {
    std::vector<std::uint64_t> counts;
    for (const NetCounters* loop : fixture.server().counters()) {
      counts.push_back(loop->accepted.load());
    }
    return counts;
  }
  /// How many of so many short connections each loop has had.
  static std::vector<std::uint64_t> spread(ServerFixture& fixture, int connections) {
    const std::vector<std::uint64_t> before = accepted(fixture);
    for (int i = 0; i < connections; ++i) {
      RawClient client(fixture.address());
      EXPECT_TRUE(client.send("x"));
      EXPECT_EQ(client.read(1), "x");
    }
    std::vector<std::uint64_t> after = accepted(fixture);
    for (std::size_t i = 0; i < after.size(); ++i) after[i] -= before[i];
    return after;
  }
};

TEST_P(ResizeLoops, OnlySoManyAccept) {
  ServerFixture fixture({.loops = 2, .max_loops = 5, .balance = GetParam(), .force_balance = true});
  fixture.server().on_message(echo);
  fixture.start();
  EXPECT_EQ(fixture.server().accepting_loops(), 2u);
  for (const std::size_t count : {1u, 5u, 3u, 4u, 1u, 2u}) {
    ASSERT_TRUE(resize(fixture, count));
    EXPECT_EQ(fixture.server().accepting_loops(), count);
    const std::vector<std::uint64_t> each = spread(fixture, 40);
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < each.size(); ++i) {
      if (i >= count) {
        EXPECT_EQ(each[i], 0u) << "loop " << i << " of " << count;
      }
      sum += each[i];
    }
    EXPECT_EQ(sum, 40u);
  }
}

TEST_P(ResizeLoops, ConnectionsStayWhereTheyAre) {
  ServerFixture fixture({.loops = 4, .balance = GetParam(), .force_balance = true});
  fixture.server().on_message(echo);
  fixture.start();
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(std::make_unique<RawClient>(fixture.address()));
    ASSERT_TRUE(clients.back()->send("a") && clients.back()->read(1) == "a");
  }
  const std::vector<std::uint64_t> before = accepted(fixture);
  ASSERT_TRUE(resize(fixture, 1));
  for (const auto& client : clients) EXPECT_TRUE(client->send("b") && client->read(1) == "b");
  EXPECT_EQ(accepted(fixture), before);
}

TEST_P(ResizeLoops, ListenersBoundBeforeAndAfter) {
  ServerFixture fixture({.loops = 4, .balance = GetParam(), .force_balance = true});
  fixture.server().on_message(echo);
  ASSERT_TRUE(resize(fixture, 2));  // before start()
  fixture.start();
  const std::string name = "leat-resize-" + std::to_string(::getpid());
  const InetAddress local = InetAddress::unix_abstract(name).value();
  run_on(fixture.base(), [&] { fixture.server().listen(local).value(); });
  for (const std::size_t count : {1u, 4u, 2u}) {
    ASSERT_TRUE(resize(fixture, count));
    for (int i = 0; i < 10; ++i) {
      for (const InetAddress& address : fixture.server().addresses()) {
        RawClient client(address);
        ASSERT_TRUE(client.send("x") && client.read(1) == "x") << address.to_string();
      }
    }
  }
}

TEST_P(ResizeLoops, OtherCountsAreRefused) {
  ServerFixture fixture({.loops = 2, .max_loops = 3, .balance = GetParam(), .force_balance = true});
  fixture.server().on_message(echo);
  fixture.start();
  for (const std::size_t count : {std::size_t{0}, std::size_t{4}, SIZE_MAX}) {
    const Result<void> resized = resize(fixture, count);
    ASSERT_FALSE(resized);
    EXPECT_EQ(resized.error().number(), EINVAL);
  }
  EXPECT_EQ(fixture.server().accepting_loops(), 2u);
  EXPECT_EQ(spread(fixture, 10).size(), 3u);
}

TEST_P(ResizeLoops, ListenersMayBeClosedInstead) {
  ServerFixture fixture({.loops = 4,
                         .max_loops = 4,
                         .balance = GetParam(),
                         .force_balance = true,
                         .keep_listeners = false});
  fixture.server().on_message(echo);
  fixture.start();
  std::size_t sockets = 0;
  const auto count_sockets = [&] {
    run_on(fixture.base(),
           [&] { sockets = fixture.server().duplicate_listeners().value().size(); });
    return sockets;
  };
  const bool is_group = GetParam() == Balance::kKernelHash || GetParam() == Balance::kIncomingCpu ||
                        GetParam() == Balance::kLeastConnections ||
                        GetParam() == Balance::kConsistentHash;
  for (const std::size_t count : {1u, 3u, 4u}) {
    ASSERT_TRUE(resize(fixture, count));
    EXPECT_EQ(count_sockets(), is_group ? count : 1u);
    EXPECT_EQ(spread(fixture, 20).size(), 4u);
  }
}

// Whatever step of it fails: loops that were to begin do not, and those that accepted go on.
TEST_P(ResizeLoops, WithoutDescriptorsAllIsAsBefore) {
  const bool opens_none = GetParam() == Balance::kRoundRobin || GetParam() == Balance::kStandby;
  ServerFixture fixture({.loops = 2, .max_loops = 5, .balance = GetParam(), .force_balance = true});
  fixture.server().on_message(echo);
  fixture.start();
  int failed = 0;
  for (int more = 0; more < 64; ++more) {
    Result<void> resized;
    {
      const DescriptorLimit limit(more);
      resized = resize(fixture, 5);
    }
    if (resized) break;
    ++failed;
    EXPECT_EQ(resized.error().number(), EMFILE) << resized.error().message();
    EXPECT_EQ(fixture.server().accepting_loops(), 2u);
    const std::vector<std::uint64_t> each = spread(fixture, 20);
    EXPECT_EQ(each[0] + each[1], 20u) << "with " << more << " descriptors";
  }
  if (opens_none) {
    EXPECT_EQ(failed, 0);
  } else {
    EXPECT_GE(failed, 3);
  }
  EXPECT_EQ(fixture.server().accepting_loops(), 5u);
}

TEST_P(ResizeLoops, AListenThatFailsLeavesNobodyListening) {
  ServerFixture fixture({.loops = 4, .balance = GetParam(), .force_balance = true});
  fixture.server().on_message(echo);
  fixture.start();
  // A port that is free, and not given out again by itself meanwhile.
  ServerFixture other({.share_port = true});
  other.start();
  const InetAddress address = other.address();
  other.destroy();
  int failed = 0;
  for (int more = 0; more < 64; ++more) {
    Result<void> listening;
    {
      const DescriptorLimit limit(more);
      run_on(fixture.base(), [&] { listening = fixture.server().listen(address); });
    }
    if (listening) break;
    ++failed;
    EXPECT_FALSE(RawClient(address).connected()) << "with " << more << " descriptors";
  }
  EXPECT_GE(failed, 1) << "at every step of it";
  RawClient client(address);
  EXPECT_TRUE(client.send("x") && client.read(1) == "x");
}

INSTANTIATE_TEST_SUITE_P(EveryBalance, ResizeLoops,
                         ::testing::Values(Balance::kKernelHash, Balance::kRoundRobin,
                                           Balance::kShared, Balance::kIncomingCpu,
                                           Balance::kLeastConnections, Balance::kConsistentHash,
                                           Balance::kStandby),
                         [](const auto& parameter) {
                           return std::string(to_string(parameter.param));
                         });

// While connections wait in the listeners of loops that are to stop accepting.
class ResizeWithWaiting : public ::testing::Test {
 protected:
  static constexpr std::size_t kClients = 256;

  /// Fills the queues while no loop turns, and then goes from 4 loops to 1. One connection is taken
  /// at a time, and slowly, so most still wait when a loop is told.
  void resize_with_waiting(ServerFixture& fixture) {
    fixture.server().on_message(echo);
    fixture.server().on_connection(
        [](const TcpConnectionPtr&) { std::this_thread::sleep_for(std::chrono::milliseconds(3)); });
    fixture.start();
    std::atomic<bool> go{false};
    for (EventLoop* loop : fixture.server().loops()) {
      loop->queue_in_loop([&go] { go.wait(false); });
    }
    for (std::size_t i = 0; i < kClients; ++i) {
      clients.emplace_back(fixture.address());
      ASSERT_TRUE(clients.back().connected() && clients.back().send("x"));
    }
    // The base loop waits for the others, which wait for this.
    fixture.base().queue_in_loop([&go] {
      go = true;
      go.notify_all();
    });
    Result<void> resized;
    run_on(fixture.base(), [&] { resized = fixture.server().resize_loops(1); });
    ASSERT_TRUE(resized);
    for (RawClient& client : clients) answered += client.read(1) == "x";
    for (const NetCounters* loop : fixture.server().counters()) {
      accepted.push_back(loop->accepted.load());
    }
  }

  std::vector<RawClient> clients;
  std::size_t answered = 0;
  std::vector<std::uint64_t> accepted;
};

TEST_F(ResizeWithWaiting, ClosedListenersAreEmptiedFirst) {
  ServerFixture fixture(
      {.loops = 4, .balance = Balance::kKernelHash, .keep_listeners = false, .accept_batch = 1});
  resize_with_waiting(fixture);
  EXPECT_EQ(answered, kClients);
  EXPECT_LT(accepted[0], kClients / 2) << "the others took what they had";
}

TEST_F(ResizeWithWaiting, KeptListenersAreLeftToTheOthers) {
  ServerFixture fixture({.loops = 4, .balance = Balance::kKernelHash, .accept_batch = 1});
  resize_with_waiting(fixture);
  EXPECT_EQ(answered, kClients);
  EXPECT_GT(accepted[0], kClients / 2) << "a quarter of them were in its own";
}

/// Servers on a pool of three loops that is the test's.
class ResizeLoopsOfAPool : public ::testing::Test {
 protected:
  void make_pool() {
    pool = std::make_unique<EventLoopThreadPool>(*base, EventLoopThreadPoolOptions{.count = 3});
  }
  void serve() {
    server->on_message(echo);
    server->listen(InetAddress::loopback(0)).value();
    server->start().value();
    EXPECT_EQ(server->accepting_loops(), 3u);
  }
  void expect_answer() const {
    RawClient client(server->addresses().front());
    EXPECT_TRUE(client.send("x") && client.read(1) == "x");
  }
  void TearDown() override {
    run_on(*base, [this] {
      server.reset();
      pool.reset();
    });
  }

  EventLoopThread base_thread;
  EventLoop* const base = base_thread.start().value();
  std::unique_ptr<EventLoopThreadPool> pool;
  std::unique_ptr<TcpServer> server;
};

TEST_F(ResizeLoopsOfAPool, GoesUpToItsSize) {
  run_on(*base, [&] {
    make_pool();
    pool->start().value();
    server = std::make_unique<TcpServer>(*base, *pool);
    serve();
    EXPECT_TRUE(server->resize_loops(1));
    EXPECT_FALSE(server->resize_loops(4));
  });
  expect_answer();
}

TEST_F(ResizeLoopsOfAPool, AllOfOneThatStartsAfterTheServerWasMade) {
  run_on(*base, [&] {
    make_pool();
    server = std::make_unique<TcpServer>(*base, *pool,
                                         TcpServerOptions{.balance = Balance::kRoundRobin});
    pool->start().value();
    serve();
  });
  // One for each loop, in turn.
  for (int i = 0; i < 3; ++i) expect_answer();
  for (const NetCounters* counters : server->counters()) EXPECT_EQ(counters->accepted.load(), 1u);
}

// First input.

TEST(FirstInputGrace, LetsThoseSpeakWhoHaveNotYet) {
  ServerFixture fixture({.loops = 1, .first_input_grace = std::chrono::seconds(20)});
  fixture.server().on_message(echo);
  fixture.start();
  RawClient silent(fixture.address());
  RawClient heard(fixture.address());
  ASSERT_TRUE(heard.send("x") && heard.read(1) == "x");
  ASSERT_TRUE(wait_until([&] { return fixture.server().connection_count() == 2; }));
  std::atomic<bool> stopped{false};
  fixture.server().stop(std::chrono::seconds(20), [&](const StopReport& report) {
    EXPECT_EQ(report.drained, 2u);
    stopped = true;
  });
  EXPECT_TRUE(heard.sees_end());
  heard.close();
  EXPECT_TRUE(silent.send("late"));
  EXPECT_EQ(silent.read(4), "late");
  silent.close();
  EXPECT_TRUE(wait_until([&] { return stopped.load(); }));
}

TEST(FirstInputGrace, Ends) {
  for (const int milliseconds : {0, 50}) {
    ServerFixture fixture(
        {.loops = 1, .first_input_grace = std::chrono::milliseconds(milliseconds)});
    fixture.server().on_message(echo);
    fixture.start();
    RawClient silent(fixture.address());
    ASSERT_TRUE(wait_until([&] { return fixture.server().connection_count() == 1; }));
    const MonotonicTime before = monotonic_now();
    fixture.server().stop(std::chrono::seconds(20));
    EXPECT_TRUE(silent.sees_end());
    EXPECT_GE(monotonic_now() - before, std::chrono::milliseconds(milliseconds));
  }
}

}  // namespace
}  // namespace leat
