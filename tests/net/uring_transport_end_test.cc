// Ends of connections whose requests are in the kernel: the peer learns of them at once, and
// nothing is left behind. As promised over epoll too, so these run on both pollers.
#include <dirent.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "leat/net/tcp_server.h"
#include "leat/reactor/event_loop_thread.h"

#include "support/raw_client.h"
#include "support/server_fixture.h"
#include "tests/reactor/loop_test.h"

namespace leat {
namespace {

using testing::RawClient;
using testing::run_on;
using testing::ServerFixture;
using testing::wait_until;

/// Sockets that this process has open.
std::size_t open_sockets() {
  std::size_t count = 0;
  DIR* directory = ::opendir("/proc/self/fd");
  while (const dirent* entry = ::readdir(directory)) {
    std::array<char, 64> target{};
    const std::string path = std::string("/proc/self/fd/").append(entry->d_name);
    if (::readlink(path.c_str(), target.data(), target.size() - 1) <= 0) continue;
    count += std::string_view(target.data()).starts_with("socket:") ? 1U : 0U;
  }
  ::closedir(directory);
  return count;
}

/// What a connection is doing when it is ended.
enum class Doing { kIdle, kPaused, kHolding, kBlocked, kLingering };

class UringTransportEnds : public ::testing::TestWithParam<Doing> {
 protected:
  UringTransportEnds() {
    fixture_.server().on_connection([this](const TcpConnectionPtr& c) { connection_ = c; });
    fixture_.server().on_message([this](const TcpConnectionPtr&, ReceiveBuffer& input, auto) {
      input.consume_all();
      ++messages_;
    });
    fixture_.server().on_close([this](const auto&, CloseReason) { ++closed_; });
    fixture_.start();
  }
  ~UringTransportEnds() override {
    fixture_.destroy();
    run_on(fixture_.base(), [this] { connection_.reset(); });
  }

  /// Brings the connection where it is to be.
  void prepare(RawClient& client) {
    ASSERT_TRUE(client.send("x"));
    ASSERT_TRUE(wait_until([this] { return messages_ == 1; }));
    const std::uint64_t reads = fixture_.total(&NetCounters::reads);
    switch (GetParam()) {
      case Doing::kIdle:
        return;
      case Doing::kPaused:
      case Doing::kHolding:
        run_on(fixture_.base(), [this] { connection_->pause_reading(); });
        if (GetParam() == Doing::kPaused) return;
        ASSERT_TRUE(client.send("held"));
        if (!test::default_poller_is_uring()) return;
        ASSERT_TRUE(wait_until([&] { return fixture_.total(&NetCounters::reads) > reads; }));
        return;
      case Doing::kBlocked:
        run_on(fixture_.base(), [this] { connection_->send(std::string(20 << 20, 'x')); });
        ASSERT_TRUE(wait_until([this] { return fixture_.total(&NetCounters::write_blocked) > 0; }));
        return;
      case Doing::kLingering:
        run_on(fixture_.base(), [this] { connection_->close(); });
        ASSERT_TRUE(wait_until([this] {
          TcpConnection::State state{};
          run_on(fixture_.base(), [&] { state = connection_->state(); });
          return state == TcpConnection::State::kLingering;
        }));
        return;
    }
  }

  std::atomic<int> messages_{0};
  std::atomic<int> closed_{0};
  TcpConnectionPtr connection_;
  ServerFixture fixture_;
};

/// Ends by a reset, behind whatever was sent before; within a generous time.
bool gets_reset(const RawClient& client) {
  pollfd waiting{.fd = client.fd(), .events = 0, .revents = 0};
  return ::poll(&waiting, 1, 20'000) == 1 && (waiting.revents & POLLERR) != 0;
}

TEST_P(UringTransportEnds, ByAbortAndThePeerLearnsOfItAtOnce) {
  const std::size_t before = open_sockets();
  {
    RawClient client(fixture_.address());
    prepare(client);
    connection_->abort();
    // The loop has nothing else to do: nothing but the abort itself wakes it.
    EXPECT_TRUE(gets_reset(client));
    EXPECT_TRUE(wait_until([this] { return closed_ == 1; }));
  }
  EXPECT_TRUE(wait_until([&] { return open_sockets() == before; })) << "a descriptor was left";
  EXPECT_EQ(closed_, 1);
}

TEST_P(UringTransportEnds, WithItsServer) {
  RawClient client(fixture_.address());
  prepare(client);
  fixture_.destroy();
  EXPECT_EQ(closed_, 1);
  EXPECT_TRUE(gets_reset(client));
}

TEST_P(UringTransportEnds, ByClose) {
  const std::size_t before = open_sockets();
  {
    RawClient client(fixture_.address());
    prepare(client);
    // Before the client finishes, for its end would close the connection as well.
    run_on(fixture_.base(), [this] { connection_->close(); });
    client.finish_writing();
    // All that was sent comes, and then the end.
    std::string bytes = client.read_to_end();
    EXPECT_EQ(bytes.size(), GetParam() == Doing::kBlocked ? 20u << 20 : 0u);
    // By whichever of the two ends the loop heard of first.
    EXPECT_TRUE(wait_until([this] { return closed_ == 1; }));
  }
  EXPECT_TRUE(wait_until([&] { return open_sockets() == before; })) << "a descriptor was left";
}

INSTANTIATE_TEST_SUITE_P(Doing, UringTransportEnds,
                         ::testing::Values(Doing::kIdle, Doing::kPaused, Doing::kHolding,
                                           Doing::kBlocked, Doing::kLingering));

TEST(UringTransportEnd, ALoopThatEndsLetsGoOfConnectionsInEveryState) {
  const std::size_t before = open_sockets();
  {
    EventLoopThread base_thread;
    EventLoop* base = base_thread.start().value();
    std::unique_ptr<TcpServer> server;
    std::atomic<std::size_t> opened{0};
    std::atomic<std::size_t> closed{0};
    std::atomic<std::size_t> ended{0};
    run_on(*base, [&] {
      TcpServerOptions options;
      options.loops = 1;
      server = std::make_unique<TcpServer>(*base, options);
      server->on_connection([&](const TcpConnectionPtr&) { ++opened; });
      server->on_message([](const TcpConnectionPtr& connection, ReceiveBuffer& input, auto) {
        const char kind = input.view().front();
        input.consume_all();
        switch (kind) {
          case 'p':
            return connection->pause_reading();
          case 'b':
            connection->send(std::string(30 << 20, 'x'));
            return;
          case 'c':
            return connection->close();
          case 's':
            connection->send("small");
            return;
          default:
            return;
        }
      });
      server->on_close([&](const auto&, CloseReason reason) {
        ++closed;
        if (reason == CloseReason::kLoopEnded) ++ended;
      });
      server->listen(InetAddress::loopback(0)).value();
      server->start().value();
    });
    const InetAddress address = server->addresses().front();
    std::vector<RawClient> clients;
    constexpr std::string_view kKinds = "pbcs-";
    for (std::size_t i = 0; i < 100; ++i) {
      clients.emplace_back(address);
      const std::string text(1, kKinds[i % kKinds.size()]);
      ASSERT_TRUE(clients.back().send(text));
    }
    ASSERT_TRUE(wait_until([&] { return opened == clients.size(); }));
    for (RawClient& client : clients) client.send("more");
    server->loops().front()->quit();
    ASSERT_TRUE(wait_until([&] { return closed == clients.size(); }));
    EXPECT_EQ(ended, clients.size());
    for (const RawClient& client : clients) EXPECT_TRUE(gets_reset(client));
    run_on(*base, [&] { server.reset(); });
  }
  EXPECT_EQ(open_sockets(), before);
}

TEST(UringTransportEnd, ADeleterMayDoAnythingToItsConnection) {
  for (const std::string what : {"close", "abort", "send", "shutdown", "pause"}) {
    SCOPED_TRACE(what);
    ServerFixture fixture;
    fixture.server().on_message(
        [&](const TcpConnectionPtr& connection, ReceiveBuffer& input, auto) {
          input.consume_all();
          const std::weak_ptr<TcpConnection> weak = connection;
          for (int i = 0; i < 3; ++i) {
            auto* text = new std::string(3000, static_cast<char>('a' + i));
            const std::shared_ptr<const void> owner(text, [weak, what, i](std::string* gone) {
              delete gone;
              const TcpConnectionPtr self = weak.lock();
              if (i != 1 || !self || !self->is_open()) return;
              if (what == "close") self->close();
              if (what == "abort") self->abort();
              if (what == "send") {
                self->send(std::string(20'000, 'z'));
                self->send("end");
              }
              if (what == "shutdown") self->shutdown();
              if (what == "pause") self->pause_reading();
            });
            connection->send(owner, *text);
          }
        });
    fixture.start();
    RawClient client(fixture.address());
    ASSERT_TRUE(client.send("go"));
    const std::string expected =
        std::string(3000, 'a') + std::string(3000, 'b') + std::string(3000, 'c');
    if (what == "abort") {
      EXPECT_TRUE(gets_reset(client));
      continue;
    }
    EXPECT_EQ(client.read(expected.size()), expected);
    if (what == "send") {
      EXPECT_EQ(client.read(20'003), std::string(20'000, 'z') + "end");
    } else if (what != "pause") {
      client.finish_writing();
      EXPECT_TRUE(client.sees_end());
    }
  }
}

/// A server on a loop that runs only when the test says so.
class UringTransportByHand : public ::testing::Test {
 protected:
  UringTransportByHand() {
    server_ = std::make_unique<TcpServer>(*loop_);
    server_->listen(InetAddress::loopback(0)).value();
  }
  void start() { server_->start().value(); }
  /// Until a callback says quit().
  void run() { ASSERT_TRUE(loop_->loop()); }

  std::unique_ptr<EventLoop> loop_ = EventLoop::create().value();
  std::unique_ptr<TcpServer> server_;
};

TEST_F(UringTransportByHand, WhatWasSentHasGoneWhenTheLoopReturns) {
  server_->on_message([this](const TcpConnectionPtr& connection, ReceiveBuffer& input, auto) {
    connection->send(input.take_all());
    loop_->quit();
  });
  start();
  RawClient client(server_->addresses().front());
  ASSERT_TRUE(client.send("hello"));
  run();
  EXPECT_EQ(client.read(5), "hello");
}

TEST_F(UringTransportByHand, WhatWasAbortedIsResetWhenTheLoopReturns) {
  server_->on_message([this](const TcpConnectionPtr& connection, ReceiveBuffer& input, auto) {
    input.consume_all();
    connection->abort();
    loop_->quit();
  });
  start();
  RawClient client(server_->addresses().front());
  ASSERT_TRUE(client.send("hello"));
  run();
  EXPECT_TRUE(gets_reset(client));
}

TEST_F(UringTransportByHand, AServerThatEndsWhileTheLoopRestsTellsItsPeers) {
  server_->on_connection([this](const auto&) { loop_->quit(); });
  const std::size_t before = open_sockets();
  start();
  const std::size_t listening = open_sockets();
  RawClient client(server_->addresses().front());
  run();
  EXPECT_EQ(open_sockets(), listening + 2);
  server_.reset();
  EXPECT_TRUE(gets_reset(client));
  EXPECT_EQ(open_sockets(), before) << "the listener is gone, and the client is not";
}

}  // namespace
}  // namespace leat
