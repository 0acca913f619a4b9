#include "leat/net/tcp_server.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "leat/reactor/event_loop_thread_pool.h"

#include "support/many_clients.h"
#include "support/raw_client.h"
#include "support/server_fixture.h"

namespace leat {
namespace {

using namespace std::chrono_literals;
using testing::accepted_by_loop;
using testing::connect_many;
using testing::RawClient;
using testing::ServerFixture;
using testing::wait_until;

InetAddress unix_address(std::string_view name) {
  const auto path = "/tmp/leat-test-" + std::to_string(::getpid()) + "-" + std::string(name);
  return InetAddress::unix_path(path).value();
}

TEST(TcpServer, ZeroSubLoopsServeOnTheBaseLoop) {
  ServerFixture fixture;
  fixture.server().on_message(testing::echo);
  fixture.start();
  connect_many(fixture.address(), 3);
  EXPECT_EQ(fixture.server().loops(), std::vector<EventLoop*>{&fixture.base()});
  EXPECT_EQ(accepted_by_loop(fixture), std::vector<std::size_t>{3});
}

TEST(TcpServer, StartTwiceIsStartOnce) {
  ServerFixture fixture({.loops = 2});
  std::atomic<int> started{0};
  fixture.server().on_loop_start([&](EventLoop&) { ++started; });
  fixture.server().on_message(testing::echo);
  EXPECT_FALSE(fixture.server().is_started());
  fixture.start();
  testing::run_on(fixture.base(), [&] { EXPECT_TRUE(fixture.server().start()); });
  EXPECT_TRUE(fixture.server().is_started());
  EXPECT_EQ(started, 2);
  EXPECT_EQ(fixture.server().loops().size(), 2U);
  connect_many(fixture.address(), 4);
}

TEST(TcpServer, RoundRobinIsExactlyEven) {
  ServerFixture fixture({.loops = 4, .balance = Balance::kRoundRobin});
  fixture.server().on_message(testing::echo);
  fixture.start();
  const auto clients = connect_many(fixture.address(), 20);
  EXPECT_EQ(accepted_by_loop(fixture), (std::vector<std::size_t>{5, 5, 5, 5}));
  EXPECT_EQ(fixture.server().connection_count(), 20U);
  EXPECT_GT(fixture.server().base_counters().accept_wake_ups.load(), 0U);
}

TEST(TcpServer, KernelHashUsesEveryLoop) {
  ServerFixture fixture({.loops = 4, .balance = Balance::kKernelHash});
  fixture.server().on_message(testing::echo);
  fixture.start();
  const auto clients = connect_many(fixture.address(), 200);
  // Binomial: a loop without any of 200 connections has a chance of 4 * 0.75^200.
  for (const std::size_t count : accepted_by_loop(fixture)) EXPECT_GT(count, 0U);
  EXPECT_EQ(fixture.server().base_counters().accept_wake_ups.load(), 0U);
}

TEST(TcpServer, SharedListenerServesEveryConnectionOnce) {
  ServerFixture fixture({.loops = 3, .balance = Balance::kShared});
  fixture.server().on_message(testing::echo);
  fixture.start();
  const auto clients = connect_many(fixture.address(), 50);
  EXPECT_EQ(fixture.total(&NetCounters::accepted), 50U);
}

TEST(TcpServer, AConnectionStaysOnItsLoop) {
  ServerFixture fixture({.loops = 3});
  std::mutex mutex;
  std::set<EventLoop*> seen;
  fixture.server().on_connection([](const TcpConnectionPtr& connection) {
    EXPECT_TRUE(connection->loop().is_in_loop_thread());
  });
  fixture.server().on_message(
      [&](const TcpConnectionPtr& connection, ReceiveBuffer& input, Timestamp) {
        EXPECT_TRUE(connection->loop().is_in_loop_thread());
        const std::lock_guard lock(mutex);
        seen.insert(&connection->loop());
        connection->send(input.take_all());
      });
  fixture.start();
  connect_many(fixture.address(), 60);
  EXPECT_EQ(seen.size(), 3U);
}

class EveryBalance : public ::testing::TestWithParam<Balance> {};

TEST_P(EveryBalance, ServesUnixPathsAndAbstractNames) {
  const InetAddress path = unix_address("balance");
  {
    ServerFixture fixture({.loops = 2, .balance = GetParam()});
    fixture.server().on_message(testing::echo);
    fixture.start(path);
    connect_many(path, 10);
    EXPECT_EQ(fixture.total(&NetCounters::accepted), 10U);
  }
  EXPECT_NE(::access(std::string(path.path()).c_str(), F_OK), 0) << "the path must be gone";
  const InetAddress abstract =
      InetAddress::unix_abstract("leat-test-" + std::to_string(::getpid())).value();
  ServerFixture fixture({.loops = 2, .balance = GetParam()});
  fixture.server().on_message(testing::echo);
  fixture.start(abstract);
  connect_many(abstract, 10);
}

TEST_P(EveryBalance, ServesIpv6AndSeveralAddresses) {
  ServerFixture fixture({.loops = 2, .balance = GetParam()});
  fixture.server().on_message(testing::echo);
  fixture.start(InetAddress::loopback(0, InetAddress::Family::kIpv6));
  connect_many(fixture.address(), 5);
  // Also one that comes after start().
  InetAddress second;
  testing::run_on(fixture.base(), [&] {
    ASSERT_TRUE(fixture.server().listen(InetAddress::loopback(0)));
    second = fixture.server().addresses().back();
  });
  EXPECT_NE(second.port(), 0);
  connect_many(second, 5);
  EXPECT_EQ(fixture.total(&NetCounters::accepted), 10U);
}

TEST_P(EveryBalance, ASecondServerOnThePortIsRefused) {
  ServerFixture first({.loops = 2, .balance = GetParam()});
  first.start();
  ServerFixture second({.loops = 2, .balance = GetParam()});
  testing::run_on(second.base(), [&] {
    const Result<void> listening = second.server().listen(first.address());
    ASSERT_FALSE(listening);
    EXPECT_EQ(listening.error().number(), EADDRINUSE);
    EXPECT_NE(listening.error().message().find("uid"), std::string::npos)
        << listening.error().message();
    EXPECT_TRUE(second.server().addresses().empty());
  });
}

TEST_P(EveryBalance, StopLetsConnectionsFinishAndReports) {
  ServerFixture fixture({.loops = 2, .balance = GetParam()});
  fixture.server().on_message(testing::echo);
  fixture.start();
  auto clients = connect_many(fixture.address(), 10);
  std::optional<StopReport> report;
  std::atomic<bool> done{false};
  std::thread readers([&] {
    for (RawClient& client : clients) EXPECT_TRUE(client.sees_end());
    clients.clear();
  });
  fixture.server().stop(20s, [&](const StopReport& r) {
    report = r;
    done = true;
  });
  ASSERT_TRUE(wait_until([&] { return done.load(); }));
  readers.join();
  EXPECT_EQ(report->drained, 10U);
  EXPECT_EQ(report->cut, 0U);
  EXPECT_EQ(report->bytes_unsent, 0U);
  EXPECT_FALSE(RawClient(fixture.address()).connected()) << "the listener must be closed";
}

TEST_P(EveryBalance, AFullLoopStopsAcceptingUntilThereIsRoom) {
  ServerFixture fixture(
      {.loops = 2, .balance = GetParam(), .accept_batch = 1, .max_connections_per_loop = 3});
  fixture.server().on_message(testing::echo);
  fixture.start();
  std::vector<RawClient> clients;
  for (int i = 0; i < 20; ++i) {
    clients.emplace_back(fixture.address());
    clients.back().send("x");
  }
  const auto served = [&] {
    std::size_t count = 0;
    for (const RawClient& client : clients) count += client.readable_within(0ms) ? 1U : 0U;
    return count;
  };
  ASSERT_TRUE(wait_until([&] { return served() >= 6; }));
  std::this_thread::sleep_for(30ms);
  EXPECT_LE(fixture.server().connection_count(), 6U);
  // Everyone has his turn as those before him leave.
  for (std::size_t left = clients.size(); left > 0; --left) {
    ASSERT_TRUE(wait_until([&] { return served() > 0; })) << left;
    for (auto client = clients.begin(); client != clients.end(); ++client) {
      if (!client->readable_within(0ms)) continue;
      clients.erase(client);
      break;
    }
  }
}

// A loop of a shared pool ends while two others go on: its connections are closed and told so,
// and no new one comes to it.
TEST_P(EveryBalance, OutlivesALoop) {
  EventLoopThread base_thread;
  EventLoop* base = base_thread.start().value();
  std::unique_ptr<EventLoopThreadPool> pool;
  std::unique_ptr<TcpServer> server;
  std::atomic<EventLoop*> mortal{nullptr};
  std::atomic<int> there{0};
  std::atomic<int> ended{0};
  testing::run_on(*base, [&] {
    pool = std::make_unique<EventLoopThreadPool>(
        *base, EventLoopThreadPoolOptions{.name = "mortal", .count = 3});
    ASSERT_TRUE(pool->start());
    mortal = pool->loops()[1];
    server = std::make_unique<TcpServer>(*base, *pool, TcpServerOptions{.balance = GetParam()});
    server->on_connection([&](const TcpConnectionPtr& connection) {
      if (&connection->loop() == mortal) ++there;
    });
    server->on_message(testing::echo);
    server->on_close([&](const auto&, CloseReason reason) {
      if (reason == CloseReason::kLoopEnded) ++ended;
    });
    ASSERT_TRUE(server->listen(InetAddress::loopback(0)));
    ASSERT_TRUE(server->start());
  });
  const InetAddress address = server->addresses().front();
  const auto before = connect_many(address, 30);
  EXPECT_TRUE(there > 0 || GetParam() == Balance::kShared);
  mortal.load()->quit();
  ASSERT_TRUE(wait_until([&] { return ended == there; }));
  const auto after = connect_many(address, 30);
  EXPECT_EQ(server->connection_count(), 60U - static_cast<std::size_t>(there));
  testing::run_on(*base, [&] {
    server.reset();
    pool.reset();
  });
}

INSTANTIATE_TEST_SUITE_P(TcpServer, EveryBalance,
                         ::testing::Values(Balance::kRoundRobin, Balance::kKernelHash,
                                           Balance::kShared),
                         [](const auto& balance) { return std::string(to_string(balance.param)); });

TEST(TcpServer, SharingThePortHasToBeAskedFor) {
  const TcpServerOptions options{.loops = 2, .share_port = true};
  ServerFixture first(options);
  first.server().on_message(testing::echo);
  first.start();
  ServerFixture second(options);
  second.server().on_message(testing::echo);
  second.start(first.address());
  connect_many(first.address(), 100);
  EXPECT_GT(first.total(&NetCounters::accepted), 0U);
  EXPECT_GT(second.total(&NetCounters::accepted), 0U);
}

TEST(TcpServer, StopCutsWhatDoesNotFinish) {
  TcpServerOptions options{.loops = 2};
  options.connection.kernel_send_buffer = 64 * 1024;
  ServerFixture fixture(options);
  fixture.server().on_connection([](const TcpConnectionPtr& connection) {
    connection->send(std::string(8 * 1024 * 1024, 'x'));
  });
  std::atomic<int> stopping{0};
  fixture.server().on_stopping([&](const auto&) { ++stopping; });
  fixture.start();
  RawClient stubborn(fixture.address(), 16 * 1024);
  RawClient other(fixture.address(), 16 * 1024);
  ASSERT_TRUE(wait_until([&] { return fixture.server().connection_count() == 2; }));
  std::optional<StopReport> report;
  std::atomic<int> done{0};
  // A second stop brings the deadline forward.
  fixture.server().stop(1h, [&](const StopReport&) { ++done; });
  fixture.server().stop(30ms, [&](const StopReport& r) {
    report = r;
    ++done;
  });
  ASSERT_TRUE(wait_until([&] { return done == 2; }));
  EXPECT_EQ(report->cut, 2U);
  EXPECT_EQ(report->drained, 0U);
  EXPECT_GT(report->bytes_unsent, 8U * 1024 * 1024);
  EXPECT_EQ(stopping, 2);
  EXPECT_EQ(fixture.closed(CloseReason::kServerStopped), 2U);
}

TEST(TcpServer, StopBeforeStartAndStopTwiceReport) {
  ServerFixture fixture;
  std::atomic<int> done{0};
  fixture.server().stop(1s, [&](const StopReport& report) {
    EXPECT_EQ(report.drained + report.cut, 0U);
    ++done;
  });
  ASSERT_TRUE(wait_until([&] { return done == 1; }));
  fixture.server().stop(1s, [&](const StopReport&) { ++done; });
  ASSERT_TRUE(wait_until([&] { return done == 2; }));
  testing::run_on(fixture.base(), [&] {
    EXPECT_FALSE(fixture.server().listen(InetAddress::loopback(0)));
    EXPECT_FALSE(fixture.server().start());
  });
}

TEST(TcpServer, DestructionCutsAndNobodyIsCalledAfterwards) {
  std::atomic<bool> destroyed{false};
  std::atomic<int> closed{0};
  TcpConnectionPtr kept;
  std::mutex mutex;
  {
    ServerFixture fixture({.loops = 3});
    fixture.server().on_connection([&](const TcpConnectionPtr& connection) {
      const std::lock_guard lock(mutex);
      kept = connection;
    });
    fixture.server().on_message(testing::echo);
    fixture.server().on_close([&](const auto&, CloseReason reason) {
      EXPECT_EQ(reason, CloseReason::kServerStopped);
      EXPECT_FALSE(destroyed);
      ++closed;
    });
    fixture.start();
    auto clients = connect_many(fixture.address(), 12);
    fixture.destroy();
    destroyed = true;
    EXPECT_EQ(closed, 12);
    for (RawClient& client : clients) EXPECT_TRUE(client.sees_reset());
  }
  EXPECT_FALSE(kept->is_open());
  EXPECT_FALSE(kept->send("after the end of everything"));
  kept->close();
}

TEST(TcpServer, ConnectionsAreFoundById) {
  ServerFixture fixture({.loops = 2});
  std::mutex mutex;
  std::vector<TcpConnectionPtr> connections;
  fixture.server().on_message(
      [&](const TcpConnectionPtr& connection, ReceiveBuffer& input, Timestamp) {
        EXPECT_EQ(fixture.server().find_connection(connection->id()), connection);
        const std::lock_guard lock(mutex);
        connections.push_back(connection);
        connection->send(input.take_all());
      });
  fixture.start();
  const auto clients = connect_many(fixture.address(), 20);
  std::set<std::uint64_t> ids;
  for (const auto& connection : connections) ids.insert(connection->id());
  EXPECT_EQ(ids.size(), 20U);
  EXPECT_EQ(fixture.server().find_connection(~0ULL), nullptr);
  std::atomic<int> visited{0};
  fixture.server().for_each_connection([&](const TcpConnectionPtr& connection) {
    EXPECT_TRUE(connection->loop().is_in_loop_thread());
    ++visited;
  });
  EXPECT_TRUE(wait_until([&] { return visited == 20; }));
  connections.clear();
}

TEST(TcpServer, TwoServersShareAPool) {
  EventLoopThread base_thread;
  EventLoop* base = base_thread.start().value();
  std::unique_ptr<EventLoopThreadPool> pool;
  std::unique_ptr<TcpServer> first;
  std::unique_ptr<TcpServer> second;
  testing::run_on(*base, [&] {
    pool = std::make_unique<EventLoopThreadPool>(
        *base, EventLoopThreadPoolOptions{.name = "shared", .count = 2});
    ASSERT_TRUE(pool->start());
    for (auto* server : {&first, &second}) {
      *server = std::make_unique<TcpServer>(*base, *pool);
      (*server)->on_message(testing::echo);
      ASSERT_TRUE((*server)->listen(InetAddress::loopback(0)));
      ASSERT_TRUE((*server)->start());
    }
    EXPECT_EQ(first->loops(), second->loops());
  });
  connect_many(first->addresses().front(), 10);
  testing::run_on(*base, [&] { first.reset(); });
  connect_many(second->addresses().front(), 10);
  testing::run_on(*base, [&] {
    second.reset();
    pool.reset();
  });
}

TEST(TcpServer, PinsItsLoops) {
  const CpuSet available = CpuSet::available().value();
  ServerFixture fixture({.loops = 2, .cpus = available});
  std::mutex mutex;
  std::vector<CpuSet> seen;
  fixture.server().on_loop_start([&](EventLoop&) {
    const std::lock_guard lock(mutex);
    seen.push_back(CpuSet::available().value());
  });
  fixture.start();
  ASSERT_EQ(seen.size(), 2U);
  for (const CpuSet& cpus : seen) EXPECT_EQ(cpus.count(), 1U);
}

TEST(TcpServer, BalanceNames) {
  for (const Balance balance : {Balance::kRoundRobin, Balance::kKernelHash, Balance::kShared}) {
    EXPECT_EQ(*parse_balance(to_string(balance)), balance);
  }
  EXPECT_FALSE(parse_balance("roundrobin"));
}

}  // namespace
}  // namespace leat
