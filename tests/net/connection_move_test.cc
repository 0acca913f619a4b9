// TcpConnection::move_to(): what goes along, what is refused, what is told.

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "leat/net/tcp_server.h"
#include "leat/reactor/event_loop_thread_pool.h"
#include "leat/reactor/task.h"

#include "support/moving.h"
#include "support/raw_client.h"
#include "support/server_fixture.h"

namespace leat {
namespace {

using namespace std::chrono_literals;
using testing::Mover;
using testing::pattern;
using testing::RawClient;
using testing::run_on;
using testing::ServerFixture;
using testing::wait_until;

/// The one connection of a server, caught when it opens.
class MoveTest : public ::testing::Test {
 protected:
  void start(TcpServerOptions options = {}) {
    options.loops = 2;
    options.balance = Balance::kRoundRobin;
    fixture_.emplace(std::move(options));
    fixture_->server().on_connection([this](const TcpConnectionPtr& connection) {
      connection_ = connection;
      opened_ = true;
    });
    if (!own_message_) fixture_->server().on_message(testing::echo);
    fixture_->server().on_close([this](const TcpConnectionPtr& connection, CloseReason reason) {
      reason_ = reason;
      closed_on_ = &connection->loop();
      ++closed_;
    });
    if (own_message_) fixture_->server().on_message(own_message_);
    fixture_->start();
    client_.emplace(fixture_->address());
    ASSERT_TRUE(wait_until([this] { return opened_.load(); }));
  }
  void TearDown() override {
    connection_.reset();
    fixture_.reset();
  }

  EventLoop& from() { return *fixture_->server().loops()[0]; }
  EventLoop& to() { return *fixture_->server().loops()[1]; }
  /// The error number of move_to() called on the connection's loop; 0 for none.
  int move_from_here(EventLoop& target) {
    int number = 0;
    run_on(connection_->loop(), [&] {
      const Result<void> begun = connection_->move_to(target);
      if (!begun) number = begun.error().number();
    });
    return number;
  }
  /// Moves, and waits until it has landed.
  void move(EventLoop& target) {
    std::atomic<bool> done{false};
    run_on(connection_->loop(), [&] {
      ASSERT_TRUE(connection_->move_to(target, [&](const auto&, const Result<void>& result) {
        EXPECT_TRUE(result);
        EXPECT_TRUE(target.is_in_loop_thread());
        done = true;
      }));
    });
    ASSERT_TRUE(wait_until([&] { return done.load(); }));
  }
  std::uint64_t counted(std::size_t loop, Counter NetCounters::* counter) {
    return (fixture_->server().counters()[loop]->*counter).load();
  }

  decltype(ConnectionCallbacks::on_message) own_message_;
  std::optional<ServerFixture> fixture_;
  std::optional<RawClient> client_;
  TcpConnectionPtr connection_;
  std::atomic<bool> opened_{false};
  std::atomic<int> closed_{0};
  std::atomic<CloseReason> reason_{CloseReason::kNone};
  std::atomic<EventLoop*> closed_on_{nullptr};
};

TEST_F(MoveTest, CallbacksRunOnTheNewLoop) {
  std::atomic<EventLoop*> seen{nullptr};
  own_message_ = [&](const TcpConnectionPtr& connection, ReceiveBuffer& input, Timestamp now) {
    connection->loop().assert_in_loop_thread();
    seen = &connection->loop();
    testing::echo(connection, input, now);
  };
  start();
  for (EventLoop* loop : {&to(), &from(), &to()}) {
    move(*loop);
    EXPECT_TRUE(client_->send("hello"));
    EXPECT_EQ(client_->read(5), "hello");
    EXPECT_EQ(seen, loop);
  }
  EXPECT_EQ(counted(0, &NetCounters::open), 0u);
  EXPECT_EQ(counted(1, &NetCounters::open), 1u);
  EXPECT_EQ(counted(0, &NetCounters::moved_out), 2u);
  EXPECT_EQ(counted(1, &NetCounters::moved_in), 2u);
  TcpConnectionPtr found;
  run_on(to(), [&] { found = fixture_->server().find_connection(connection_->id()); });
  EXPECT_EQ(found, connection_);
  client_->close();
  EXPECT_TRUE(wait_until([&] { return closed_ == 1; }));
  EXPECT_EQ(closed_on_, &to());
  EXPECT_EQ(fixture_->server().connection_count(), 0u);
}

TEST_F(MoveTest, ToItsOwnLoopIsDoneAtOnce) {
  start();
  move(from());
  EXPECT_EQ(counted(0, &NetCounters::moved_out), 0u);
  EXPECT_TRUE(client_->send("x"));
  EXPECT_EQ(client_->read(1), "x");
}

TEST_F(MoveTest, LimitsMoveAlong) {
  start();
  run_on(from(), [&] { connection_->set_idle_timeout(100ms); });
  move(to());
  EXPECT_TRUE(wait_until([&] { return closed_ == 1; }));
  EXPECT_EQ(reason_, CloseReason::kIdleTimeout);
  EXPECT_EQ(closed_on_, &to());
}

TEST_F(MoveTest, TheContextMovesAlong) {
  start();
  run_on(from(), [&] { connection_->set_context(std::string("mine")); });
  move(to());
  run_on(to(), [&] { EXPECT_EQ(connection_->context_as<std::string>(), "mine"); });
}

TEST_F(MoveTest, OutputThatWaitsMovesAlong) {
  start();
  // More than the kernel takes: blocks of the old loop's pool, a string and a shared piece wait.
  const std::string bytes = pattern(8 << 20);
  const auto shared = std::make_shared<const std::string>(pattern(100'000, 3));
  run_on(from(), [&] {
    EXPECT_TRUE(connection_->send(std::string(bytes)));
    for (int i = 0; i < 100; ++i)
      EXPECT_TRUE(connection_->send(std::string_view(bytes).substr(0, 999)));
    EXPECT_TRUE(connection_->send(shared, *shared));
  });
  move(to());
  EXPECT_TRUE(connection_->send("end"));
  EXPECT_TRUE(client_->read(bytes.size()) == bytes);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(client_->read(999), bytes.substr(0, 999));
  EXPECT_EQ(client_->read(shared->size()), *shared);
  EXPECT_EQ(client_->read(3), "end");
}

TEST_F(MoveTest, InputThatWaitsMovesAlong) {
  start();
  run_on(from(), [&] { connection_->pause_reading(); });
  const std::string bytes = pattern(300'000);
  std::thread sender([&] { EXPECT_TRUE(client_->send(bytes)); });
  std::this_thread::sleep_for(20ms);
  move(to());
  run_on(to(), [&] { connection_->resume_reading(); });
  EXPECT_TRUE(client_->read(bytes.size()) == bytes);
  sender.join();
}

TEST_F(MoveTest, ThePeersEndIsFoundOnTheNewLoop) {
  start();
  run_on(from(), [&] { connection_->pause_reading(); });
  EXPECT_TRUE(client_->send("last"));
  client_->finish_writing();
  std::this_thread::sleep_for(10ms);
  move(to());
  EXPECT_EQ(closed_, 0);
  run_on(to(), [&] { connection_->resume_reading(); });
  EXPECT_EQ(client_->read_to_end(), "last");
  EXPECT_TRUE(wait_until([&] { return closed_ == 1; }));
  EXPECT_EQ(reason_, CloseReason::kPeerClosed);
}

TEST_F(MoveTest, ACloseOfAnotherThreadFindsItWhereverItIs) {
  start();
  Mover mover(fixture_->server());
  run_on(from(), [&] { mover.start(connection_); });
  EXPECT_TRUE(wait_until([&] { return mover.moves() > 20; }));
  EXPECT_TRUE(connection_->send("bye"));
  connection_->close();
  EXPECT_EQ(client_->read_to_end(), "bye");
  client_->close();
  EXPECT_TRUE(wait_until([&] { return closed_ == 1; }));
  EXPECT_EQ(reason_, CloseReason::kLocalClose);
}

TEST_F(MoveTest, WhatCannotMoveIsRefused) {
  start();
  EventLoopThread other;
  EXPECT_EQ(move_from_here(*other.start().value()), EINVAL);
  run_on(from(), [&] {
    EXPECT_TRUE(connection_->move_to(to()));
    EXPECT_EQ(connection_->move_to(to()).error().number(), EALREADY);
  });
  EXPECT_TRUE(wait_until([&] { return counted(1, &NetCounters::open) == 1; }));
  run_on(to(), [&] {
    connection_->close();
    EXPECT_EQ(connection_->move_to(from()).error().number(), EPIPE);
  });
}

TEST_F(MoveTest, AConnectionOfCoroutinesStays) {
  start();
  run_on(from(), [&] { connection_->keep_for_read(); });
  EXPECT_EQ(move_from_here(to()), ENOTSUP);
}

TEST_F(MoveTest, AStoppingServerWaitsForWhatIsOnItsWay) {
  start();
  Mover mover(fixture_->server());
  run_on(from(), [&] { mover.start(connection_); });
  EXPECT_TRUE(wait_until([&] { return mover.moves() > 20; }));
  std::atomic<bool> stopped{false};
  fixture_->server().stop(20s, [&](const StopReport& report) {
    EXPECT_EQ(report.drained, 1u);
    stopped = true;
  });
  EXPECT_TRUE(client_->sees_end());
  client_->close();
  EXPECT_TRUE(wait_until([&] { return stopped.load(); }));
  EXPECT_EQ(closed_, 1);
}

TEST(MoveBetweenPollers, InputAndOutputGoBothWays) {
  // Each loop takes its poller from the environment as it is when the loop is made.
  const char* before = std::getenv("LEAT_POLLER");
  const std::string restored = before == nullptr ? "" : before;
  EventLoopThread thread;
  EventLoop* base = thread.start().value();
  std::unique_ptr<EventLoopThreadPool> pool;
  std::unique_ptr<TcpServer> server;
  ::setenv("LEAT_POLLER", "epoll", 1);
  Result<void> started;
  run_on(*base, [&] {
    pool = std::make_unique<EventLoopThreadPool>(
        *base, EventLoopThreadPoolOptions{.count = 2, .on_start = [](EventLoop&) {
                                            ::setenv("LEAT_POLLER", "uring", 1);
                                          }});
    started = pool->start();
  });
  restored.empty() ? ::unsetenv("LEAT_POLLER") : ::setenv("LEAT_POLLER", restored.c_str(), 1);
  if (started) {
    EXPECT_NE(pool->loops()[0]->poller().name(), pool->loops()[1]->poller().name());
    InetAddress address;
    std::unique_ptr<Mover> mover;
    run_on(*base, [&] {
      server = std::make_unique<TcpServer>(*base, *pool);
      mover = std::make_unique<Mover>(*server);
      server->on_connection([&](const TcpConnectionPtr& connection) { mover->start(connection); });
      server->on_message(testing::echo);
      server->listen(InetAddress::loopback(0)).value();
      server->start().value();
      address = server->addresses().front();
    });
    RawClient client(address);
    const std::string bytes = pattern(16 << 20);
    std::thread sender([&] { EXPECT_TRUE(client.send(bytes)); });
    EXPECT_TRUE(client.read(bytes.size()) == bytes);
    sender.join();
    EXPECT_GT(mover->moves(), 10u);
    mover->stop();
    run_on(*base, [&] { server.reset(); });
  }
  run_on(*base, [&] { pool.reset(); });
  if (!started) GTEST_SKIP() << "no io_uring here";
}

}  // namespace
}  // namespace leat
