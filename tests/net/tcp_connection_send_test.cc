#include <sys/mman.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cerrno>
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

std::shared_ptr<const UniqueFd> file_with(std::string_view bytes) {
  auto file = std::make_shared<UniqueFd>(::memfd_create("test", MFD_CLOEXEC));
  EXPECT_EQ(::write(file->get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  return file;
}

TEST(TcpConnectionSend, EchoesSmallAndLarge) {
  ServerFixture fixture;
  fixture.server().on_message(testing::echo);
  fixture.start();
  RawClient client(fixture.address());
  for (const std::size_t size : {1U, 64U, 8191U, 8192U, 65536U, 300000U}) {
    const std::string sent = pattern(size, static_cast<unsigned>(size));
    ASSERT_TRUE(client.send(sent));
    EXPECT_EQ(client.read(size), sent) << size;
  }
}

TEST(TcpConnectionSend, ManySendsInOneCallbackAreOneWrite) {
  ServerFixture fixture;
  fixture.server().on_message([](const auto& connection, ReceiveBuffer& input, Timestamp) {
    for (const char byte : input.take_all()) connection->send(std::string_view(&byte, 1));
  });
  fixture.start();
  RawClient client(fixture.address());
  ASSERT_TRUE(client.send(pattern(100)));
  EXPECT_EQ(client.read(100), pattern(100));
  // The client has them all, so all writes but the last have been counted.
  EXPECT_TRUE(wait_until([&] { return fixture.total(&NetCounters::writes) > 0; }));
  EXPECT_EQ(fixture.total(&NetCounters::writes), 1U);
}

TEST(TcpConnectionSend, SendsToOthersAreGatheredUntilTheIterationEnds) {
  ServerFixture fixture;
  TcpConnectionPtr first;
  fixture.server().on_message([&](const auto& connection, ReceiveBuffer& input, Timestamp) {
    const std::string bytes = input.take_all();
    if (!first) {
      first = connection;
      first->send("ready");
      return;
    }
    for (const char byte : bytes) first->send(std::string_view(&byte, 1));
  });
  fixture.start();
  RawClient listener(fixture.address());
  ASSERT_TRUE(listener.send("x"));
  ASSERT_EQ(listener.read(5), "ready");
  RawClient talker(fixture.address());
  ASSERT_TRUE(talker.send("abcdefgh"));
  EXPECT_EQ(listener.read(8), "abcdefgh");
  EXPECT_TRUE(wait_until([&] { return fixture.total(&NetCounters::writes) > 1; }));
  EXPECT_EQ(fixture.total(&NetCounters::writes), 2U);
  fixture.destroy();
}

TEST(TcpConnectionSend, EveryKindArrivesInOrder) {
  ServerFixture fixture;
  const auto file = file_with(pattern(200000, 7));
  const std::string owned = pattern(5000, 3);
  fixture.server().on_connection([&](const TcpConnectionPtr& connection) {
    EXPECT_TRUE(connection->send("head "));
    EXPECT_TRUE(connection->send(std::string("short ")));
    EXPECT_TRUE(connection->send(std::string(owned)));
    const std::array<std::string_view, 3> pieces{"one ", "", "two "};
    EXPECT_TRUE(connection->send(pieces));
    EXPECT_TRUE(connection->send_file(file, 100, 150000));
    const auto shared = std::make_shared<std::string>(pattern(20000, 4));
    EXPECT_TRUE(connection->send(shared, *shared));
    EXPECT_TRUE(connection->send(pattern(100000, 5)));
    const std::string direct = pattern(30000, 6);
    EXPECT_TRUE(connection->send(std::string_view(direct)));
    EXPECT_TRUE(connection->send_file(file, 0, 0));
    connection->close();
  });
  fixture.start();
  const std::string expected = "head short " + owned + "one two " +
                               pattern(200000, 7).substr(100, 150000) + pattern(20000, 4) +
                               pattern(100000, 5) + pattern(30000, 6);
  EXPECT_EQ(RawClient(fixture.address()).read_to_end(), expected);
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kLocalClose));
  EXPECT_EQ(fixture.total(&NetCounters::bytes_sent), expected.size());
  EXPECT_EQ(fixture.total(&NetCounters::bytes_unsent), 0U);
}

TEST(TcpConnectionSend, FromOtherThreadsKeepsTheOrderOfEach) {
  ServerFixture fixture;
  TcpConnectionPtr connection;
  std::atomic<bool> open{false};
  fixture.server().on_connection([&](const TcpConnectionPtr& c) {
    connection = c;
    open = true;
  });
  fixture.start();
  RawClient client(fixture.address());
  ASSERT_TRUE(wait_until([&] { return open.load(); }));
  constexpr int kThreads = 4;
  constexpr int kSends = 2000;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kSends; ++i) {
        const std::array<char, 3> bytes{static_cast<char>('a' + t), static_cast<char>(i & 0x7f),
                                        static_cast<char>(i >> 7)};
        EXPECT_TRUE(connection->send(std::string_view(bytes.data(), bytes.size())));
      }
    });
  }
  const std::string all = client.read(3UL * kThreads * kSends);
  for (std::thread& thread : threads) thread.join();
  ASSERT_EQ(all.size(), 3UL * kThreads * kSends);
  std::array<int, kThreads> next{};
  for (std::size_t i = 0; i < all.size(); i += 3) {
    const auto t = static_cast<std::size_t>(all[i] - 'a');
    ASSERT_LT(t, next.size());
    ASSERT_EQ(all[i + 1] + (all[i + 2] << 7), next[t]++);
  }
  fixture.destroy();
}

TEST(TcpConnectionSend, OtherKindsFromAnotherThread) {
  ServerFixture fixture;
  TcpConnectionPtr connection;
  std::atomic<bool> open{false};
  fixture.server().on_connection([&](const TcpConnectionPtr& c) {
    connection = c;
    open = true;
  });
  fixture.start();
  RawClient client(fixture.address());
  ASSERT_TRUE(wait_until([&] { return open.load(); }));
  const std::array<std::string_view, 2> pieces{"one ", "two "};
  EXPECT_TRUE(connection->send(pieces));
  EXPECT_TRUE(connection->send_file(file_with("file "), 0, 5));
  const auto shared = std::make_shared<std::string>("shared");
  EXPECT_TRUE(connection->send(shared, *shared));
  connection->shutdown();
  EXPECT_EQ(client.read_to_end(), "one two file shared");
  client.close();
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kLocalClose));
  EXPECT_FALSE(connection->send("late"));
  fixture.destroy();
  EXPECT_EQ(connection->send("later").error().number(), EPIPE);
  connection->close();
  connection->abort();
}

TEST(TcpConnectionSend, AShortFileEndsTheConnection) {
  ServerFixture fixture;
  fixture.server().on_connection([](const TcpConnectionPtr& connection) {
    connection->send("promised 100:");
    connection->send_file(file_with("only this"), 0, 100);
  });
  fixture.start();
  RawClient client(fixture.address());
  EXPECT_TRUE(client.sees_reset());
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kFileTruncated));
}

// sendfile() raises SIGPIPE, which would end the process if the loop did not block it.
TEST(TcpConnectionSend, AFileToAConnectionThatWasResetIsAnErrorAndNoSignal) {
  auto loop = EventLoop::create().value();
  TcpServer server(*loop);
  const auto file = file_with(pattern(1000));
  bool closed = false;
  server.on_connection([&](const TcpConnectionPtr& connection) {
    ::shutdown(connection->fd(), SHUT_WR);
    connection->send_file(file, 0, 1000);
  });
  server.on_close([&](const auto&, CloseReason reason) {
    EXPECT_EQ(reason, CloseReason::kReset);
    closed = true;
    loop->quit();
  });
  server.listen(InetAddress::loopback(0)).value();
  server.start().value();
  RawClient client(server.addresses().front());
  loop->loop();
  EXPECT_TRUE(closed);
}

TEST(TcpConnectionSend, WhatIsNoFileIsAnError) {
  ServerFixture fixture;
  std::atomic<int> error{0};
  fixture.server().on_error([&](const auto&, const Error& e) { error = e.number(); });
  fixture.server().on_connection([](const TcpConnectionPtr& connection) {
    connection->send_file(std::make_shared<UniqueFd>(), 0, 100);
  });
  fixture.start();
  RawClient client(fixture.address());
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kError));
  EXPECT_EQ(error, EBADF);
}

TEST(TcpConnectionSend, AClientThatNeverReadsStopsTheServerReading) {
  TcpServerOptions options;
  options.connection.high_water_mark = 256 * 1024;
  options.connection.low_water_mark = 64 * 1024;
  options.connection.kernel_send_buffer = 64 * 1024;
  ServerFixture fixture(options);
  fixture.server().on_message(testing::echo);
  std::atomic<std::size_t> high{0};
  std::atomic<int> low{0};
  fixture.server().on_high_water([&](const auto&, std::size_t queued) { high = queued; });
  fixture.server().on_low_water([&](const auto&) { ++low; });
  fixture.start();
  RawClient client(fixture.address(), 16 * 1024);
  const std::string sent = pattern(8 * 1024 * 1024);
  std::thread sender([&] { EXPECT_TRUE(client.send(sent)); });
  EXPECT_TRUE(wait_until([&] { return high.load() > 0; }));
  // The mark was passed by at most what one read brings, and then nothing is read.
  EXPECT_LE(high, 256U * 1024 + EventLoop::kScratchSize);
  const std::uint64_t received = fixture.total(&NetCounters::bytes_received);
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(fixture.total(&NetCounters::bytes_received), received);
  EXPECT_EQ(client.read(sent.size()), sent);
  sender.join();
  EXPECT_TRUE(wait_until([&] { return low.load() > 0; }));
  EXPECT_GE(fixture.total(&NetCounters::write_blocked), 1U);
}

TEST(TcpConnectionSend, PassingTheBoundFailsAndEndsTheConnection) {
  TcpServerOptions options;
  options.connection.max_buffered = 100000;
  ServerFixture fixture(options);
  std::atomic<int> error{0};
  std::atomic<bool> closed_inside{false};
  std::atomic<int> closed{0};
  fixture.server().on_close([&](const auto&, CloseReason) { ++closed; });
  fixture.server().on_connection([&](const TcpConnectionPtr& connection) {
    EXPECT_TRUE(connection->send(std::string(90000, 'x')));
    error = connection->send(std::string(20000, 'y')).error().number();
    closed_inside = closed > 0;
    EXPECT_EQ(connection->send("z").error().number(), EPIPE);
  });
  fixture.start();
  RawClient client(fixture.address());
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kBufferLimit));
  EXPECT_EQ(error, ENOBUFS);
  EXPECT_FALSE(closed_inside);
  EXPECT_EQ(fixture.total(&NetCounters::bytes_unsent), 90000U) << "the refused one was never taken";
}

TEST(TcpConnectionSend, TheBoundHoldsForOtherThreads) {
  TcpServerOptions options;
  options.connection.max_buffered = 1000;
  ServerFixture fixture(options);
  TcpConnectionPtr connection;
  std::atomic<bool> open{false};
  fixture.server().on_connection([&](const TcpConnectionPtr& c) {
    connection = c;
    open = true;
  });
  fixture.start();
  RawClient client(fixture.address());
  ASSERT_TRUE(wait_until([&] { return open.load(); }));
  EXPECT_EQ(connection->send(std::string(1001, 'x')).error().number(), ENOBUFS);
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kBufferLimit));
  EXPECT_EQ(connection->send("x").error().number(), EPIPE);
  fixture.destroy();
}

TEST(TcpConnectionSend, WhoHearsThatHisBytesAreSentMaySendMoreInsideAnotherSend) {
  TcpServerOptions options;
  options.connection.kernel_send_buffer = 16 * 1024;
  ServerFixture fixture(options);
  const std::string large = pattern(4 * 1024 * 1024);
  fixture.server().on_connection([&](const TcpConnectionPtr& connection) {
    static const std::string small = "small";
    std::shared_ptr<const void> replying(
        small.data(), [here = connection.get()](const void*) { here->send("reply"); });
    connection->send(std::move(replying), small);
    connection->send(std::string_view(large));
    connection->send("end");
  });
  fixture.start();
  RawClient client(fixture.address(), 16 * 1024);
  const std::string received = client.read(5 + large.size() + 5 + 3);
  EXPECT_EQ(received.size(), 5 + large.size() + 5 + 3);
  EXPECT_TRUE(received == "small" + large + "replyend") << "the reply is inside the large one";
}

TEST(TcpConnectionSend, WriteCompleteTellsWhenAllHasGone) {
  ServerFixture fixture;
  std::atomic<int> completed{0};
  fixture.server().on_connection(
      [](const TcpConnectionPtr& connection) { connection->send(pattern(4 * 1024 * 1024)); });
  fixture.server().on_write_complete([&](const TcpConnectionPtr& connection) {
    EXPECT_EQ(connection->queued_bytes(), 0U);
    // A producer that goes on here must not keep others from their turn.
    if (++completed < 3) connection->send("more");
  });
  fixture.start();
  RawClient client(fixture.address());
  EXPECT_EQ(client.read(4 * 1024 * 1024 + 8), pattern(4 * 1024 * 1024) + "moremore");
  EXPECT_TRUE(wait_until([&] { return completed == 3; }));
}

}  // namespace
}  // namespace leat
