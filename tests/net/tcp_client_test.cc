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

#include "leat/net/internal/socket_ops.h"
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
  // And the port is free for whoever wants to listen: no TIME_WAIT is left.
  EXPECT_TRUE(internal::open_listener(address, {.reuse_address = false}));
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
  EXPECT_EQ(events.back(), "close local_close");
  EXPECT_EQ(std::count(events.begin(), events.end(), "open"), 4);
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

}  // namespace
}  // namespace leat
