#include <linux/filter.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "leat/base/cpu_set.h"
#include "leat/net/balance.h"
#include "leat/net/tcp_server.h"

#include "support/child_process.h"
#include "support/many_clients.h"
#include "support/raw_client.h"
#include "support/refused_option.h"
#include "support/server_fixture.h"

namespace leat {
namespace {

using namespace std::chrono_literals;
using testing::accepted_by_loop;
using testing::ChildProcess;
using testing::connect_many;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::RawClient;
using testing::ServerFixture;

constexpr int kAttachProgram = 51;  // SO_ATTACH_REUSEPORT_CBPF

void start_echo(ServerFixture& fixture, const InetAddress& address = InetAddress::loopback(0)) {
  fixture.server().on_message(testing::echo);
  fixture.start(address);
}

TEST(Balance, NamesAreReadBack) {
  for (int i = 0; i <= static_cast<int>(Balance::kStandby); ++i) {
    const auto balance = static_cast<Balance>(i);
    EXPECT_EQ(parse_balance(to_string(balance)).value(), balance);
  }
  EXPECT_THAT(parse_balance("best").error().message(), HasSubstr("least_connections"));
}

// incoming_cpu.

TEST(IncomingCpu, IsRefusedOnLoopbackUnlessForced) {
  ServerFixture fixture({.loops = 2, .balance = Balance::kIncomingCpu});
  testing::run_on(fixture.base(), [&] {
    const auto refused = fixture.server().listen(InetAddress::loopback(0));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().number(), EINVAL);
    EXPECT_THAT(refused.error().message(), HasSubstr("force_balance"));
    EXPECT_TRUE(fixture.server().listen(InetAddress::any(0)));
  });
}

TEST(IncomingCpu, AConnectionComesToTheLoopOfItsCpu) {
  const CpuSet cpus = CpuSet::available().value();
  if (cpus.count() < 2) GTEST_SKIP() << "needs two CPUs";
  ServerFixture fixture(
      {.loops = cpus.count(), .balance = Balance::kIncomingCpu, .force_balance = true});
  start_echo(fixture);
  ASSERT_EQ(fixture.server().balances().front().balance, Balance::kIncomingCpu)
      << fixture.server().balances().front().reason;
  std::size_t loop = 0;
  for (const int cpu : cpus) {
    std::thread([&] {
      ASSERT_TRUE(CpuSet::of(cpu).pin_current_thread());
      const std::size_t before = accepted_by_loop(fixture)[loop];
      connect_many(fixture.address(), 20);
      EXPECT_EQ(accepted_by_loop(fixture)[loop] - before, 20u) << "CPU " << cpu;
    }).join();
    ++loop;
  }
}

TEST(IncomingCpu, LoopsThatShareACpuFallBackToTheHash) {
  const int cpu = CpuSet::available().value().first();
  ServerFixture fixture({.loops = 2,
                         .cpus = CpuSet::of(cpu),
                         .balance = Balance::kIncomingCpu,
                         .force_balance = true});
  start_echo(fixture);
  const ListenerBalance used = fixture.server().balances().front();
  EXPECT_EQ(used.balance, Balance::kKernelHash);
  EXPECT_THAT(used.reason, HasSubstr("shares CPU"));
  connect_many(fixture.address(), 4);
}

TEST(IncomingCpu, OnePortOfSeveralProcessesFallsBackToTheHash) {
  ServerFixture fixture(
      {.loops = 2, .balance = Balance::kIncomingCpu, .force_balance = true, .share_port = true});
  start_echo(fixture);
  EXPECT_THAT(fixture.server().balances().front().reason, HasSubstr("share_port"));
}

/// "BALANCE: REASON" of a server in a process whose kernel answers `number` to the attaching.
std::string balance_with(int number) {
  const ChildProcess child([number](UniqueFd&) -> std::string {
    if (!testing::refuse_socket_option(kAttachProgram, number)) return "no filter";
    ServerFixture fixture({.loops = 2, .balance = Balance::kIncomingCpu, .force_balance = true});
    start_echo(fixture);
    if (connect_many(fixture.address(), 4).back().fd() < 0) return "does not serve";
    const ListenerBalance used = fixture.server().balances().front();
    return std::string(to_string(used.balance)) + ": " + used.reason;
  });
  return child.output();
}

TEST(IncomingCpu, WithoutTheKernelsPartTheHashServesAndTheReasonIsSaid) {
  if (CpuSet::available().value().count() < 2) GTEST_SKIP() << "needs two CPUs";
  EXPECT_THAT(balance_with(ENOPROTOOPT), HasSubstr("kernel_hash: SO_ATTACH_REUSEPORT_CBPF"));
  EXPECT_THAT(balance_with(EPERM), HasSubstr("kernel_hash: SO_ATTACH_REUSEPORT_CBPF"));
}

TEST(IncomingCpu, AKernelThatDoesNotActByTheProgramIsFoundOut) {
  if (CpuSet::available().value().count() < 2) GTEST_SKIP() << "needs two CPUs";
  EXPECT_THAT(balance_with(0), HasSubstr("kernel_hash: a connection received on CPU"));
}

TEST(Balance, UnixListenersAreSharedInsteadOfGroups) {
  const auto name = "leat-balance-" + std::to_string(::getpid());
  for (const Balance balance : {Balance::kIncomingCpu, Balance::kLeastConnections}) {
    ServerFixture fixture({.loops = 2, .balance = balance});
    start_echo(fixture, InetAddress::unix_abstract(name).value());
    const ListenerBalance used = fixture.server().balances().front();
    EXPECT_EQ(used.balance, Balance::kShared);
    EXPECT_THAT(used.reason, HasSubstr("Unix"));
    connect_many(fixture.address(), 4);
  }
}

// least_connections.

TEST(LeastConnections, FewLongConnectionsAreEvenToWithinOne) {
  ServerFixture fixture({.loops = 4, .balance = Balance::kLeastConnections});
  start_echo(fixture);
  const auto clients = connect_many(fixture.address(), 30);
  const auto counts = accepted_by_loop(fixture);
  EXPECT_THAT(counts, Each(::testing::AllOf(::testing::Ge(7u), ::testing::Le(8u))));
  EXPECT_GT(fixture.total(&NetCounters::handed_over), 0u);
}

TEST(LeastConnections, AStopWaitsForWhatIsOnItsWay) {
  for (int round = 0; round < 20; ++round) {
    ServerFixture fixture({.loops = 4, .balance = Balance::kLeastConnections});
    std::atomic<int> opened{0};
    std::atomic<int> closed{0};
    fixture.server().on_connection([&](const auto&) { ++opened; });
    fixture.server().on_close([&](const auto&, CloseReason) { ++closed; });
    start_echo(fixture);
    std::vector<RawClient> clients;
    for (int i = 0; i < 40; ++i) clients.emplace_back(fixture.address());
    std::atomic<bool> stopped{false};
    fixture.server().stop(20s, [&](const StopReport&) {
      EXPECT_EQ(opened, closed);
      stopped = true;
    });
    for (RawClient& client : clients) client.finish_writing();
    EXPECT_TRUE(testing::wait_until([&] { return stopped.load(); }));
  }
}

// standby.

TEST(Standby, OneServesAndTheNextTakesOver) {
  ServerFixture first({.loops = 2, .balance = Balance::kStandby, .share_port = true});
  start_echo(first);
  ServerFixture second({.balance = Balance::kStandby, .share_port = true});
  start_echo(second, first.address());
  {
    const auto clients = connect_many(first.address(), 20);
  }
  EXPECT_THAT(accepted_by_loop(first), ElementsAre(20, 0));
  EXPECT_THAT(accepted_by_loop(second), ElementsAre(0));
  first.destroy();
  const auto clients = connect_many(second.address(), 20);
  EXPECT_THAT(accepted_by_loop(second), ElementsAre(20));
}

TEST(Standby, AWildcardStandsBesideABalancingGroupOnTheAddress) {
  ServerFixture group({.loops = 2, .share_port = true});
  start_echo(group);
  ServerFixture behind({.balance = Balance::kStandby, .share_port = true});
  start_echo(behind, InetAddress::any(group.address().port()));
  {
    const auto clients = connect_many(group.address(), 20);
  }
  EXPECT_THAT(accepted_by_loop(behind), ElementsAre(0));
  const InetAddress address = group.address();
  group.destroy();
  const auto clients = connect_many(address, 20);
  EXPECT_THAT(accepted_by_loop(behind), ElementsAre(20));
}

}  // namespace
}  // namespace leat
