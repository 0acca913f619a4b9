// Input over io_uring: empty buffer rings, pauses while bytes are in the ring already. What is
// promised holds over epoll too, so these run on both pollers.
#include <atomic>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "leat/net/tcp_server.h"

#include "support/raw_client.h"
#include "support/server_fixture.h"
#include "tests/reactor/loop_test.h"

namespace leat {
namespace {

using namespace std::chrono_literals;
using testing::pattern;
using testing::RawClient;
using testing::run_on;
using testing::ServerFixture;
using testing::wait_until;

/// Keeps a loop from looking at anything until it is let go.
class Standstill {
 public:
  explicit Standstill(EventLoop& loop) {
    std::promise<void> stands;
    loop.queue_in_loop([this, &stands] {
      stands.set_value();
      go_on_.get_future().wait();
    });
    stands.get_future().wait();
  }
  ~Standstill() { go_on_.set_value(); }
  Standstill(const Standstill&) = delete;
  Standstill& operator=(const Standstill&) = delete;

 private:
  std::promise<void> go_on_;
};

/// Keeps all that comes, in the connection's context.
void keep_input(const TcpConnectionPtr& connection, ReceiveBuffer& input, Timestamp) {
  connection->context_as<std::string>() += input.take_all();
}
void make_context(const TcpConnectionPtr& connection) {
  connection->set_context(std::string());
}

TEST(UringTransport, MoreInputThanAllBuffersArrivesOnceAndInOrder) {
  constexpr std::size_t kClients = 200;
  constexpr std::size_t kEach = 50'000;  // together ten times the memory of a ring
  std::vector<std::string> got(kClients);
  ServerFixture fixture;
  fixture.server().on_connection(make_context);
  fixture.server().on_message(keep_input);
  fixture.server().on_half_close([&](const TcpConnectionPtr& connection) {
    std::string& bytes = connection->context_as<std::string>();
    got.at(static_cast<unsigned char>(bytes.at(0))) = std::move(bytes);
    connection->close();
  });
  fixture.start();
  std::vector<RawClient> clients;
  for (std::size_t i = 0; i < kClients; ++i) clients.emplace_back(fixture.address());
  ASSERT_TRUE(wait_until([&] { return fixture.total(&NetCounters::open) == kClients; }));
  for (int round = 0; round < 3; ++round) {
    const Standstill standstill(fixture.base());
    for (std::size_t i = 0; i < kClients; ++i) {
      std::string bytes =
          pattern(kEach, static_cast<unsigned>(i * 3) + static_cast<unsigned>(round));
      if (round == 0) bytes[0] = static_cast<char>(i);
      ASSERT_TRUE(clients[i].send(bytes));
    }
  }
  for (RawClient& client : clients) client.finish_writing();
  ASSERT_TRUE(fixture.wait_closed(CloseReason::kLocalClose, kClients));
  for (std::size_t i = 0; i < kClients; ++i) {
    std::string expected;
    for (unsigned round = 0; round < 3; ++round) {
      expected += pattern(kEach, static_cast<unsigned>(i * 3) + round);
    }
    expected[0] = static_cast<char>(i);
    ASSERT_EQ(got[i].size(), expected.size()) << i;
    ASSERT_TRUE(got[i] == expected) << i;
  }
  if (test::default_poller_is_uring()) {
    EXPECT_GT(fixture.total(&NetCounters::receive_starved), 0u) << "the ring was never empty";
  } else {
    EXPECT_EQ(fixture.total(&NetCounters::receive_starved), 0u);
  }
}

/// Wherever the buffers of a ring end: a server that answers each piece would send two answers.
TEST(UringTransport, AMessageOfOneSegmentIsToldInOnePiece) {
  constexpr int kMessages = 300;
  std::atomic<int> told = 0;
  ServerFixture fixture;
  fixture.server().on_message(
      [&](const TcpConnectionPtr& connection, ReceiveBuffer& input, Timestamp) {
        ++told;
        connection->send(input.take_all());
      });
  fixture.start();
  RawClient client(fixture.address());
  for (unsigned i = 0; i < kMessages; ++i) {
    const std::string message = pattern(5003, i);
    ASSERT_TRUE(client.send(message));
    ASSERT_TRUE(client.read(message.size()) == message) << i;
  }
  EXPECT_EQ(told, kMessages);
}

TEST(UringTransport, StarvedConnectionsStillPauseAndEnd) {
  constexpr std::size_t kClients = 120;
  ServerFixture fixture;
  std::atomic<int> paused{0};
  fixture.server().on_message([&](const TcpConnectionPtr& connection, ReceiveBuffer& input, auto) {
    input.consume_all();
    switch (connection->id() % 3) {
      case 0:
        return connection->abort();
      case 1:
        ++paused;
        return connection->pause_reading();
      default:
        return;
    }
  });
  fixture.start();
  std::vector<RawClient> clients;
  for (std::size_t i = 0; i < kClients; ++i) clients.emplace_back(fixture.address());
  ASSERT_TRUE(wait_until([&] { return fixture.total(&NetCounters::open) == kClients; }));
  {
    const Standstill standstill(fixture.base());
    for (RawClient& client : clients) ASSERT_TRUE(client.send(pattern(60'000)));
  }
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kAborted, kClients / 3));
  EXPECT_TRUE(wait_until([&] { return paused == kClients / 3; }));
  fixture.server().for_each_connection(
      [](const TcpConnectionPtr& connection) { connection->resume_reading(); });
  const auto received_all = [&] {
    std::atomic<std::size_t> complete{0};
    run_on(fixture.base(), [&] {
      fixture.server().for_each_connection([&](const TcpConnectionPtr& connection) {
        connection->resume_reading();
        if (connection->bytes_received() == 60'000) ++complete;
      });
    });
    run_on(fixture.base(), [] {});
    return complete == kClients / 3 * 2;
  };
  EXPECT_TRUE(wait_until(received_all));
}

/// What a storm of pauses does to one connection.
struct Stormy {
  std::string got;
  unsigned state = 1;
  unsigned next() { return state = state * 1664525U + 1013904223U; }
};

TEST(UringTransport, PausesWhileInputFlowsLoseNothing) {
  constexpr std::size_t kClients = 6;
  constexpr std::size_t kEach = 1'500'000;
  std::vector<std::string> got(kClients);
  TcpServerOptions options;
  options.connection.receive_limit = 20'000;
  ServerFixture fixture(options);
  fixture.server().on_connection([](const TcpConnectionPtr& connection) {
    connection->set_context(std::make_shared<Stormy>());
  });
  fixture.server().on_message([](const TcpConnectionPtr& connection, ReceiveBuffer& input, auto) {
    Stormy& storm = *connection->context_as<std::shared_ptr<Stormy>>();
    const auto resume = [connection] { connection->resume_reading(); };
    const unsigned draw = storm.next() >> 16;
    const std::size_t part = draw % 5 == 0 ? input.size() / 2 : input.size();
    storm.got += input.take(part);
    switch (draw % 8) {
      case 0:
        connection->pause_reading();
        return resume();
      case 1:
        connection->pause_reading();
        return connection->loop().queue_in_loop(resume);
      case 2:
        connection->pause_reading();
        connection->loop().run_after(std::chrono::microseconds(draw % 3000), resume);
        return;
      case 3:
        // And again before the delivery that the first one brought.
        connection->pause_reading();
        resume();
        connection->pause_reading();
        return connection->loop().queue_in_loop([connection, resume] {
          resume();
          connection->pause_reading();
          resume();
        });
      case 4:
        // Consumed by someone else than on_message.
        connection->pause_reading();
        return connection->loop().queue_in_loop([connection, resume] {
          resume();
          connection->context_as<std::shared_ptr<Stormy>>()->got +=
              connection->receive_buffer().take_all();
        });
      default:
        return resume();
    }
  });
  fixture.server().on_half_close([&](const TcpConnectionPtr& connection) {
    Stormy& storm = *connection->context_as<std::shared_ptr<Stormy>>();
    storm.got += connection->receive_buffer().take_all();
    got.at(static_cast<unsigned char>(storm.got.at(0))) = std::move(storm.got);
    connection->close();
  });
  fixture.start();
  std::vector<std::thread> senders;
  for (std::size_t i = 0; i < kClients; ++i) {
    senders.emplace_back([&fixture, i] {
      RawClient client(fixture.address());
      std::string bytes = pattern(kEach, static_cast<unsigned>(i));
      bytes[0] = static_cast<char>(i);
      EXPECT_TRUE(client.send(bytes));
      client.finish_writing();
      EXPECT_TRUE(client.sees_end());
    });
  }
  for (std::thread& sender : senders) sender.join();
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kLocalClose, kClients));
  for (std::size_t i = 0; i < kClients; ++i) {
    std::string expected = pattern(kEach, static_cast<unsigned>(i));
    expected[0] = static_cast<char>(i);
    EXPECT_EQ(got[i].size(), kEach);
    EXPECT_TRUE(got[i] == expected) << i;
  }
}

TEST(UringTransport, WhatIsHeldBackIsToldThoughTheRestWasConsumedElsewhere) {
  ServerFixture fixture;
  TcpConnectionPtr connection;
  std::atomic<int> messages{0};
  fixture.server().on_message([&](const TcpConnectionPtr& c, ReceiveBuffer&, Timestamp) {
    connection = c;
    // Nothing is consumed.
    if (messages++ == 0) c->pause_reading();
  });
  fixture.start();
  RawClient client(fixture.address());
  ASSERT_TRUE(client.send("first"));
  ASSERT_TRUE(wait_until([&] { return messages == 1; }));
  ASSERT_TRUE(client.send("second"));
  // Into the hands of the transport, where there is one that takes it.
  const std::uint64_t reads = test::default_poller_is_uring() ? 2 : 1;
  ASSERT_TRUE(wait_until([&] { return fixture.total(&NetCounters::reads) >= reads; }));
  run_on(fixture.base(), [&] {
    connection->resume_reading();
    EXPECT_EQ(connection->receive_buffer().take_all(), "first");
  });
  EXPECT_TRUE(wait_until([&] { return messages == 2; }));
  std::string rest;
  run_on(fixture.base(), [&] { rest = connection->receive_buffer().take_all(); });
  EXPECT_EQ(rest, "second");
  run_on(fixture.base(), [&] { connection.reset(); });
}

TEST(UringTransport, TheEndAndAnErrorWaitBehindWhatIsHeld) {
  for (const bool reset : {false, true}) {
    ServerFixture fixture;
    TcpConnectionPtr connection;
    std::mutex mutex;
    std::string told;
    std::atomic<int> messages{0};
    const auto tell = [&](std::string_view what) {
      const std::lock_guard lock(mutex);
      told += what;
    };
    fixture.server().on_message([&](const TcpConnectionPtr& c, ReceiveBuffer& input, Timestamp) {
      connection = c;
      tell(input.take_all());
      if (messages++ == 0) c->pause_reading();
    });
    fixture.server().on_half_close([&](const auto&) { tell(" end"); });
    fixture.server().on_close([&](const auto&, CloseReason) { tell(" closed"); });
    fixture.start();
    RawClient client(fixture.address());
    ASSERT_TRUE(client.send("first"));
    ASSERT_TRUE(wait_until([&] { return messages == 1; }));
    ASSERT_TRUE(client.send(" second"));
    if (test::default_poller_is_uring()) {
      ASSERT_TRUE(wait_until([&] { return fixture.total(&NetCounters::reads) >= 2; }));
    }
    reset ? client.reset() : client.finish_writing();
    // Nothing is told while it is paused.
    EXPECT_FALSE(client.fd() >= 0 && client.readable_within(30ms));
    run_on(fixture.base(), [&] { connection->resume_reading(); });
    const auto is_told = [&](std::string_view wanted) {
      return wait_until([&] {
        const std::lock_guard lock(mutex);
        return told == wanted;
      });
    };
    if (!reset) {
      EXPECT_TRUE(is_told("first second end")) << told;
    } else if (test::default_poller_is_uring()) {
      // Over epoll the kernel throws away what was not read before a reset.
      EXPECT_TRUE(is_told("first second closed")) << told;
    }
    run_on(fixture.base(), [&] { connection.reset(); });
    fixture.destroy();
  }
}

TEST(UringTransport, PeersThatNeverReadKeepTheirPlaceAndCostNobodyElse) {
  constexpr std::size_t kSilent = 30;
  TcpServerOptions options;
  options.connection.high_water_mark = 64 * 1024;
  options.connection.low_water_mark = 16 * 1024;
  options.connection.kernel_send_buffer = 16 * 1024;
  options.connection.max_buffered = 4 * 1024 * 1024;
  ServerFixture fixture(options);
  // Answers each byte with 100 numbers of four digits, in many small sends.
  fixture.server().on_connection([](const auto& connection) { connection->set_context(0U); });
  fixture.server().on_message([](const TcpConnectionPtr& connection, ReceiveBuffer& input, auto) {
    auto& number = connection->context_as<unsigned>();
    for (std::size_t i = 0; i < 100 * input.size(); ++i) {
      connection->send(std::to_string(1000 + number++ % 9000));
    }
    input.consume_all();
  });
  fixture.start();
  std::vector<RawClient> silent;
  for (std::size_t i = 0; i < kSilent; ++i) silent.emplace_back(fixture.address(), 4096);
  const std::string questions(2000, '?');
  for (RawClient& client : silent) ASSERT_TRUE(client.send(questions));
  ASSERT_TRUE(wait_until([&] { return fixture.total(&NetCounters::high_water) >= kSilent; }));
  const auto expect_answers = [](RawClient& client, std::size_t count) {
    std::string expected;
    for (std::size_t i = 0; i < 100 * count; ++i) expected += std::to_string(1000 + i % 9000);
    const std::string got = client.read(expected.size());
    EXPECT_EQ(got.size(), expected.size());
    EXPECT_TRUE(got == expected);
  };
  // Others are served as ever.
  RawClient other(fixture.address());
  for (std::size_t i = 0; i < 20; ++i) ASSERT_TRUE(other.send("?"));
  expect_answers(other, 20);
  // One of them wakes up after all, and has missed nothing.
  expect_answers(silent.front(), questions.size());
  silent.front().finish_writing();
  EXPECT_TRUE(silent.front().sees_end());
  // The rest goes with what was queued for it.
  for (std::size_t i = 1; i < kSilent; ++i) silent[i].reset();
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kReset, kSilent - 1));
}

}  // namespace
}  // namespace leat
