// Reading, writing, accepting and connecting in coroutines.
#include <cerrno>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "leat/reactor/when_all.h"
#include "leat/reactor/with_timeout.h"

#include "support/coroutine_fixture.h"
#include "support/raw_client.h"

namespace leat {
namespace {

using namespace std::chrono_literals;
using testing::CoroutineTest;
using testing::pattern;

Task<std::string> read_to_end(TcpConnectionPtr connection) {
  std::string all;
  for (;;) {
    const Chunk chunk = (co_await connection->read()).value();
    if (chunk.empty()) co_return all;
    all += chunk.view();
  }
}

Task<> nothing_more(TcpConnectionPtr) {
  co_return;
}

TEST_F(CoroutineTest, AnEcho) {
  const std::string sent = pattern(300'000);
  std::string received;
  talk(
      [](TcpConnectionPtr c) -> Task<> {
        for (;;) {
          const Chunk chunk = (co_await c->read()).value();
          if (chunk.empty()) break;
          (co_await c->write(chunk.view())).value();
        }
        EXPECT_TRUE(c->peer_finished());
      },
      [&](TcpConnectionPtr c) -> Task<> {
        (co_await c->write(sent)).value();
        (co_await c->drained()).value();
        EXPECT_EQ(c->queued_bytes(), 0u);
        c->shutdown();
        received = co_await read_to_end(c);
        // The end is there for ever.
        EXPECT_TRUE((co_await c->read()).value().empty());
      });
  EXPECT_EQ(received, sent);
}

TEST_F(CoroutineTest, WhatCameBeforeTheReadIsKept) {
  const std::string sent = pattern(200'000);
  std::string received;
  talk(
      [&](TcpConnectionPtr c) -> Task<> {
        // Input and its end have come long ago.
        while (c->bytes_received() < sent.size() || !c->peer_finished()) {
          static_cast<void>(co_await yield());
        }
        received = co_await read_to_end(c);
      },
      [&](TcpConnectionPtr c) -> Task<> {
        (co_await c->write(std::string(sent))).value();
        c->shutdown();
        EXPECT_EQ(co_await read_to_end(c), "");
      });
  EXPECT_EQ(received, sent);
}

TEST_F(CoroutineTest, UnreadInputIsKeptThoughBothSidesHaveFinished) {
  talk(
      [&](TcpConnectionPtr c) -> Task<> {
        c->shutdown();
        while (!c->peer_finished()) static_cast<void>(co_await yield());
        for (int i = 0; i < 3; ++i) static_cast<void>(co_await yield());
        EXPECT_EQ(co_await read_to_end(c), "late");
        // Now nothing is left of it.
        while (c->state() != TcpConnection::State::kClosed) static_cast<void>(co_await yield());
        EXPECT_EQ(c->close_reason(), CloseReason::kPeerClosed);
      },
      [&](TcpConnectionPtr c) -> Task<> {
        EXPECT_EQ(co_await read_to_end(c), "");
        (co_await c->write("late")).value();
        c->shutdown();
      });
}

TEST_F(CoroutineTest, ReadsOfACountAndUpToADelimiter) {
  talk(
      [&](TcpConnectionPtr c) -> Task<> {
        EXPECT_EQ((co_await c->read_exactly(3)).value().view(), "abc");
        EXPECT_EQ((co_await c->read_until("\r\n", 100)).value().view(), "line\r\n");
        EXPECT_EQ((co_await c->read_until("\r\n", 4)).error().number(), EMSGSIZE);
        EXPECT_EQ((co_await c->read_until("\r\n", 100)).value().view(), "again\r\n");
        EXPECT_EQ((co_await c->read_exactly(2'000'000)).error().number(), EMSGSIZE);
        EXPECT_EQ((co_await c->read_exactly(0)).value().view(), "");
        // The peer finishes before.
        EXPECT_EQ((co_await c->read_until("\r\n", 100)).value().view(), "re");
        EXPECT_EQ((co_await c->read_exactly(3)).value().view(), "");
      },
      [&](TcpConnectionPtr c) -> Task<> {
        // In pieces that cut everything.
        for (const char byte : std::string_view("abcline\r\nagain\r\nre")) {
          (co_await c->write(std::string_view(&byte, 1))).value();
          static_cast<void>(co_await yield());
        }
      });
}

TEST_F(CoroutineTest, AChunkLivesOnItsOwn) {
  std::vector<Chunk> kept;
  const std::string sent = pattern(100'000);
  talk(
      [&](TcpConnectionPtr c) -> Task<> {
        for (const std::size_t size : {1u, 5'000u, 20'000u}) {
          kept.push_back((co_await c->read_exactly(size)).value());
        }
        for (Result<Chunk> chunk = co_await c->read(); !chunk->empty();
             chunk = co_await c->read()) {
          kept.push_back(std::move(*chunk));
        }
      },
      [&](TcpConnectionPtr c) -> Task<> { (co_await c->write(sent)).value(); });
  std::string received;
  for (Chunk& chunk : kept) {
    Chunk moved = std::move(chunk);
    EXPECT_TRUE(chunk.empty());
    received += moved.view();
  }
  EXPECT_EQ(received, sent);
  kept.clear();
}

TEST_F(CoroutineTest, AChunkMayOutliveItsLoop) {
  Chunk kept;
  talk([&](TcpConnectionPtr c) -> Task<> { kept = (co_await c->read_exactly(5000)).value(); },
       [&](TcpConnectionPtr c) -> Task<> { (co_await c->write(pattern(5000))).value(); });
  owned_loop.reset();
  EXPECT_EQ(kept.view(), pattern(5000));
}

TEST_F(CoroutineTest, WhoKeepsChunksSlowsThePeerDown) {
  constexpr std::size_t kLimit = 128 * 1024;
  constexpr std::size_t kSent = 2 * 1024 * 1024;
  TcpListenerOptions options;
  options.connection.receive_limit = kLimit;
  ConnectOptions from;
  from.connection.kernel_send_buffer = 32 * 1024;
  TcpConnectionPtr reader;
  talk(
      [&](TcpConnectionPtr c) -> Task<> {
        reader = c;
        std::vector<Chunk> kept;
        std::size_t bytes = 0;
        // Nobody destroys one while this waits: it stands still at the limit.
        for (;;) {
          const auto read_one = [&]() -> Task<Result<Chunk>> { co_return co_await c->read(); };
          Result<Chunk> chunk = co_await with_timeout(200ms, read_one());
          if (!chunk) {
            EXPECT_EQ(chunk.error().number(), ETIMEDOUT);
            break;
          }
          bytes += chunk->size();
          kept.push_back(std::move(*chunk));
        }
        EXPECT_GE(bytes, kLimit);
        EXPECT_LE(bytes, kLimit + 64 * 1024);
        EXPECT_LE(c->bytes_received(), kLimit + 64 * 1024);
        kept.clear();
        EXPECT_EQ((co_await read_to_end(c)).size() + bytes, kSent);
      },
      [&](TcpConnectionPtr c) -> Task<> {
        const std::string piece(64 * 1024, 'x');
        for (std::size_t sent = 0; sent < kSent; sent += piece.size()) {
          (co_await c->write(piece)).value();
          EXPECT_LE(c->queued_bytes(), 1024u * 1024 + piece.size());
        }
      },
      options, from);
}

TEST_F(CoroutineTest, OneChunkMayBeKeptWhileTheNextIsRead) {
  const std::string sent = pattern(1'000'000);
  for (const std::size_t limit : {1u, 100u, 20'000u, 64u * 1024}) {
    SCOPED_TRACE(limit);
    TcpListenerOptions options;
    options.connection.receive_limit = limit;
    const std::size_t count = std::min(sent.size(), 1000 * limit);
    talk(
        [&](TcpConnectionPtr c) -> Task<> {
          std::size_t received = 0;
          Result<Chunk> chunk = co_await c->read();
          while (!chunk->empty()) {
            EXPECT_LE(chunk->size(), std::max<std::size_t>(limit / 2, 1));
            received += chunk->size();
            if (limit == 1) chunk = Chunk();
            chunk = co_await c->read();
          }
          EXPECT_EQ(received, count);
        },
        [&](TcpConnectionPtr c) -> Task<> {
          (co_await c->write(std::string_view(sent).substr(0, count))).value();
        },
        options);
  }
}

TEST_F(CoroutineTest, AWriteWaitsForASlowPeer) {
  ConnectOptions from;
  from.connection.kernel_send_buffer = 32 * 1024;
  from.connection.high_water_mark = 64 * 1024;
  from.connection.low_water_mark = 16 * 1024;
  TcpListenerOptions options;
  bool read_on = false;
  bool written = false;
  talk(
      [&](TcpConnectionPtr c) -> Task<> {
        c->pause_reading();
        while (!read_on) static_cast<void>(co_await yield());
        EXPECT_FALSE(written);
        c->resume_reading();
        EXPECT_EQ((co_await read_to_end(c)).size(), 1'000'000u);
        EXPECT_TRUE(written);
      },
      [&](TcpConnectionPtr c) -> Task<> {
        const auto let_go = [&]() -> Task<> {
          for (int i = 0; i < 50; ++i) static_cast<void>(co_await yield());
          read_on = true;
        };
        const auto write = [&]() -> Task<> {
          (co_await c->write(std::string(1'000'000, 'x'))).value();
          EXPECT_LE(c->queued_bytes(), 16u * 1024);
          written = true;
        };
        co_await when_all(write(), let_go());
        (co_await c->drained()).value();
        EXPECT_EQ(c->queued_bytes(), 0u);
      },
      options, from);
}

TEST_F(CoroutineTest, AResetEndsReadsAndWrites) {
  int read_error = 0;
  int write_error = 0;
  talk(
      [&](TcpConnectionPtr c) -> Task<> {
        const auto read = [&]() -> Task<> { read_error = (co_await c->read()).error().number(); };
        const auto write = [&]() -> Task<> {
          write_error = (co_await c->write(std::string(16'000'000, 'x'))).error().number();
        };
        co_await when_all(read(), write());
        EXPECT_EQ((co_await c->read()).error().number(), ECONNRESET);
        EXPECT_EQ((co_await c->write("x")).error().number(), EPIPE);
        EXPECT_EQ(c->close_reason(), CloseReason::kReset);
      },
      [](TcpConnectionPtr c) -> Task<> {
        c->pause_reading();
        static_cast<void>(co_await yield());
        c->abort();
      });
  EXPECT_EQ(read_error, ECONNRESET);
  EXPECT_EQ(write_error, ECONNRESET);
}

TEST_F(CoroutineTest, ClosingHereEndsAReadThatWaits) {
  talk(
      [&](TcpConnectionPtr c) -> Task<> {
        const auto read = [](TcpConnectionPtr reader) -> Task<> {
          EXPECT_EQ((co_await reader->read()).error().number(), ENOTCONN);
        };
        const auto close = [](TcpConnectionPtr closer) -> Task<> {
          closer->close();
          co_return;
        };
        co_await when_all(read(c), close(c));
      },
      [](TcpConnectionPtr c) -> Task<> { EXPECT_EQ(co_await read_to_end(c), ""); });
}

TEST_F(CoroutineTest, OneReadAtATime) {
  talk(
      [&](TcpConnectionPtr c) -> Task<> {
        const auto read = [&]() -> Task<int> {
          const Result<Chunk> chunk = co_await c->read();
          co_return chunk ? 0 : chunk.error().number();
        };
        const auto [first, second] = co_await when_all(read(), read());
        EXPECT_EQ(first, 0);
        EXPECT_EQ(second, EBUSY);
      },
      nothing_more);
}

TEST_F(CoroutineTest, AConnectionThatNobodyHoldsIsClosed) {
  talk([](TcpConnectionPtr c) -> Task<> { EXPECT_EQ(co_await read_to_end(c), "all of it"); },
       [](TcpConnectionPtr c) -> Task<> {
         c->send("all of it");
         co_return;
       });
}

TEST_F(CoroutineTest, AReadLimitEndsARead) {
  TcpListenerOptions options;
  options.connection.read_timeout = 1ms;
  talk(
      [&](TcpConnectionPtr c) -> Task<> {
        EXPECT_EQ((co_await c->read()).error().number(), ETIMEDOUT);
        EXPECT_EQ(c->close_reason(), CloseReason::kReadTimeout);
      },
      [](TcpConnectionPtr c) -> Task<> {
        EXPECT_EQ((co_await c->read()).error().number(), ECONNRESET);
      },
      options);
}

// Connecting and accepting.

TEST_F(CoroutineTest, ConnectTellsWhyItFailed) {
  InetAddress nobody;
  {
    const auto listener = TcpListener::listen(loop, InetAddress::loopback(0)).value();
    nobody = listener->address().value();
  }
  run_task([&]() -> Task<> {
    EXPECT_EQ((co_await connect(nobody)).error().number(), ECONNREFUSED);
    EXPECT_EQ((co_await connect(nobody, {.timeout = 1s})).error().number(), ECONNREFUSED);
  });
}

TEST_F(CoroutineTest, ListenTellsWhyItFailed) {
  const auto listener = TcpListener::listen(loop, InetAddress::loopback(0)).value();
  const auto second = TcpListener::listen(loop, listener->address().value());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().number(), EADDRINUSE);
}

TEST_F(CoroutineTest, AListenerThatIsDestroyedLetsItsWaitersGo) {
  auto listener = TcpListener::listen(loop, InetAddress::loopback(0)).value();
  const auto accept = [&]() -> Task<> {
    EXPECT_EQ((co_await listener->accept()).error().number(), ECANCELED);
  };
  TaskHandle first = spawn(loop, accept());
  TaskHandle second = spawn(loop, accept());
  iterate();
  listener.reset();
  iterate_until_done(first);
  iterate_until_done(second);
}

TEST_F(CoroutineTest, ATaskMayDestroyTheListenerThatWokeIt) {
  auto listener = TcpListener::listen(loop, InetAddress::loopback(0)).value();
  const InetAddress address = listener->address().value();
  run_task([&]() -> Task<> {
    const auto accept_one = [&]() -> Task<> {
      const TcpConnectionPtr connection = (co_await listener->accept()).value();
      listener.reset();
    };
    const auto come = [&]() -> Task<> {
      const TcpConnectionPtr connection = (co_await connect(address)).value();
      EXPECT_EQ(co_await read_to_end(connection), "");
    };
    co_await when_all(accept_one(), come());
  });
}

TEST_F(CoroutineTest, MoreConnectionsThanABatchWaitTheirTurn) {
  constexpr int kClients = 50;
  const auto listener = TcpListener::listen(loop, InetAddress::loopback(0), {.batch = 4}).value();
  const InetAddress address = listener->address().value();
  run_task([&]() -> Task<> {
    std::vector<Task<TcpConnectionPtr>> coming;
    for (int i = 0; i < kClients; ++i) {
      coming.push_back([](InetAddress to) -> Task<TcpConnectionPtr> {
        co_return (co_await connect(to)).value();
      }(address));
    }
    const std::vector<TcpConnectionPtr> clients = co_await when_all(std::move(coming));
    for (int i = 0; i < 10; ++i) static_cast<void>(co_await yield());
    std::vector<TcpConnectionPtr> accepted;
    for (int i = 0; i < kClients; ++i) {
      accepted.push_back((co_await listener->accept()).value());
    }
    EXPECT_EQ(listener->counters().open.load(), static_cast<std::uint64_t>(kClients));
  });
}

}  // namespace
}  // namespace leat
