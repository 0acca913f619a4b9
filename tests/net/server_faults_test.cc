// A server that is stopped, or cannot start, at a bad moment; peers that vanish.
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "leat/net/tcp_server.h"

#include "support/descriptor_limit.h"
#include "support/raw_client.h"
#include "support/server_fixture.h"

namespace leat {
namespace {

using namespace std::chrono_literals;
using testing::DescriptorLimit;
using testing::RawClient;
using testing::ServerFixture;
using testing::wait_until;

bool is_served(const InetAddress& address) {
  RawClient client(address);
  return client.send("x") && client.read(1) == "x";
}

class ServerFaults : public ::testing::TestWithParam<Balance> {};

TEST_P(ServerFaults, AStartThatFailsLeavesAllAsItWas) {
  int failures = 0;
  for (int more = 0;; ++more) {
    SCOPED_TRACE(more);
    ServerFixture fixture({.loops = 2, .balance = GetParam()});
    fixture.server().on_message(testing::echo);
    Result<void> started;
    testing::run_on(fixture.base(), [&] {
      fixture.server().listen(InetAddress::loopback(0)).value();
      fixture.server().listen(InetAddress::loopback(0)).value();
      const DescriptorLimit limit(more);
      started = fixture.server().start();
    });
    if (!started) {
      ++failures;
      EXPECT_EQ(started.error().number(), EMFILE) << started.error().message();
      EXPECT_FALSE(fixture.server().is_started());
      EXPECT_TRUE(fixture.server().loops().empty());
      testing::run_on(fixture.base(), [&] { fixture.server().start().value(); });
    }
    for (const InetAddress& address : fixture.server().addresses()) {
      EXPECT_TRUE(is_served(address));
    }
    if (started || HasFailure()) break;
  }
  EXPECT_GT(failures, 5) << "two threads with loops and two listeners need more";
}

TEST_P(ServerFaults, AListenThatFailsOnARunningServerLeavesAllAsItWas) {
  ServerFixture fixture({.loops = 2, .balance = GetParam()});
  fixture.server().on_message(testing::echo);
  fixture.start();
  int failures = 0;
  for (int more = 0;; ++more) {
    SCOPED_TRACE(more);
    Result<void> listening;
    testing::run_on(fixture.base(), [&] {
      const DescriptorLimit limit(more);
      listening = fixture.server().listen(InetAddress::loopback(0));
    });
    EXPECT_TRUE(is_served(fixture.address()));
    if (listening || HasFailure()) break;
    ++failures;
    EXPECT_EQ(fixture.server().addresses().size(), 1u);
  }
  EXPECT_GE(failures, 2);
  ASSERT_EQ(fixture.server().addresses().size(), 2u);
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(is_served(fixture.server().addresses().back()));
}

TEST_P(ServerFaults, StopTakesWhatWaitsInTheAcceptQueues) {
  ServerFixture fixture({.loops = 2, .balance = GetParam()});
  fixture.server().on_message(testing::echo);
  fixture.start();
  // Every loop is busy while clients come; those that serve, until they have been told to stop.
  std::promise<void> base_free, others_free;
  std::atomic<std::size_t> busy{0};
  const auto occupy = [&busy](EventLoop& loop, const std::shared_future<void>& until) {
    loop.queue_in_loop([&busy, until] {
      ++busy;
      until.wait();
    });
  };
  occupy(fixture.base(), base_free.get_future().share());
  const std::shared_future<void> others = others_free.get_future().share();
  for (EventLoop* loop : fixture.server().loops()) occupy(*loop, others);
  ASSERT_TRUE(wait_until([&] { return busy == 1 + fixture.server().loops().size(); }));
  std::vector<RawClient> clients;
  for (int i = 0; i < 10; ++i) clients.emplace_back(fixture.address());
  std::optional<StopReport> report;
  std::atomic<bool> done{false};
  fixture.server().stop(20s, [&](const StopReport& r) {
    report = r;
    done = true;
  });
  base_free.set_value();
  testing::run_on(fixture.base(), [] {});
  others_free.set_value();
  for (RawClient& client : clients) EXPECT_TRUE(client.sees_end()) << "reset, not served";
  clients.clear();
  ASSERT_TRUE(wait_until([&] { return done.load(); }));
  EXPECT_EQ(report->drained, 10u);
  EXPECT_EQ(report->cut, 0u);
}

INSTANTIATE_TEST_SUITE_P(TcpServer, ServerFaults,
                         ::testing::Values(Balance::kRoundRobin, Balance::kKernelHash,
                                           Balance::kShared),
                         [](const auto& balance) { return std::string(to_string(balance.param)); });

TEST(TcpServer, StopWithoutADeadlineWaits) {
  ServerFixture fixture;
  fixture.server().on_message(testing::echo);
  fixture.server().on_stopping([](const auto&) {});
  fixture.start();
  RawClient client(fixture.address());
  std::atomic<bool> done{false};
  fixture.server().stop(Duration::max(), [&](const StopReport&) { done = true; });
  // The limit of a connection may be endless too.
  testing::run_on(fixture.base(), [&] {
    fixture.server().for_each_connection(
        [](const TcpConnectionPtr& c) { c->set_idle_timeout(Duration::max()); });
  });
  client.send("still here");
  EXPECT_EQ(client.read(10), "still here");
  EXPECT_FALSE(done);
  client.close();
  EXPECT_TRUE(wait_until([&] { return done.load(); }));
}

TEST(TcpServer, KeepAliveFindsAPeerThatVanished) {
  TcpServerOptions options;
  options.connection.keep_alive_idle = 1s;
  options.connection.keep_alive_interval = 1s;
  options.connection.keep_alive_probes = 2;
  ServerFixture fixture(options);
  fixture.server().on_message(testing::echo);
  fixture.start();
  RawClient vanishing(fixture.address());
  vanishing.send("x");
  ASSERT_EQ(vanishing.read(1), "x");
  const int on = 1;
  // Closed in this state, a socket tells its peer nothing (TCP_REPAIR, Documentation of CRIU).
  if (::setsockopt(vanishing.fd(), IPPROTO_TCP, TCP_REPAIR, &on, sizeof on) != 0) {
    GTEST_SKIP() << "needs CAP_NET_ADMIN";
  }
  vanishing.close();
  EXPECT_TRUE(is_served(fixture.address()));
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kReset));
  EXPECT_TRUE(is_served(fixture.address()));
}

}  // namespace
}  // namespace leat
