#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <any>
#include <atomic>
#include <chrono>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "leat/net/tcp_connection.h"

#include "support/raw_client.h"
#include "support/server_fixture.h"

namespace leat {
namespace {

using namespace std::chrono_literals;
using testing::pattern;
using testing::RawClient;
using testing::ServerFixture;
using testing::wait_until;

TEST(TcpConnectionEnd, PeerFinishesAndGetsWhatWasQueued) {
  ServerFixture fixture;
  fixture.server().on_message(testing::echo);
  fixture.start();
  RawClient client(fixture.address());
  const std::string sent = pattern(500000);
  std::thread sender([&] {
    client.send(sent);
    client.finish_writing();
  });
  EXPECT_EQ(client.read_to_end(), sent);
  sender.join();
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kPeerClosed));
}

TEST(TcpConnectionEnd, HalfCloseLetsTheServerAnswerLater) {
  ServerFixture fixture;
  std::string request;
  fixture.server().on_message(
      [&](const auto&, ReceiveBuffer& input, Timestamp) { request += input.take_all(); });
  fixture.server().on_half_close([&](const TcpConnectionPtr& connection) {
    EXPECT_TRUE(connection->is_open());
    EXPECT_TRUE(connection->peer_finished());
    connection->loop().run_after(5ms, [connection, &request] {
      EXPECT_TRUE(connection->send("got " + request));
      connection->shutdown();
    });
  });
  fixture.start();
  RawClient client(fixture.address());
  client.send("question");
  client.finish_writing();
  EXPECT_EQ(client.read_to_end(), "got question");
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kPeerClosed));
}

TEST(TcpConnectionEnd, ShutdownKeepsReading) {
  ServerFixture fixture;
  std::atomic<std::size_t> received{0};
  fixture.server().on_connection([](const TcpConnectionPtr& connection) {
    connection->send("bye");
    connection->shutdown();
    EXPECT_FALSE(connection->send("too late"));
  });
  fixture.server().on_message([&](const auto&, ReceiveBuffer& input, Timestamp) {
    received += input.size();
    input.consume_all();
  });
  fixture.start();
  RawClient client(fixture.address());
  EXPECT_EQ(client.read_to_end(), "bye");
  client.send(pattern(100000));
  client.close();
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kLocalClose));
  EXPECT_EQ(received, 100000U);
}

// A close with unread input would make the kernel reset the connection and destroy the answer.
TEST(TcpConnectionEnd, CloseWithUnreadInputStillDeliversTheAnswer) {
  ServerFixture fixture;
  const std::string answer = pattern(300000);
  fixture.server().on_message([&](const TcpConnectionPtr& connection, ReceiveBuffer&, Timestamp) {
    if (!connection->is_open()) return;
    connection->send(std::string(answer));
    connection->close();
  });
  fixture.start();
  RawClient client(fixture.address());
  ASSERT_TRUE(client.send(pattern(3 * 1024 * 1024)));
  EXPECT_EQ(client.read_to_end(), answer);
  client.close();
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kLocalClose));
  EXPECT_GT(fixture.total(&NetCounters::bytes_discarded), 0U);
}

TEST(TcpConnectionEnd, ClosePatienceEnds) {
  TcpServerOptions options;
  options.connection.linger_timeout = 50ms;
  ServerFixture fixture(options);
  fixture.server().on_connection([](const TcpConnectionPtr& connection) { connection->close(); });
  fixture.start();
  RawClient client(fixture.address());
  EXPECT_TRUE(client.sees_end());
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kLingerTimeout));
}

TEST(TcpConnectionEnd, ClosePatienceEndsForOneThatDoesNotRead) {
  TcpServerOptions options;
  options.connection.linger_timeout = 50ms;
  ServerFixture fixture(options);
  fixture.server().on_connection([](const TcpConnectionPtr& connection) {
    connection->send(std::string(30 * 1024 * 1024, 'x'));
    connection->close();
  });
  fixture.start();
  RawClient client(fixture.address());
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kLingerTimeout));
  EXPECT_GT(fixture.total(&NetCounters::bytes_unsent), 0U);
}

TEST(TcpConnectionEnd, AbortResetsAndCallsBackLater) {
  ServerFixture fixture;
  std::atomic<int> closed{0};
  fixture.server().on_close([&](const TcpConnectionPtr& connection, CloseReason reason) {
    EXPECT_EQ(reason, CloseReason::kAborted);
    EXPECT_EQ(connection->close_reason(), CloseReason::kAborted);
    EXPECT_EQ(connection->fd(), -1);
    ++closed;
  });
  fixture.server().on_message(
      [&](const TcpConnectionPtr& connection, ReceiveBuffer& input, Timestamp) {
        connection->abort();
        connection->abort();
        EXPECT_EQ(closed, 0);
        EXPECT_FALSE(connection->is_open());
        // The user may go on looking at his input.
        EXPECT_EQ(input.take_all(), "hello");
      });
  fixture.start();
  RawClient client(fixture.address());
  client.send("hello");
  EXPECT_TRUE(client.sees_reset());
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kAborted));
  EXPECT_EQ(closed, 1);
}

TEST(TcpConnectionEnd, PeersResetIsToldAndClosed) {
  ServerFixture fixture;
  std::atomic<int> errors{0};
  fixture.server().on_error([&](const auto&, const Error& error) {
    EXPECT_EQ(error.number(), ECONNRESET);
    ++errors;
  });
  fixture.start();
  RawClient client(fixture.address());
  client.send("x");
  ASSERT_TRUE(wait_until([&] { return fixture.total(&NetCounters::bytes_received) == 1; }));
  client.reset();
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kReset));
  EXPECT_EQ(errors, 1);
}

TEST(TcpConnectionEnd, IdleTimeout) {
  TcpServerOptions options;
  options.connection.idle_timeout = 400ms;
  ServerFixture fixture(options);
  fixture.server().on_message(testing::echo);
  fixture.start();
  RawClient client(fixture.address());
  for (int i = 0; i < 25; ++i) {
    client.send("x");
    EXPECT_EQ(client.read(1), "x");
    std::this_thread::sleep_for(20ms);
  }
  EXPECT_TRUE(client.sees_reset());
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kIdleTimeout));
}

TEST(TcpConnectionEnd, ReadTimeoutCountsOnlyWhatTheServerListensTo) {
  TcpServerOptions options;
  options.connection.read_timeout = 60ms;
  ServerFixture fixture(options);
  std::atomic<bool> resumed{false};
  fixture.server().on_connection([&](const TcpConnectionPtr& connection) {
    connection->pause_reading();
    connection->loop().run_after(200ms, [&, connection] {
      EXPECT_TRUE(connection->is_open());
      resumed = true;
      connection->resume_reading();
    });
  });
  fixture.start();
  RawClient client(fixture.address());
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kReadTimeout));
  EXPECT_TRUE(resumed);
}

TEST(TcpConnectionEnd, WriteTimeout) {
  TcpServerOptions options;
  options.connection.write_timeout = 60ms;
  ServerFixture fixture(options);
  fixture.server().on_connection([](const TcpConnectionPtr& connection) {
    connection->send(std::string(30 * 1024 * 1024, 'x'));
  });
  fixture.start();
  RawClient client(fixture.address());
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kWriteTimeout));
}

// Takes a little at a time, more slowly than the kernel's queue would show within the limit.
TEST(TcpConnectionEnd, APeerThatTakesSlowlyIsNotCut) {
  TcpServerOptions options;
  options.connection.write_timeout = 600ms;
  options.connection.linger_timeout = 600ms;
  options.connection.idle_timeout = 600ms;
  options.connection.kernel_send_buffer = 1024 * 1024;
  ServerFixture fixture(options);
  const std::string sent = pattern(1'500'000);
  fixture.server().on_connection([&](const TcpConnectionPtr& connection) {
    connection->send(std::string_view(sent));
    connection->close();
  });
  fixture.start();
  RawClient client(fixture.address(), 32 * 1024);
  std::string received;
  const auto begin = std::chrono::steady_clock::now();
  while (received.size() < sent.size()) {
    const std::string piece =
        client.read(std::min<std::size_t>(20'000, sent.size() - received.size()));
    if (piece.empty()) break;
    received += piece;
    std::this_thread::sleep_for(40ms);
  }
  EXPECT_TRUE(received == sent) << received.size();
  EXPECT_GT(std::chrono::steady_clock::now() - begin, 2s) << "several limits long";
  client.close();
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kLocalClose));
}

TEST(TcpConnectionEnd, WriteTimeoutDoesNotCountWhatWasNotTried) {
  ServerFixture fixture;
  TcpConnectionPtr quiet;
  std::atomic<bool> has_quiet{false};
  fixture.server().on_connection([&](const TcpConnectionPtr& connection) {
    if (!quiet) quiet = connection;
    has_quiet = true;
  });
  fixture.server().on_message([&](const TcpConnectionPtr&, ReceiveBuffer& input, Timestamp) {
    input.consume_all();
    // Its last output was long ago; its limit is due before this iteration writes.
    quiet->send("x");
    quiet->set_write_timeout(50ms);
  });
  fixture.start();
  RawClient first(fixture.address());
  ASSERT_TRUE(wait_until([&] { return has_quiet.load(); }));
  RawClient other(fixture.address());
  std::this_thread::sleep_for(100ms);
  other.send("go");
  EXPECT_EQ(first.read(1), "x");
  EXPECT_FALSE(first.readable_within(30ms)) << "it was cut";
  testing::run_on(fixture.base(), [&] { quiet.reset(); });
}

TEST(TcpConnectionEnd, LimitsCanBeSetWhileOpen) {
  ServerFixture fixture;
  fixture.server().on_message(
      [](const TcpConnectionPtr& connection, ReceiveBuffer& input, Timestamp) {
        input.consume_all();
        connection->set_read_timeout(1h);
        connection->set_write_timeout(1h);
        connection->set_idle_timeout(40ms);
      });
  fixture.start();
  RawClient client(fixture.address());
  client.send("x");
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kIdleTimeout));
}

TEST(TcpConnectionEnd, AnExceptionEndsItsConnectionOnly) {
  std::atomic<int> closed{0};  // Outlives the fixture, which closes the last connections.
  ServerFixture fixture;
  const auto throw_on = [](char wanted) {
    return [wanted](const TcpConnectionPtr& connection) {
      if (std::any_cast<char>(connection->context()) == wanted) throw std::runtime_error("oops");
    };
  };
  fixture.server().on_connection([](const auto& connection) { connection->set_context('?'); });
  fixture.server().on_message(
      [](const TcpConnectionPtr& connection, ReceiveBuffer& input, Timestamp) {
        connection->set_context(input.view().front());
        if (input.view().front() == 'm') throw 42;
        connection->send(input.take_all());
      });
  fixture.server().on_write_complete(throw_on('w'));
  fixture.server().on_half_close(throw_on('h'));
  fixture.server().on_close([&](const auto& connection, CloseReason) {
    ++closed;
    throw_on('c')(connection);
  });
  fixture.start();
  RawClient witness(fixture.address());
  std::uint64_t expected = 0;
  for (const std::string_view kind : {"m", "w", "h"}) {
    RawClient client(fixture.address());
    client.send(kind);
    if (kind == "h") client.finish_writing();
    EXPECT_TRUE(fixture.wait_closed(CloseReason::kCallbackException, ++expected)) << kind;
  }
  RawClient client(fixture.address());
  client.send("c");
  EXPECT_EQ(client.read(1), "c");
  client.reset();
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kReset));
  EXPECT_EQ(closed, 4);
  EXPECT_TRUE(witness.send("still here"));
  EXPECT_EQ(witness.read(10), "still here");
}

TEST(TcpConnectionEnd, AnExceptionFromOnConnectionEndsIt) {
  ServerFixture fixture;
  fixture.server().on_connection([](const auto&) { throw std::bad_alloc(); });
  fixture.start();
  RawClient client(fixture.address());
  EXPECT_TRUE(client.sees_reset());
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kCallbackException));
}

TEST(TcpConnectionEnd, CallbacksComeInOrderAndCloseOnce) {
  ServerFixture fixture;
  std::mutex mutex;
  std::vector<std::string> told;
  const auto tell = [&](std::string what) {
    const std::lock_guard lock(mutex);
    told.push_back(std::move(what));
  };
  auto& server = fixture.server();
  server.on_connection([&](const auto&) { tell("connection"); });
  server.on_message([&](const TcpConnectionPtr& connection, ReceiveBuffer& input, Timestamp time) {
    EXPECT_LT(Timestamp::now() - time, 20s);
    tell("message " + input.take_all());
    connection->send("answer");
  });
  server.on_write_complete([&](const auto&) { tell("write complete"); });
  server.on_half_close([&](const TcpConnectionPtr& connection) {
    tell("half close");
    connection->close();
    connection->close();
  });
  server.on_close(
      [&](const auto&, CloseReason reason) { tell("close " + std::string(to_string(reason))); });
  fixture.start();
  RawClient client(fixture.address());
  client.send("hi");
  EXPECT_EQ(client.read(6), "answer");
  client.finish_writing();
  EXPECT_EQ(client.read_to_end(), "");
  fixture.destroy();
  EXPECT_EQ(told, (std::vector<std::string>{"connection", "message hi", "write complete",
                                            "half close", "close local_close"}));
}

TEST(TcpConnectionEnd, ContextIsDestroyedWithTheConnectionThoughItHoldsIt) {
  ServerFixture fixture;
  const auto token = std::make_shared<int>(0);
  fixture.server().on_connection([&](const TcpConnectionPtr& connection) {
    connection->set_context(std::pair{connection, token});
  });
  fixture.server().on_message([](const TcpConnectionPtr& connection, ReceiveBuffer&, Timestamp) {
    using Context = std::pair<TcpConnectionPtr, std::shared_ptr<int>>;
    EXPECT_EQ(connection->context_as<Context>().first, connection);
  });
  fixture.start();
  RawClient client(fixture.address());
  client.send("x");
  ASSERT_TRUE(wait_until([&] { return fixture.total(&NetCounters::bytes_received) == 1; }));
  EXPECT_GT(token.use_count(), 1);
  client.close();
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kPeerClosed));
  EXPECT_TRUE(wait_until([&] { return token.use_count() == 1; }));
}

TEST(TcpConnectionEnd, QueriesAnswer) {
  ServerFixture fixture;
  std::atomic<bool> asked{false};
  fixture.server().on_message(
      [&](const TcpConnectionPtr& connection, ReceiveBuffer& input, Timestamp) {
        connection->send(input.take_all());
        EXPECT_EQ(connection->local()->to_string(), fixture.address().to_string());
        EXPECT_TRUE(connection->peer().is_loopback());
        EXPECT_EQ(connection->bytes_received(), 4U);
        EXPECT_NE(connection->id(), 0U);
        int on = 0;
        socklen_t size = sizeof on;
        ::getsockopt(connection->fd(), IPPROTO_TCP, TCP_NODELAY, &on, &size);
        EXPECT_NE(on, 0);
        EXPECT_TRUE(connection->set_no_delay(false));
        ::getsockopt(connection->fd(), IPPROTO_TCP, TCP_NODELAY, &on, &size);
        EXPECT_EQ(on, 0);
        asked = true;
      });
  fixture.start();
  RawClient client(fixture.address());
  client.send("ping");
  EXPECT_EQ(client.read(4), "ping");
  EXPECT_TRUE(asked);
}

}  // namespace
}  // namespace leat
