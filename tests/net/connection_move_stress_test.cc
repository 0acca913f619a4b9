// Connections that move all the while under load in both directions, for the sanitizers to watch:
// bytes come as they were sent, also those of several threads, and each connection ends once.

#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "leat/net/tcp_server.h"
#include "leat/reactor/event_loop_thread_pool.h"

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

TEST(MoveStress, EchoInBothDirectionsLosesAndReordersNothing) {
  ServerFixture fixture({.loops = 3});
  Mover mover(fixture.server());
  fixture.server().on_connection([&](const TcpConnectionPtr& c) { mover.start(c); });
  fixture.server().on_message(testing::echo);
  fixture.start();
  std::vector<std::thread> clients;
  for (unsigned seed = 1; seed <= 4; ++seed) {
    clients.emplace_back([&, seed] {
      RawClient client(fixture.address());
      const std::string bytes = pattern(6 << 20, seed);
      std::thread sender([&] {
        std::mt19937 random(seed);
        for (std::size_t at = 0; at < bytes.size();) {
          const std::size_t part = std::min<std::size_t>(1 + random() % 100'000, bytes.size() - at);
          ASSERT_TRUE(client.send(std::string_view(bytes).substr(at, part)));
          at += part;
        }
      });
      EXPECT_TRUE(client.read(bytes.size()) == bytes) << "seed " << seed;
      sender.join();
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_GT(mover.moves(), 100u);
  mover.stop();
}

/// Each sender's numbers, as lines "S N".
TEST(MoveStress, SendsOfOtherThreadsKeepTheirOrder) {
  constexpr int kSenders = 4;
  constexpr int kEach = 20'000;
  ServerFixture fixture({.loops = 3});
  Mover mover(fixture.server());
  std::atomic<bool> opened{false};
  TcpConnectionPtr connection;
  fixture.server().on_connection([&](const TcpConnectionPtr& c) {
    connection = c;
    opened = true;
    mover.start(c);
  });
  fixture.start();
  RawClient client(fixture.address());
  ASSERT_TRUE(wait_until([&] { return opened.load(); }));
  std::vector<std::thread> senders;
  for (int s = 0; s < kSenders; ++s) {
    senders.emplace_back([&, s] {
      for (int n = 0; n < kEach; ++n) {
        const std::string line = std::to_string(s) + ' ' + std::to_string(n) + '\n';
        ASSERT_TRUE(connection->send(line));
        if (n % 64 == 0) std::this_thread::sleep_for(100us);
      }
    });
  }
  // One of the server's own loops sends as well: it may be where the connection is going to.
  EventLoop* own = fixture.server().loops()[1];
  senders.emplace_back([&] {
    for (int n = 0; n < kEach; ++n) {
      own->queue_in_loop([&connection, n] {
        (void)connection->send(std::to_string(kSenders) + ' ' + std::to_string(n) + '\n');
      });
      if (n % 64 == 0) std::this_thread::sleep_for(100us);
    }
  });
  std::map<int, int> next;
  std::string rest;
  for (int lines = 0; lines < (kSenders + 1) * kEach;) {
    const std::string more = client.read(1);
    ASSERT_FALSE(more.empty()) << "after " << lines << " lines";
    rest += more;
    char block[65536];
    const ssize_t count = ::recv(client.fd(), block, sizeof block, MSG_DONTWAIT);
    if (count > 0) rest.append(block, static_cast<std::size_t>(count));
    std::size_t at = 0;
    for (std::size_t end; (end = rest.find('\n', at)) != std::string::npos; at = end + 1) {
      int sender = 0;
      int number = 0;
      ASSERT_EQ(std::sscanf(rest.c_str() + at, "%d %d", &sender, &number), 2);
      ASSERT_EQ(number, next[sender]++) << "of sender " << sender;
      ++lines;
    }
    rest.erase(0, at);
  }
  for (std::thread& sender : senders) sender.join();
  EXPECT_GT(mover.moves(), 100u);
  mover.stop();
  connection.reset();
}

unsigned first_seed() {
  const char* given = std::getenv("LEAT_STRESS_SEED");
  return given != nullptr ? static_cast<unsigned>(std::atoi(given)) : 1;
}

/// Clients that end in all ways, other threads that close and abort, and a server that is stopped
/// or destroyed in the middle of it; on loops of its own or of a pool that outlives it.
void random_ends(unsigned seed) {
  SCOPED_TRACE("LEAT_STRESS_SEED=" + std::to_string(seed));
  std::mt19937 random(seed);
  std::atomic<int> opened{0};
  std::atomic<int> closed{0};
  EventLoopThread thread;
  EventLoop* base = thread.start().value();
  std::unique_ptr<EventLoopThreadPool> pool;
  std::unique_ptr<TcpServer> server;
  std::unique_ptr<Mover> mover;
  InetAddress address;
  std::mutex mutex;
  std::vector<TcpConnectionPtr> connections;
  const bool shared_pool = random() % 2 == 0;
  run_on(*base, [&] {
    if (shared_pool) {
      pool = std::make_unique<EventLoopThreadPool>(*base, EventLoopThreadPoolOptions{.count = 3});
      pool->start().value();
      server = std::make_unique<TcpServer>(*base, *pool);
    } else {
      server = std::make_unique<TcpServer>(*base, TcpServerOptions{.loops = 3});
    }
    mover = std::make_unique<Mover>(*server);
    server->on_connection([&](const TcpConnectionPtr& connection) {
      ++opened;
      const std::lock_guard lock(mutex);
      connections.push_back(connection);
      mover->start(connection);
    });
    server->on_message(testing::echo);
    server->on_close([&](const TcpConnectionPtr&, CloseReason) { ++closed; });
    server->listen(InetAddress::loopback(0)).value();
    server->start().value();
    address = server->addresses().front();
  });
  std::vector<RawClient> clients;
  for (int i = 0; i < 12; ++i) clients.emplace_back(address);
  for (int step = 0; step < 60; ++step) {
    RawClient& client = clients[random() % clients.size()];
    switch (random() % 8) {
      case 0:
        client.reset();
        client = RawClient(address);
        break;
      case 1:
        client = RawClient(address);
        break;
      case 2: {
        const std::lock_guard lock(mutex);
        if (!connections.empty()) connections[random() % connections.size()]->abort();
        break;
      }
      case 3: {
        const std::lock_guard lock(mutex);
        if (!connections.empty()) connections[random() % connections.size()]->close();
        break;
      }
      case 4: {
        const std::lock_guard lock(mutex);
        if (!connections.empty()) (void)connections[random() % connections.size()]->send("abc");
        break;
      }
      default:
        (void)client.send(pattern(random() % 50'000));
    }
  }
  if (random() % 2 == 0) server->stop(random() % 2 == 0 ? 0ms : 5ms);
  run_on(*base, [&] { server.reset(); });
  EXPECT_EQ(opened, closed);
  const int closed_then = closed;
  std::this_thread::sleep_for(2ms);
  EXPECT_EQ(closed, closed_then) << "a callback after the server's end";
  run_on(*base, [&] { pool.reset(); });
  connections.clear();
}

TEST(MoveStress, EachConnectionEndsOnceHoweverItEnds) {
  for (unsigned round = 0; round < 30; ++round) random_ends(first_seed() + round);
}

}  // namespace
}  // namespace leat
