// Servers that balance by consistent hashing: whose clients change loops when loops and processes
// come and go.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "leat/base/logging.h"
#include "leat/net/tcp_server.h"

#include "support/child_process.h"
#include "support/places.h"
#include "support/raw_client.h"
#include "support/server_fixture.h"

namespace leat {
namespace {

using namespace std::chrono_literals;
using testing::ChildProcess;
using ::testing::HasSubstr;
using testing::moved_of_the_rest;
using testing::Places;
using testing::RawClient;
using testing::run_on;
using testing::ServerFixture;
using testing::wait_until;

#define NEEDS_RIGHTS()                                                         \
  if (const std::string missing = testing::missing_rights(); !missing.empty()) \
  GTEST_SKIP() << missing

/// What clients from the same ports each time find.
class TcpPlaces {
 public:
  explicit TcpPlaces(const InetAddress& server) {
    std::set<int> ports;
    while (ports.size() < kClients) ports.insert(connect(server, 0));
    ports_.assign(ports.begin(), ports.end());
  }

  void note(int port, std::size_t place) {
    const std::lock_guard lock(mutex_);
    places_[port] = place;
  }
  Places ask(const InetAddress& server) {
    {
      const std::lock_guard lock(mutex_);
      places_.clear();
    }
    for (const int port : ports_) EXPECT_EQ(connect(server, port), port);
    EXPECT_TRUE(wait_until([this] {
      const std::lock_guard lock(mutex_);
      return places_.size() == ports_.size();
    }));
    const std::lock_guard lock(mutex_);
    return places_;
  }

 private:
  static constexpr std::size_t kClients = 300;

  /// Connects, waits until it is served, and resets, so that the port is free again.
  static int connect(const InetAddress& server, int port) {
    const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    ::setsockopt(client.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    // An address that no other program's ports are on.
    const InetAddress from = InetAddress::parse("127.0.77.1:" + std::to_string(port)).value();
    EXPECT_EQ(::bind(client.get(), from.get(), from.size()), 0) << port;
    EXPECT_EQ(::connect(client.get(), server.get(), server.size()), 0) << port;
    char byte = 0;
    EXPECT_EQ(::recv(client.get(), &byte, 1, 0), 1);
    const int bound = InetAddress::local_of(client.get()).value().port();
    const linger reset{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    return bound;
  }

  std::vector<int> ports_;
  std::mutex mutex_;
  Places places_;
};

class ConsistentServer {
 public:
  explicit ConsistentServer(TcpServerOptions options) : fixture_(std::move(options)) {
    fixture_.server().on_connection([this](const TcpConnectionPtr& connection) {
      const auto loops = fixture_.server().loops();
      const auto place = std::ranges::find(loops, &connection->loop()) - loops.begin();
      if (TcpPlaces* const places = places_.load()) {
        places->note(connection->peer().port(), static_cast<std::size_t>(place));
      }
      connection->send("x");
    });
  }

  [[nodiscard]] ServerFixture& fixture() { return fixture_; }
  [[nodiscard]] const InetAddress& address() const { return fixture_.address(); }
  ListenerBalance balance() { return fixture_.server().balances().front(); }
  void tell(TcpPlaces& places) { places_ = &places; }
  void resize(std::size_t count) {
    run_on(fixture_.base(), [&] { ASSERT_TRUE(fixture_.server().resize_loops(count)); });
  }

 private:
  std::atomic<TcpPlaces*> places_{nullptr};
  ServerFixture fixture_;
};

TcpServerOptions consistent(std::size_t loops, bool keep = true) {
  return {.loops = loops, .balance = Balance::kConsistentHash, .keep_listeners = keep};
}

TEST(ConsistentHash, FewMoveWhenTheNumberOfLoopsChanges) {
  NEEDS_RIGHTS();
  for (const bool keep : {true, false}) {
    ConsistentServer server(consistent(4, keep));
    server.fixture().start();
    ASSERT_EQ(server.balance().balance, Balance::kConsistentHash) << server.balance().reason;
    TcpPlaces places(server.address());
    server.tell(places);
    const Places four = places.ask(server.address());
    server.resize(3);
    const Places three = places.ask(server.address());
    EXPECT_LT(moved_of_the_rest(four, three, 3), 0.08);
    std::vector<int> shares(4);
    for (const auto& [port, place] : three) ++shares[place];
    const auto even = ::testing::AllOf(::testing::Gt(60), ::testing::Lt(140));
    EXPECT_THAT(shares, ::testing::ElementsAre(even, even, even, 0));
    server.resize(1);
    for (const auto& [port, place] : places.ask(server.address())) EXPECT_EQ(place, 0u);
    server.resize(4);
    EXPECT_EQ(places.ask(server.address()), four);
    EXPECT_EQ(server.balance().balance, Balance::kConsistentHash) << server.balance().reason;
  }
}

TEST(ConsistentHash, ByTheKernelsHashManyMove) {
  ConsistentServer server({.loops = 4, .keep_listeners = false});
  server.fixture().start();
  TcpPlaces places(server.address());
  server.tell(places);
  const Places four = places.ask(server.address());
  server.resize(3);
  EXPECT_GT(moved_of_the_rest(four, places.ask(server.address()), 3), 0.2);
}

TEST(ConsistentHash, FewMoveWhenALoopEnds) {
  NEEDS_RIGHTS();
  set_log_sink([](const LogRecord&) {});
  ConsistentServer server(consistent(4));
  server.fixture().start();
  TcpPlaces places(server.address());
  server.tell(places);
  const Places four = places.ask(server.address());
  EventLoop* first = server.fixture().server().loops().front();
  const LoopHandle handle = first->handle();
  first->queue_in_loop([first] { first->quit(); });
  ASSERT_TRUE(wait_until([&] { return !handle.queue([] {}); }));
  run_on(server.fixture().base(), [] {});
  EXPECT_LT(moved_of_the_rest(four, places.ask(server.address()), 0), 0.08);
  set_log_sink({});
}

/// From one process to the next, with as many loops.
void take_over(ConsistentServer& old, ConsistentServer& next) {
  ListenerSet set;
  run_on(old.fixture().base(), [&] { set = old.fixture().server().duplicate_listeners().value(); });
  next.fixture().start(old.address(), set);
  std::atomic<bool> stopped{false};
  run_on(old.fixture().base(), [&] {
    old.fixture().server().disown_listeners();
    old.fixture().server().stop(20s, [&](const StopReport&) { stopped = true; });
  });
  EXPECT_TRUE(wait_until([&] { return stopped.load(); }));
  run_on(next.fixture().base(), [&] { next.fixture().server().own_listeners(); });
  old.fixture().destroy();
}

TEST(ConsistentHash, ClientsStayWhenAnotherProcessTakesOver) {
  NEEDS_RIGHTS();
  ConsistentServer old(consistent(3));
  old.fixture().start();
  TcpPlaces places(old.address());
  old.tell(places);
  const Places before = places.ask(old.address());
  ConsistentServer next(consistent(3));
  next.tell(places);
  take_over(old, next);
  ASSERT_EQ(next.balance().balance, Balance::kConsistentHash) << next.balance().reason;
  EXPECT_EQ(places.ask(next.address()), before);
  // The table is the new one's by now: it follows what that does.
  next.resize(1);
  for (const auto& [port, place] : places.ask(next.address())) EXPECT_EQ(place, 0u);
}

TEST(ConsistentHash, TakesOverFromTheHashAndHandsOnToIt) {
  NEEDS_RIGHTS();
  ConsistentServer first({.loops = 2});
  first.fixture().start();
  ConsistentServer second(consistent(3));
  take_over(first, second);
  EXPECT_EQ(second.balance().balance, Balance::kConsistentHash) << second.balance().reason;
  TcpPlaces places(second.address());
  second.tell(places);
  second.resize(1);
  for (const auto& [port, place] : places.ask(second.address())) EXPECT_EQ(place, 0u);
  ConsistentServer third({.loops = 3});
  third.tell(places);
  take_over(second, third);
  std::vector<int> shares(3);
  for (const auto& [port, place] : places.ask(third.address())) ++shares[place];
  EXPECT_THAT(shares, ::testing::Each(::testing::Gt(0)));  // no table says 0 any more
}

TEST(ConsistentHash, WithoutTheRightsTheHashServesAndTheReasonIsSaid) {
  const ChildProcess child([](UniqueFd&) -> std::string {
    set_log_sink([](const LogRecord&) {});
    if (::getuid() == 0 && ::setuid(65534) != 0) return "not another user";
    ConsistentServer server(consistent(2));
    server.fixture().start();
    RawClient client(server.address());
    if (client.read(1) != "x") return "does not serve";
    const ListenerBalance used = server.balance();
    return std::string(to_string(used.balance)) + ": " + used.reason;
  });
  EXPECT_THAT(child.output(), HasSubstr("kernel_hash: "));
  EXPECT_THAT(child.output(), HasSubstr("CAP_BPF"));
}

TEST(ConsistentHash, OnePortOfSeveralProcessesFallsBackToTheHash) {
  set_log_sink([](const LogRecord&) {});
  TcpServerOptions options = consistent(2);
  options.share_port = true;
  ConsistentServer server(options);
  server.fixture().start();
  EXPECT_EQ(server.balance().balance, Balance::kKernelHash);
  EXPECT_THAT(server.balance().reason, HasSubstr("share_port"));
  set_log_sink({});
}

}  // namespace
}  // namespace leat
