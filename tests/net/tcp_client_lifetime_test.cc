// A TcpClient may be destroyed at any moment, and may outlive its loop.

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

#include "leat/net/tcp_client.h"
#include "leat/net/tcp_connection.h"
#include "leat/reactor/event_loop.h"

#include "support/raw_sockets.h"
#include "support/tcp_client_fixture.h"

namespace leat {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using testing::bound;
using testing::Events;
using testing::free_address;
using testing::FullListener;
using testing::plain_accept;
using testing::plain_listener;
using testing::run_until;
using testing::TcpClientTest;

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
