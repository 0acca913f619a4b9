#include "leat/net/tcp_client.h"

#include <fcntl.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "leat/net/tcp_connection.h"
#include "leat/reactor/event_loop.h"

#include "support/raw_sockets.h"

namespace leat {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using testing::plain_accept;
using testing::plain_listener;
using testing::run_until;

InetAddress bound(const UniqueFd& socket) {
  return InetAddress::local_of(socket.get()).value();
}

/// A loopback port on which nobody listens.
InetAddress free_address() {
  return bound(plain_listener());
}

/// A listener that accepts nobody and whose queue is full: the kernel drops further SYNs.
class FullListener {
 public:
  FullListener() {
    for (int i = 0; i < 2; ++i) {
      UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      const InetAddress address = bound(listener_);
      static_cast<void>(::connect(socket.get(), address.get(), address.size()));
      fill_.push_back(std::move(socket));
    }
  }
  [[nodiscard]] InetAddress address() const { return bound(listener_); }

 private:
  UniqueFd listener_ = plain_listener(0);
  std::vector<UniqueFd> fill_;
};

/// A client whose callbacks write down what happens.
class TcpClientTest : public ::testing::Test {
 protected:
  void make(const InetAddress& peer, TcpClientOptions options = {}) {
    client = std::make_unique<TcpClient>(*loop, peer, std::move(options));
    client->on_connection([this](const TcpConnectionPtr& connection) {
      note("open");
      EXPECT_EQ(client->connection(), connection);
      if (when_open) when_open();
    });
    client->on_message([this](const TcpConnectionPtr&, ReceiveBuffer& input, Timestamp) {
      received += input.take_all();
      if (when_message) when_message();
    });
    client->on_close([this](const TcpConnectionPtr&, CloseReason reason) {
      note("close " + std::string(to_string(reason)));
      if (when_closed) when_closed();
    });
    client->on_attempt_failed(
        [this](const Error& error, std::size_t attempt, std::optional<Duration> retry_in) {
          note("attempt " + std::to_string(attempt));
          last_error = error.message();
          last_number = error.number();
          if (retry_in) delays.push_back(*retry_in);
          if (when_attempt_failed) when_attempt_failed();
        });
    client->on_connect_failed([this](const Error&, std::size_t attempts) {
      note("failed " + std::to_string(attempts));
      if (when_failed) when_failed();
    });
  }
  void note(std::string event) { events.push_back(std::move(event)); }
  bool wait_for(const std::string& event) {
    return run_until(*loop, [&] { return !events.empty() && events.back() == event; });
  }
  bool wait_for_count(const std::string& event, int count) {
    return run_until(*loop,
                     [&] { return std::count(events.begin(), events.end(), event) >= count; });
  }
  /// Whatever is still to come, comes now.
  void settle() {
    int rounds = 0;
    run_until(*loop, [&] { return ++rounds == 20; });
  }

  std::unique_ptr<EventLoop> loop = EventLoop::create().value();
  std::vector<std::string> events;
  std::string received;
  std::string last_error;
  int last_number = 0;
  std::vector<Duration> delays;
  std::function<void()> when_open, when_message, when_closed, when_attempt_failed, when_failed;
  std::unique_ptr<TcpClient> client;  // Destroyed first: its callbacks use the others.
};

using Events = std::vector<std::string>;

TEST_F(TcpClientTest, ConnectsTalksAndDisconnects) {
  const UniqueFd listener = plain_listener();
  make(bound(listener));
  EXPECT_EQ(client->peer(), bound(listener));
  EXPECT_FALSE(client->connection());
  ASSERT_TRUE(client->connect());
  EXPECT_TRUE(client->is_connecting());
  EXPECT_TRUE(events.empty());
  ASSERT_TRUE(wait_for("open"));
  EXPECT_FALSE(client->is_connecting());
  EXPECT_EQ(client->counters().open.load(), 1u);

  const UniqueFd server = plain_accept(listener);
  client->connection()->send("ping");
  when_message = [this] { note("message"); };
  ASSERT_EQ(::send(server.get(), "pong", 4, 0), 4);
  ASSERT_TRUE(wait_for("message"));
  EXPECT_EQ(received, "pong");
  char bytes[4];
  ASSERT_EQ(::recv(server.get(), bytes, 4, MSG_WAITALL), 4);

  client->disconnect();
  client->disconnect();
  run_until(*loop, [&] { return client->connection()->state() != TcpConnection::State::kClosing; });
  EXPECT_EQ(::recv(server.get(), bytes, 4, 0), 0);
  ::shutdown(server.get(), SHUT_WR);
  ASSERT_TRUE(wait_for("close local_close"));
  settle();
  EXPECT_FALSE(client->connection());
  EXPECT_EQ(client->counters().open.load(), 0u);
  EXPECT_EQ(client->counters().accepted.load(), 1u);
}

TEST_F(TcpClientTest, AppliesTheOptionsOfTheConnection) {
  const UniqueFd listener = plain_listener();
  make(bound(listener), {.connection = {.no_delay = false, .kernel_receive_buffer = 20'000}});
  ASSERT_TRUE(client->connect());
  ASSERT_TRUE(wait_for("open"));
  const int fd = client->connection()->fd();
  EXPECT_EQ(testing::int_option(fd, IPPROTO_TCP, TCP_NODELAY), 0);
  EXPECT_NE(testing::int_option(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
  EXPECT_EQ(testing::int_option(fd, SOL_SOCKET, SO_RCVBUF), 40'000);
}

TEST_F(TcpClientTest, ARefusedConnectionIsToldOnceAndLater) {
  const InetAddress address = free_address();
  make(address);
  ASSERT_TRUE(client->connect());
  ASSERT_TRUE(wait_for("failed 1"));
  settle();
  EXPECT_EQ(events, (Events{"attempt 1", "failed 1"}));
  EXPECT_EQ(last_error, "connect " + address.to_string() + ": Connection refused");
  EXPECT_TRUE(delays.empty());
  EXPECT_FALSE(client->is_connecting());
  EXPECT_EQ(loop->timer_count(), 0u);
}

TEST_F(TcpClientTest, ACallThatFailsNeverCallsBack) {
  const UniqueFd listener = plain_listener();
  make(bound(listener));
  ASSERT_TRUE(client->connect());
  EXPECT_EQ(client->connect().error().number(), EALREADY);
  ASSERT_TRUE(wait_for("open"));
  EXPECT_EQ(client->connect().error().number(), EISCONN);
  settle();
  EXPECT_EQ(events, Events{"open"});
}

TEST_F(TcpClientTest, ConnectsToUnixSockets) {
  const InetAddress address = InetAddress::unix_abstract("leat-tcp-client-test").value();
  const UniqueFd listener = plain_listener(1, address);
  make(address);
  ASSERT_TRUE(client->connect());
  EXPECT_TRUE(events.empty());
  ASSERT_TRUE(wait_for("open"));
}

TEST_F(TcpClientTest, WaitsForRoomInTheQueueOfAUnixListener) {
  const InetAddress address = InetAddress::unix_abstract("leat-tcp-client-full").value();
  const UniqueFd listener = plain_listener(0, address);
  const UniqueFd filler = testing::plain_connect(address);
  ASSERT_TRUE(filler);
  make(address);
  ASSERT_TRUE(client->connect());
  settle();
  EXPECT_TRUE(events.empty());
  plain_accept(listener);
  ASSERT_TRUE(wait_for("open"));
  EXPECT_EQ(events, Events{"open"});
}

TEST_F(TcpClientTest, SaysWhatIsWrongAtOnceFailedAttemptsToo) {
  make(InetAddress::unix_path("/nonesuch/socket").value());
  ASSERT_TRUE(client->connect());
  EXPECT_TRUE(events.empty());
  ASSERT_TRUE(wait_for("failed 1"));
  EXPECT_EQ(last_error, "connect unix:/nonesuch/socket: No such file or directory");
}

TEST_F(TcpClientTest, GivesUpAfterTheConnectTimeout) {
  const FullListener full;
  make(full.address(), {.connect_timeout = milliseconds(30)});
  ASSERT_TRUE(client->connect());
  ASSERT_TRUE(wait_for("failed 1"));
  EXPECT_EQ(last_error,
            "connect " + full.address().to_string() + " (after 30 ms): Connection timed out");
}

TEST_F(TcpClientTest, BindsItsOwnAddress) {
  const UniqueFd listener = plain_listener();
  make(bound(listener), {.bind_to = InetAddress::parse("127.0.0.9:0").value()});
  ASSERT_TRUE(client->connect());
  ASSERT_TRUE(wait_for("open"));
  EXPECT_EQ(client->connection()->local()->host(), "127.0.0.9");
}

TEST_F(TcpClientTest, SaysThatItsOwnAddressIsWrong) {
  const UniqueFd listener = plain_listener();
  // 192.0.2.0/24 is for documentation (RFC 5737).
  make(bound(listener), {.bind_to = InetAddress::parse("192.0.2.1:0").value()});
  ASSERT_TRUE(client->connect());
  ASSERT_TRUE(wait_for("failed 1"));
  EXPECT_EQ(last_error, "connect " + bound(listener).to_string() +
                            " (from 192.0.2.1:0): Cannot assign requested address");
}

TEST_F(TcpClientTest, AConnectionToItselfIsNone) {
  const InetAddress address = free_address();
  make(address, {.bind_to = address});
  ASSERT_TRUE(client->connect());
  ASSERT_TRUE(wait_for("failed 1"));
  EXPECT_EQ(last_error, "connect " + address.to_string() +
                            " (nobody listens, it met itself): Connection refused");
  // And the port is free for whoever wants to listen.
  EXPECT_TRUE(plain_listener(1, address));
}

// Retry.

TEST_F(TcpClientTest, RetriesWithGrowingDelaysUntilSomebodyListens) {
  const InetAddress address = free_address();
  make(address,
       {.retry = {
            .enabled = true, .initial = milliseconds(1), .maximum = milliseconds(8), .jitter = 0}});
  UniqueFd listener;
  when_attempt_failed = [&] {
    if (delays.size() == 6) listener = plain_listener(1, address);
  };
  ASSERT_TRUE(client->connect());
  ASSERT_TRUE(wait_for("open"));
  ASSERT_TRUE(listener);
  std::vector<Duration> expected;
  for (const int ms : {1, 2, 4, 8, 8, 8}) expected.emplace_back(milliseconds(ms));
  EXPECT_EQ(delays, expected);
  EXPECT_EQ(events, (Events{"attempt 1", "attempt 2", "attempt 3", "attempt 4", "attempt 5",
                            "attempt 6", "open"}));
}

TEST_F(TcpClientTest, GivesUpAfterTheLastAttempt) {
  make(free_address(), {.retry = {.enabled = true, .initial = milliseconds(1), .max_attempts = 3}});
  ASSERT_TRUE(client->connect());
  ASSERT_TRUE(wait_for("failed 3"));
  settle();
  EXPECT_EQ(events, (Events{"attempt 1", "attempt 2", "attempt 3", "failed 3"}));
  EXPECT_EQ(delays.size(), 2u);
  // And may begin anew.
  events.clear();
  ASSERT_TRUE(client->connect());
  ASSERT_TRUE(wait_for("failed 3"));
}

TEST_F(TcpClientTest, MayConnectAgainFromItsCallbacks) {
  make(free_address());
  int failures = 0;
  when_failed = [&] {
    if (++failures < 3) {
      EXPECT_TRUE(client->connect());
    }
  };
  ASSERT_TRUE(client->connect());
  ASSERT_TRUE(run_until(*loop, [&] { return failures == 3; }));
}

TEST_F(TcpClientTest, MayConnectAgainFromOnClose) {
  const UniqueFd listener = plain_listener();
  make(bound(listener));
  when_open = [&] { plain_accept(listener).reset(); };
  int closed = 0;
  when_closed = [&] {
    if (++closed == 3) return;
    EXPECT_TRUE(client->connect());
    EXPECT_EQ(client->connect().error().number(), EALREADY);
  };
  ASSERT_TRUE(client->connect());
  ASSERT_TRUE(run_until(*loop, [&] { return closed == 3; }));
  EXPECT_EQ(events, (Events{"open", "close peer_closed", "open", "close peer_closed", "open",
                            "close peer_closed"}));
}

TEST_F(TcpClientTest, ReconnectsWhenTheConnectionEnds) {
  const UniqueFd listener = plain_listener();
  make(bound(listener), {.retry = {.initial = milliseconds(1)}, .reconnect_after_close = true});
  when_open = [&] { plain_accept(listener).reset(); };
  ASSERT_TRUE(client->connect());
  ASSERT_TRUE(wait_for_count("open", 3));
  when_open = {};
  EXPECT_EQ(events[1], "close peer_closed");
  ASSERT_TRUE(wait_for_count("open", 4));
  // disconnect() means it.
  client->disconnect();
  plain_accept(listener).reset();
  ASSERT_TRUE(wait_for("close local_close"));
  settle();
  EXPECT_FALSE(client->is_connecting());
}

TEST_F(TcpClientTest, DisconnectStopsWhateverIsUnderWay) {
  const FullListener full;
  make(full.address());
  ASSERT_TRUE(client->connect());
  settle();
  client->disconnect();
  EXPECT_FALSE(client->is_connecting());
  EXPECT_EQ(loop->timer_count(), 0u);

  make(free_address(), {.retry = {.enabled = true, .initial = hours(1), .maximum = hours(1)}});
  ASSERT_TRUE(client->connect());
  ASSERT_TRUE(wait_for("attempt 1"));
  EXPECT_TRUE(client->is_connecting());
  client->disconnect();
  EXPECT_FALSE(client->is_connecting());
  EXPECT_EQ(loop->timer_count(), 0u);

  when_attempt_failed = [this] { client->disconnect(); };
  ASSERT_TRUE(client->connect());
  ASSERT_TRUE(wait_for_count("attempt 1", 2));
  settle();
  EXPECT_EQ(events, (Events{"attempt 1", "attempt 1"}));
}

// Destruction.

TEST_F(TcpClientTest, DestructionWhileConnectingIsSilent) {
  const FullListener full;
  make(full.address());
  ASSERT_TRUE(client->connect());
  client.reset();
  settle();
  make(full.address());
  ASSERT_TRUE(client->connect());
  settle();
  client.reset();
  settle();
  EXPECT_TRUE(events.empty());
  EXPECT_EQ(loop->timer_count(), 0u);
}

TEST_F(TcpClientTest, DestructionBeforeAnythingAndAfterAnImmediateFailure) {
  make(free_address());
  client.reset();
  make(InetAddress::unix_path("/nonesuch/socket").value());
  ASSERT_TRUE(client->connect());
  client.reset();
  settle();
  EXPECT_TRUE(events.empty());
  EXPECT_EQ(loop->timer_count(), 0u);
}

TEST_F(TcpClientTest, DestructionDuringADelayIsSilent) {
  make(free_address(), {.retry = {.enabled = true, .initial = hours(1), .maximum = hours(1)}});
  ASSERT_TRUE(client->connect());
  ASSERT_TRUE(wait_for("attempt 1"));
  client.reset();
  settle();
  EXPECT_EQ(events, Events{"attempt 1"});
  EXPECT_EQ(loop->timer_count(), 0u);
}

TEST_F(TcpClientTest, DestructionCutsTheConnection) {
  const UniqueFd listener = plain_listener();
  make(bound(listener));
  ASSERT_TRUE(client->connect());
  ASSERT_TRUE(wait_for("open"));
  const UniqueFd server = plain_accept(listener);
  const TcpConnectionPtr kept = client->connection();
  client.reset();
  EXPECT_EQ(events, (Events{"open", "close aborted"}));
  settle();
  EXPECT_EQ(events.size(), 2u);
  EXPECT_EQ(kept->state(), TcpConnection::State::kClosed);
  EXPECT_EQ(kept->send("late").error().number(), EPIPE);
  char byte;
  EXPECT_EQ(::recv(server.get(), &byte, 1, 0), -1);
  EXPECT_EQ(errno, ECONNRESET);
}

TEST_F(TcpClientTest, MayBeDestroyedByAnyOfItsCallbacks) {
  const UniqueFd listener = plain_listener();
  const auto destroy = [this] { client.reset(); };
  const auto run = [&](std::function<void()>& hook, const InetAddress& peer) {
    make(peer, {.retry = {.initial = milliseconds(1)}, .reconnect_after_close = true});
    hook = destroy;
    ASSERT_TRUE(client->connect());
    UniqueFd server;
    if (peer == bound(listener)) {
      server = plain_accept(listener);
      static_cast<void>(::send(server.get(), "x", 1, MSG_NOSIGNAL));
      ::shutdown(server.get(), SHUT_WR);
    }
    ASSERT_TRUE(run_until(*loop, [&] { return !client; }));
    settle();
    hook = {};
  };
  run(when_open, bound(listener));
  run(when_message, bound(listener));
  run(when_closed, bound(listener));
  run(when_attempt_failed, free_address());
  run(when_failed, free_address());
  EXPECT_EQ(events, (Events{"open", "close aborted", "open", "close aborted", "open",
                            "close peer_closed", "attempt 1", "attempt 1", "failed 1"}));
  EXPECT_EQ(loop->timer_count(), 0u);
}

TEST_F(TcpClientTest, OutlivesItsLoop) {
  const UniqueFd listener = plain_listener();
  make(bound(listener), {.reconnect_after_close = true});
  ASSERT_TRUE(client->connect());
  ASSERT_TRUE(wait_for("open"));
  const TcpConnectionPtr kept = client->connection();
  loop.reset();
  EXPECT_EQ(events, (Events{"open", "close loop_ended"}));
  EXPECT_EQ(client->connect().error().number(), ESHUTDOWN);
  client->disconnect();
  client.reset();
  EXPECT_FALSE(kept->send("late"));
}

TEST_F(TcpClientTest, OutlivesItsLoopWhileConnectingOrWaiting) {
  const FullListener full;
  make(full.address());
  ASSERT_TRUE(client->connect());
  TcpClient waiting(*loop, free_address(), {.retry = {.enabled = true, .initial = hours(1)}});
  bool failed = false;
  waiting.on_attempt_failed(
      [&](const Error&, std::size_t, std::optional<Duration>) { failed = true; });
  ASSERT_TRUE(waiting.connect());
  ASSERT_TRUE(run_until(*loop, [&] { return failed; }));
  loop.reset();
  EXPECT_FALSE(client->is_connecting());
  EXPECT_FALSE(waiting.is_connecting());
}

TEST_F(TcpClientTest, MayBeDestroyedWhenItsLoopEnds) {
  const UniqueFd listener = plain_listener();
  make(bound(listener));
  ASSERT_TRUE(client->connect());
  ASSERT_TRUE(wait_for("open"));
  when_closed = [this] { client.reset(); };
  loop.reset();
  EXPECT_FALSE(client);
  EXPECT_EQ(events, (Events{"open", "close loop_ended"}));
}

TEST_F(TcpClientTest, AnExceptionFromOnConnectFailedLeavesItUsable) {
  make(free_address());
  when_failed = [] { throw std::runtime_error("from a callback"); };
  ASSERT_TRUE(client->connect());
  EXPECT_THROW(wait_for("failed 1"), std::runtime_error);
  when_failed = {};
  ASSERT_TRUE(client->connect());
  EXPECT_TRUE(wait_for_count("failed 1", 2));
}

}  // namespace
}  // namespace leat
