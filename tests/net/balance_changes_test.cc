// The balance policies while their group changes: loops that come, go and end, and processes that
// take the listeners over.
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "leat/base/cpu_set.h"
#include "leat/base/logging.h"
#include "leat/net/tcp_server.h"

#include "support/many_clients.h"
#include "support/own_network.h"
#include "support/raw_client.h"
#include "support/server_fixture.h"

namespace leat {
namespace {

using namespace std::chrono_literals;
using testing::accepted_by_loop;
using ::testing::AllOf;
using ::testing::AnyOf;
using testing::connect_many;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Le;
using testing::RawClient;
using testing::run_on;
using testing::ServerFixture;
using testing::wait_until;

using Counts = std::vector<std::uint64_t>;

class LogCapture {
 public:
  LogCapture() {
    set_log_sink([this](const LogRecord& record) { text_.append(record.message).append("\n"); });
  }
  ~LogCapture() { set_log_sink({}); }
  /// Ends it.
  std::string take() {
    set_log_sink({});
    return text_;
  }

 private:
  std::string text_;
};

Counts open_by_loop(ServerFixture& fixture) {
  Counts counts;
  for (const NetCounters* loop : fixture.server().counters()) counts.push_back(loop->open.load());
  return counts;
}

/// What each loop has had of so many short connections, made on one CPU.
Counts accepted_from(int cpu, ServerFixture& fixture, std::size_t count = 40) {
  Counts counts = accepted_by_loop(fixture);
  std::thread([&] {
    ASSERT_TRUE(CpuSet::of(cpu).pin_current_thread());
    connect_many(fixture.address(), count);
  }).join();
  const Counts after = accepted_by_loop(fixture);
  for (std::size_t i = 0; i < after.size(); ++i) counts[i] = after[i] - counts[i];
  return counts;
}

void expect_by_cpu(ServerFixture& fixture) {
  const ListenerBalance used = fixture.server().balances().front();
  ASSERT_EQ(used.balance, Balance::kIncomingCpu) << used.reason;
  std::size_t loop = 0;
  const CpuSet cpus = CpuSet::available().value();
  for (const int cpu : cpus) {
    EXPECT_EQ(accepted_from(cpu, fixture)[loop++], 40u) << "CPU " << cpu;
  }
}

Result<void> resize(ServerFixture& fixture, std::size_t count) {
  Result<void> result;
  run_on(fixture.base(), [&] { result = fixture.server().resize_loops(count); });
  return result;
}

std::size_t cpu_count() {
  return CpuSet::available().value().count();
}

TcpServerOptions by_cpu() {
  return {.loops = cpu_count(), .balance = Balance::kIncomingCpu, .force_balance = true};
}

std::unique_ptr<ServerFixture> start(TcpServerOptions options) {
  auto fixture = std::make_unique<ServerFixture>(std::move(options));
  fixture->server().on_message(testing::echo);
  fixture->start();
  return fixture;
}

/// Takes over the listeners of `old`, which then ends, as from one process to the next.
std::unique_ptr<ServerFixture> succeed(std::unique_ptr<ServerFixture> old,
                                       TcpServerOptions options) {
  auto successor = std::make_unique<ServerFixture>(std::move(options));
  successor->server().on_message(testing::echo);
  ListenerSet set;
  run_on(old->base(), [&] { set = old->server().duplicate_listeners().value(); });
  successor->start(old->address(), set);
  std::atomic<bool> stopped{false};
  run_on(old->base(), [&] {
    old->server().disown_listeners();
    old->server().stop(20s, [&](const StopReport&) { stopped = true; });
  });
  EXPECT_TRUE(wait_until([&] { return stopped.load(); }));
  run_on(successor->base(), [&] { successor->server().own_listeners(); });
  return successor;
}

// Loops that come and go.

TEST(BalanceResize, IncomingCpuIsThereAgainWhenThereIsMoreThanOneLoop) {
  if (cpu_count() < 2) GTEST_SKIP() << "needs two CPUs";
  TcpServerOptions options = by_cpu();
  options.keep_listeners = false;
  const auto fixture = start(options);
  expect_by_cpu(*fixture);
  ASSERT_TRUE(resize(*fixture, 1));
  EXPECT_EQ(fixture->server().balances().front().balance, Balance::kKernelHash);
  EXPECT_THAT(fixture->server().balances().front().reason, HasSubstr("only one loop"));
  EXPECT_EQ(accepted_from(CpuSet::available().value().first(), *fixture)[0], 40u);
  ASSERT_TRUE(resize(*fixture, cpu_count()));
  expect_by_cpu(*fixture);
}

TEST(BalanceResize, IncomingCpuOfAServerThatBeganWithOneLoop) {
  if (cpu_count() < 2) GTEST_SKIP() << "needs two CPUs";
  for (const bool keep : {true, false}) {
    TcpServerOptions options = by_cpu();
    options.keep_listeners = keep;
    options.max_loops = std::exchange(options.loops, 1);
    const auto fixture = start(options);
    EXPECT_EQ(accepted_from(CpuSet::available().value().first(), *fixture)[0], 40u);
    ASSERT_TRUE(resize(*fixture, cpu_count()));
    expect_by_cpu(*fixture);
  }
}

TEST(BalanceResize, LeastConnectionsGivesNothingToLoopsThatAcceptNoMore) {
  for (const bool keep : {true, false}) {
    const auto fixture =
        start({.loops = 4, .balance = Balance::kLeastConnections, .keep_listeners = keep});
    ASSERT_TRUE(resize(*fixture, 2));
    auto clients = connect_many(fixture->address(), 20);
    EXPECT_THAT(open_by_loop(*fixture), ElementsAre(AnyOf(9, 10, 11), AnyOf(9, 10, 11), 0, 0));
    ASSERT_TRUE(resize(*fixture, 4));
    for (RawClient& client : connect_many(fixture->address(), 20)) {
      clients.push_back(std::move(client));
    }
    EXPECT_THAT(open_by_loop(*fixture), Each(AllOf(Ge(9u), Le(11u))));
  }
}

TEST(BalanceResize, StandbyStaysWithOneLoop) {
  for (const bool share : {false, true}) {
    const auto fixture = start(
        {.loops = 4, .balance = Balance::kStandby, .share_port = share, .keep_listeners = false});
    for (const std::size_t count : {1u, 4u, 2u}) {
      ASSERT_TRUE(resize(*fixture, count));
      connect_many(fixture->address(), 10);
    }
    EXPECT_THAT(accepted_by_loop(*fixture), ElementsAre(30, 0, 0, 0));
  }
}

// Loops that end.

class LoopEnds : public ::testing::TestWithParam<Balance> {};

TEST_P(LoopEnds, ItsListenersAreTheOthers) {
  if (GetParam() == Balance::kIncomingCpu && cpu_count() < 2) GTEST_SKIP() << "needs two CPUs";
  const LogCapture log;
  const auto fixture =
      start({.loops = 2, .balance = GetParam(), .force_balance = true, .share_port = false});
  EventLoop* first = fixture->server().loops().front();
  const LoopHandle handle = first->handle();
  first->queue_in_loop([first] { first->quit(); });
  ASSERT_TRUE(wait_until([&] { return !handle.queue([] {}); }));
  // Who comes before the server has heard of it waits, and is served as well.
  connect_many(fixture->address(), 20);
  const Counts counts = accepted_by_loop(*fixture);
  EXPECT_GT(counts[1], 0u);
  connect_many(fixture->address(), 20);
  EXPECT_EQ(accepted_by_loop(*fixture)[1], counts[1] + 20);
}

INSTANTIATE_TEST_SUITE_P(EveryBalance, LoopEnds,
                         ::testing::Values(Balance::kKernelHash, Balance::kShared,
                                           Balance::kIncomingCpu, Balance::kLeastConnections,
                                           Balance::kConsistentHash, Balance::kStandby),
                         [](const auto& parameter) {
                           return std::string(to_string(parameter.param));
                         });

/// The kernel tells one of those who share a listener, and that may be the one that ends.
TEST(LoopEnds, WhatItAloneWasToldOfIsTheOthersToo) {
  const LogCapture log;
  for (int round = 0; round < 100; ++round) {
    const auto fixture = start({.loops = 2, .balance = Balance::kShared});
    EventLoop* first = fixture->server().loops().front();
    first->queue_in_loop([first] { first->quit(); });
    RawClient client(fixture->address());
    // It is served, or cut if the loop that ends had it already; nobody hangs.
    (void)client.send("x");
    const MonotonicTime before = monotonic_now();
    (void)client.read(1);
    ASSERT_LT(monotonic_now() - before, 15s) << "round " << round;
  }
}

// Takeover.

TEST(BalanceTakeover, IncomingCpuIsTheSuccessorsToo) {
  if (cpu_count() < 2) GTEST_SKIP() << "needs two CPUs";
  const auto successor = succeed(start(by_cpu()), by_cpu());
  expect_by_cpu(*successor);
}

TEST(BalanceTakeover, IncomingCpuAfterTheHashAndBack) {
  if (cpu_count() < 2) GTEST_SKIP() << "needs two CPUs";
  auto second = succeed(start({.loops = cpu_count()}), by_cpu());
  expect_by_cpu(*second);
  const auto third = succeed(std::move(second), {.loops = cpu_count()});
  EXPECT_EQ(third->server().balances().front().balance, Balance::kKernelHash);
  // That all of them hash to one loop is no risk.
  const Counts counts = accepted_from(CpuSet::available().value().first(), *third);
  EXPECT_THAT(counts, Each(Ge(1u)));
}

TEST(BalanceTakeover, StandbyStaysWithOneLoopAndOneProcess) {
  const TcpServerOptions options{.loops = 2, .balance = Balance::kStandby, .share_port = true};
  auto old = start(options);
  ServerFixture behind({.balance = Balance::kStandby, .share_port = true});
  behind.server().on_message(testing::echo);
  behind.start(old->address());
  const auto successor = succeed(std::move(old), options);
  connect_many(successor->address(), 20);
  EXPECT_THAT(accepted_by_loop(*successor), ElementsAre(20, 0));
  successor->destroy();
  connect_many(behind.address(), 20);
  EXPECT_THAT(accepted_by_loop(behind), ElementsAre(20));
}

TEST(BalanceTakeover, StandbyOfAWholeGroupLosesNobodyOfIt) {
  const auto successor = succeed(start({.loops = 4}), {.loops = 2, .balance = Balance::kStandby});
  connect_many(successor->address(), 20);
  EXPECT_EQ(accepted_by_loop(*successor)[1], 0u);
}

TEST(BalanceTakeover, LeastConnectionsIsEvenAgain) {
  const auto successor = succeed(start({.loops = 2, .balance = Balance::kLeastConnections}),
                                 {.loops = 3, .balance = Balance::kLeastConnections});
  const auto clients = connect_many(successor->address(), 30);
  EXPECT_THAT(open_by_loop(*successor), Each(AllOf(Ge(9u), Le(11u))));
}

// Request migration.

/// What a server with both says, and whether its connections go by the CPU.
TEST(BalanceMigration, TheProgramThatChoosesComesFirstAndThatIsSaid) {
  if (cpu_count() < 2) GTEST_SKIP() << "needs two CPUs";
  const bool allowed = testing::in_own_network([] {
    ASSERT_TRUE(testing::set_up("lo", 65536));
    TcpServerOptions options = by_cpu();
    options.migrate_requests = true;
    LogCapture log;
    const auto fixture = start(options);
    EXPECT_THAT(log.take(), HasSubstr("has the program of incoming_cpu"));
    expect_by_cpu(*fixture);
  });
  if (!allowed) GTEST_SKIP() << "network namespaces cannot be made here";
}

}  // namespace
}  // namespace leat
