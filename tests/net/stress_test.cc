// Random clients, random endings, pauses, stops and dying loops, for the sanitizers to watch. Each
// round is drawn from a seed that a failure prints; what must hold in all of them is that bytes
// come back as they were sent, that each connection is closed exactly once, and that nothing hangs.

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "leat/net/tcp_server.h"
#include "leat/reactor/event_loop_thread_pool.h"

#include "support/raw_client.h"
#include "support/server_fixture.h"

namespace leat {
namespace {

using namespace std::chrono_literals;
using testing::pattern;
using testing::RawClient;

/// Draws 32 bits at a time.
class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  unsigned operator()() { return static_cast<unsigned>(engine_()); }

 private:
  std::mt19937 engine_;
};

/// What the callbacks of a server said of each connection.
class Ledger {
 public:
  void opened(const TcpConnectionPtr& connection) {
    const std::lock_guard lock(mutex_);
    EXPECT_TRUE(open_.insert(connection->id()).second) << "an id was given twice";
    ++opened_;
  }
  void used(const TcpConnectionPtr& connection) {
    const std::lock_guard lock(mutex_);
    EXPECT_TRUE(open_.contains(connection->id())) << "a call before the first or after the last";
  }
  void closed(const TcpConnectionPtr& connection) {
    const std::lock_guard lock(mutex_);
    EXPECT_EQ(open_.erase(connection->id()), 1u) << "closed twice, or never opened";
  }
  [[nodiscard]] std::size_t open() const {
    const std::lock_guard lock(mutex_);
    return open_.size();
  }
  [[nodiscard]] int total() const {
    const std::lock_guard lock(mutex_);
    return opened_;
  }

 private:
  mutable std::mutex mutex_;
  std::set<std::uint64_t> open_;
  int opened_ = 0;
};

/// Misbehaves in one of several ways, drawn by `random`.
void run_client(const InetAddress& address, Random& random) {
  RawClient client(address, random() % 4 == 0 ? 4096 : 0);
  if (!client.connected()) return;
  const std::string bytes = pattern(random() % 200000 + 1, random());
  const unsigned ending = random() % 6;
  if (ending == 0) return client.reset();
  std::thread sender([&] {
    client.send(bytes);
    if (ending == 1) client.finish_writing();
  });
  const std::size_t wanted = ending == 2 ? bytes.size() / 2 : bytes.size();
  const std::string back = client.read(wanted);
  // The server may have cut it; what came must be right.
  EXPECT_EQ(bytes.compare(0, back.size(), back), 0);
  if (ending == 2) ::shutdown(client.fd(), SHUT_RDWR);
  sender.join();
  if (ending == 3) client.reset();
}

/// Does to a connection what a careless user might, on its loop or from another thread.
void disturb(const TcpConnectionPtr& connection, unsigned draw) {
  switch (draw % 16) {
    case 0:
      return connection->abort();
    case 1:
      return connection->close();
    case 2:
      return connection->shutdown();
    case 3: {
      connection->pause_reading();
      connection->loop().run_after(std::chrono::milliseconds(draw % 7),
                                   [connection] { connection->resume_reading(); });
      return;
    }
    case 4:
      std::thread([connection] { connection->send(""); }).join();
      return;
    default:
      return;
  }
}

void run_round(unsigned seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  Ledger ledger;
  std::atomic<bool> over{false};
  const std::array balances{Balance::kRoundRobin, Balance::kKernelHash, Balance::kShared};
  TcpServerOptions options;
  options.balance = balances[random() % balances.size()];
  options.connection.high_water_mark = 64 * 1024;
  options.connection.low_water_mark = 16 * 1024;
  options.connection.receive_limit = 32 * 1024;
  options.connection.idle_timeout = std::chrono::milliseconds(random() % 2 == 0 ? 50 : 0);
  options.connection.read_timeout = std::chrono::milliseconds(random() % 4 == 0 ? 20 : 0);
  options.connection.write_timeout = std::chrono::milliseconds(random() % 4 == 0 ? 20 : 0);
  if (random() % 4 == 0) options.connection.max_buffered = 128 * 1024;
  options.connection.linger_timeout = 100ms;

  EventLoopThread base_thread;
  EventLoop* base = base_thread.start().value();
  std::unique_ptr<EventLoopThreadPool> pool;
  std::unique_ptr<TcpServer> server;
  const std::size_t loops = random() % 4;
  testing::run_on(*base, [&] {
    pool = std::make_unique<EventLoopThreadPool>(
        *base, EventLoopThreadPoolOptions{.name = "stress", .count = loops});
    pool->start().value();
    server = std::make_unique<TcpServer>(*base, *pool, options);
    server->on_connection([&](const auto& connection) { ledger.opened(connection); });
    server->on_close([&](const auto& connection, CloseReason) { ledger.closed(connection); });
    server->on_message([&](const TcpConnectionPtr& connection, ReceiveBuffer& input, Timestamp) {
      ledger.used(connection);
      // Sometimes only part of it, so that the rest is kept.
      const auto draw = static_cast<unsigned>(connection->bytes_received() * 2654435761U >> 7);
      const std::size_t count = draw % 3 == 0 ? input.size() / 2 + 1 : input.size();
      connection->send(input.view().substr(0, count));
      input.consume(count);
      disturb(connection, draw);
    });
    server->listen(InetAddress::loopback(0)).value();
    server->start().value();
  });
  const InetAddress address = server->addresses().front();

  std::vector<std::thread> clients;
  for (int c = 0; c < 4; ++c) {
    clients.emplace_back([&, client_seed = random()] {
      Random own(client_seed);
      for (int i = 0; i < 12 && !over; ++i) run_client(address, own);
    });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(random() % 60));
  if (loops > 1 && random() % 2 == 0) server->loops()[random() % loops]->quit();
  std::atomic<bool> reported{false};
  if (random() % 2 == 0) {
    server->stop(std::chrono::milliseconds(random() % 30),
                 [&](const StopReport&) { reported = true; });
    if (random() % 2 == 0) {
      EXPECT_TRUE(testing::wait_until([&] { return reported.load(); })) << "stop never ended";
      EXPECT_EQ(ledger.open(), 0u) << "after the report of the stop";
    }
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(random() % 30));
  over = true;
  testing::run_on(*base, [&] { server.reset(); });
  EXPECT_EQ(ledger.open(), 0u);
  const int total = ledger.total();
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(ledger.total(), total) << "a callback came after the server was destroyed";
  testing::run_on(*base, [&] { pool.reset(); });
}

// LEAT_STRESS_ROUNDS makes it longer, LEAT_STRESS_SEED repeats it: a failure prints its seed.
TEST(Stress, EverythingAtOnce) {
  const char* rounds = std::getenv("LEAT_STRESS_ROUNDS");
  const char* seed = std::getenv("LEAT_STRESS_SEED");
  const int count = rounds != nullptr ? std::atoi(rounds) : 30;
  const unsigned first =
      seed != nullptr ? static_cast<unsigned>(std::atoll(seed)) : std::random_device()();
  for (int round = 0; round < count && !HasFailure(); ++round) {
    run_round(first + static_cast<unsigned>(round));
  }
}

}  // namespace
}  // namespace leat
