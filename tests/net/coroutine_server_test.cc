// TcpServer::serve(): tasks on the connections of a server, beside its callbacks.
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "leat/net/tcp_server.h"
#include "leat/reactor/event_loop_thread_pool.h"
#include "leat/reactor/sleep.h"
#include "leat/reactor/spawn.h"
#include "leat/reactor/with_timeout.h"

#include "support/raw_client.h"
#include "support/server_fixture.h"

namespace leat {
namespace {

using namespace std::chrono_literals;
using testing::pattern;
using testing::RawClient;
using testing::run_on;
using testing::ServerFixture;
using testing::wait_until;

Task<> echo(TcpConnectionPtr c) {
  for (;;) {
    const Result<Chunk> chunk = co_await c->read();
    if (!chunk || chunk->empty()) co_return;
    if (!co_await c->write(chunk->view())) co_return;
  }
}

/// Counts the tasks of a server that are alive, on all its loops.
struct Alive {
  explicit Alive(std::atomic<int>& count_in) : count(count_in) { ++count; }
  ~Alive() { --count; }
  Alive(const Alive&) = delete;
  Alive& operator=(const Alive&) = delete;
  std::atomic<int>& count;
};

class CoroutineServer : public ::testing::TestWithParam<Balance> {};

TEST_P(CoroutineServer, ServesOnEveryLoop) {
  ServerFixture fixture({.loops = 2, .balance = GetParam()});
  std::atomic<int> connections{0};
  std::atomic<int> closed{0};
  fixture.server().on_connection([&](const auto&) { ++connections; });
  fixture.server().on_close([&](const auto&, CloseReason) { ++closed; });
  fixture.server().serve(echo);
  fixture.start();
  std::vector<RawClient> clients;
  for (int i = 0; i < 20; ++i) clients.emplace_back(fixture.address());
  for (RawClient& client : clients) ASSERT_TRUE(client.send(pattern(1000)));
  for (RawClient& client : clients) {
    EXPECT_EQ(client.read(1000), pattern(1000));
    client.finish_writing();
    EXPECT_TRUE(client.sees_end());
  }
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kLocalClose, 20));
  EXPECT_EQ(connections, 20);
  EXPECT_TRUE(wait_until([&] { return closed == 20; }));
}

INSTANTIATE_TEST_SUITE_P(EveryBalance, CoroutineServer,
                         ::testing::Values(Balance::kRoundRobin, Balance::kKernelHash,
                                           Balance::kShared),
                         [](const auto& test) { return std::string(to_string(test.param)); });

TEST(CoroutineServerTest, WhatItWritesBeforeItReturnsArrives) {
  const std::string sent = pattern(3'000'000);
  ServerFixture fixture;
  fixture.server().serve([&](TcpConnectionPtr c) -> Task<> { (co_await c->write(sent)).value(); });
  fixture.start();
  RawClient client(fixture.address());
  EXPECT_EQ(client.read_to_end(), sent);
}

TEST(CoroutineServerTest, AnExceptionCutsThatConnectionOnly) {
  ServerFixture fixture;
  fixture.server().serve([](TcpConnectionPtr c) -> Task<> {
    const Chunk chunk = (co_await c->read_exactly(1)).value();
    if (chunk.view() == "!") throw std::runtime_error("meant");
    co_await echo(c);
  });
  fixture.start();
  RawClient good(fixture.address());
  RawClient bad(fixture.address());
  ASSERT_TRUE(good.send("?"));
  ASSERT_TRUE(bad.send("!"));
  EXPECT_TRUE(bad.sees_reset());
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kCallbackException));
  ASSERT_TRUE(good.send("still there"));
  EXPECT_EQ(good.read(11), "still there");
}

TEST(CoroutineServerTest, ATaskIsCancelledWhenItsConnectionEnds) {
  ServerFixture fixture;
  std::atomic<int> alive{0};
  std::atomic<int> cancelled{0};
  fixture.server().serve([&](TcpConnectionPtr) -> Task<> {
    const Alive here(alive);
    if (!co_await sleep(24h)) ++cancelled;
  });
  fixture.start();
  RawClient client(fixture.address());
  ASSERT_TRUE(wait_until([&] { return alive == 1; }));
  client.reset();
  EXPECT_TRUE(wait_until([&] { return alive == 0; }));
  EXPECT_EQ(cancelled, 1);
}

TEST(CoroutineServerTest, StopLetsTasksAnswerWhatHasCome) {
  ServerFixture fixture({.loops = 1});
  std::atomic<int> working{0};
  fixture.server().serve([&](TcpConnectionPtr c) -> Task<> {
    for (;;) {
      const Result<Chunk> line = co_await c->read_until("\n", 100);
      if (!line || line->empty()) co_return;
      if (line->view() == "slow\n") {
        ++working;
        static_cast<void>(co_await sleep(100ms));
      }
      if (!co_await c->write(line->view())) co_return;
    }
  });
  fixture.start();
  RawClient idle(fixture.address());
  RawClient busy(fixture.address());
  ASSERT_TRUE(idle.send("hello\n"));
  EXPECT_EQ(idle.read(6), "hello\n");
  ASSERT_TRUE(busy.send("slow\nnext\n"));
  ASSERT_TRUE(wait_until([&] { return working == 1; }));
  std::promise<StopReport> stopped;
  fixture.server().stop(20s, [&](const StopReport& report) { stopped.set_value(report); });
  EXPECT_TRUE(idle.sees_end());
  EXPECT_EQ(busy.read_to_end(), "slow\nnext\n");
  idle.close();
  busy.close();
  const StopReport report = stopped.get_future().get();
  EXPECT_EQ(report.drained, 2u);
  EXPECT_EQ(report.cut, 0u);
}

TEST(CoroutineServerTest, StopCutsWhatDoesNotEnd) {
  ServerFixture fixture({.loops = 1});
  std::atomic<int> alive{0};
  fixture.server().serve([&](TcpConnectionPtr) -> Task<> {
    const Alive here(alive);
    static_cast<void>(co_await sleep(24h));
  });
  fixture.start();
  RawClient client(fixture.address());
  ASSERT_TRUE(wait_until([&] { return alive == 1; }));
  std::promise<StopReport> stopped;
  fixture.server().stop(1ms, [&](const StopReport& report) { stopped.set_value(report); });
  EXPECT_EQ(stopped.get_future().get().cut, 1u);
  EXPECT_TRUE(wait_until([&] { return alive == 0; }));
}

TEST(CoroutineServerTest, NothingOfTheTasksRunsAfterTheServer) {
  EventLoopThread thread;
  EventLoop& base = *thread.start().value();
  std::unique_ptr<EventLoopThreadPool> pool;
  std::unique_ptr<TcpServer> server;
  std::atomic<int> alive{0};
  std::atomic<bool> ran{false};
  InetAddress address;
  run_on(base, [&] {
    pool = std::make_unique<EventLoopThreadPool>(base, EventLoopThreadPoolOptions{.count = 2});
    pool->start().value();
    server = std::make_unique<TcpServer>(base, *pool);
    server->serve([&](TcpConnectionPtr) -> Task<> {
      const Alive here(alive);
      // One of those that go on when they are cancelled.
      while (!ran) static_cast<void>(co_await sleep(24h));
    });
    server->listen(InetAddress::loopback(0)).value();
    server->start().value();
    address = server->addresses().front();
  });
  std::vector<RawClient> clients;
  for (int i = 0; i < 10; ++i) clients.emplace_back(address);
  ASSERT_TRUE(wait_until([&] { return alive == 10; }));
  for (int i = 0; i < 5; ++i) clients[static_cast<std::size_t>(i)].reset();
  std::this_thread::yield();
  run_on(base, [&] {
    server.reset();
    EXPECT_EQ(alive, 0);
    ran = true;
  });
  run_on(base, [&] { pool.reset(); });
}

TEST(CoroutineServerTest, CallbacksAndTasksOnOneServer) {
  ServerFixture fixture({.loops = 2});
  // Every other connection is a coroutine's; the others are served by callbacks.
  std::atomic<int> count{0};
  fixture.server().on_connection([&](const TcpConnectionPtr& connection) {
    if (++count % 2 == 0) return;
    connection->keep_for_read();
    spawn(connection->loop(), [](TcpConnectionPtr c) -> Task<> {
      co_await echo(c);
      c->close();
    }(connection));
  });
  fixture.server().on_message(testing::echo);
  fixture.start();
  std::vector<RawClient> clients;
  for (int i = 0; i < 10; ++i) clients.emplace_back(fixture.address());
  for (RawClient& client : clients) {
    ASSERT_TRUE(client.send(pattern(100'000)));
    EXPECT_EQ(client.read(100'000), pattern(100'000));
    client.finish_writing();
    EXPECT_TRUE(client.sees_end());
  }
  EXPECT_EQ(count, 10);
}

TEST(CoroutineServerTest, FromCallbacksToReads) {
  ServerFixture fixture;
  fixture.server().on_message([](const TcpConnectionPtr& connection, ReceiveBuffer& input, auto) {
    // The first line is the callback's, all that follows the task's.
    const std::size_t end = input.view().find('\n');
    if (end == std::string_view::npos) return;
    connection->send(input.take(end + 1));
    connection->keep_for_read();
    spawn(connection->loop(), [](TcpConnectionPtr c) -> Task<> {
      co_await echo(c);
      c->close();
    }(connection));
  });
  fixture.start();
  RawClient client(fixture.address());
  ASSERT_TRUE(client.send("line\nrest of it"));
  EXPECT_EQ(client.read(15), "line\nrest of it");
  ASSERT_TRUE(client.send("more"));
  client.finish_writing();
  EXPECT_EQ(client.read_to_end(), "more");
}

TEST(CoroutineServerTest, ManyConnectionsThatComeAndGo) {
  ServerFixture fixture({.loops = 2});
  std::atomic<int> alive{0};
  fixture.server().serve([&](TcpConnectionPtr c) -> Task<> {
    const Alive here(alive);
    static_cast<void>(co_await with_timeout(20s, echo(c)));
  });
  fixture.start();
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (unsigned i = 0; i < 200; ++i) {
        RawClient client(fixture.address());
        const std::size_t size = (t * 7919 + i * 104'729) % 200'000;
        if (!client.send(pattern(size))) continue;
        if (i % 3 == 0) client.reset();
        if (i % 3 == 1) static_cast<void>(client.read(size / 2));
        if (i % 3 == 2) {
          EXPECT_EQ(client.read(size), pattern(size));
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(wait_until([&] { return alive == 0; }));
  EXPECT_TRUE(wait_until([&] { return fixture.server().connection_count() == 0; }));
}

}  // namespace
}  // namespace leat
