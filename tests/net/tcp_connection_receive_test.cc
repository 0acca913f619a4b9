#include <atomic>
#include <string>

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

TEST(TcpConnectionReceive, WhatIsNotConsumedComesAgainWithMore) {
  ServerFixture fixture;
  std::atomic<int> calls{0};
  fixture.server().on_message(
      [&](const TcpConnectionPtr& connection, ReceiveBuffer& input, Timestamp) {
        ++calls;
        for (;;) {
          const std::size_t end = input.view().find('\n');
          if (end == std::string_view::npos) return;
          connection->send(input.view().substr(0, end + 1));
          input.consume(end + 1);
        }
      });
  fixture.start();
  RawClient client(fixture.address());
  client.send("one\ntw");
  EXPECT_EQ(client.read(4), "one\n");
  client.send("o\nthree");
  EXPECT_EQ(client.read(4), "two\n");
  client.send("\n");
  EXPECT_EQ(client.read(6), "three\n");
  // A line far longer than one read, arriving behind the rest of another.
  std::string line(400000, 'x');
  line += '\n';
  client.send("half");
  client.send(line);
  EXPECT_EQ(client.read(line.size() + 4), "half" + line);
  EXPECT_GE(calls, 5);
}

TEST(TcpConnectionReceive, UnreadInputIsBoundedAndGoesOnWhenConsumed) {
  TcpServerOptions options;
  options.connection.receive_limit = 10000;
  options.connection.kernel_receive_buffer = 16 * 1024;
  ServerFixture fixture(options);
  TcpConnectionPtr held;
  std::atomic<std::size_t> most{0};
  std::atomic<bool> consume{false};
  std::string received;
  fixture.server().on_message(
      [&](const TcpConnectionPtr& connection, ReceiveBuffer& input, Timestamp) {
        held = connection;
        most = std::max(most.load(), input.size());
        if (consume) received += input.take_all();
      });
  fixture.start();
  RawClient client(fixture.address());
  const std::string sent = pattern(2 * 1024 * 1024);
  std::thread sender([&] { EXPECT_TRUE(client.send(sent)); });
  ASSERT_TRUE(wait_until([&] { return fixture.total(&NetCounters::receive_full) > 0; }));
  EXPECT_EQ(most, 10000U);
  // Over io_uring what the kernel had received before it heard of the pause still comes.
  std::this_thread::sleep_for(20ms);
  const std::uint64_t reads = fixture.total(&NetCounters::reads);
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(fixture.total(&NetCounters::reads), reads) << "it must not spin while it is full";
  consume = true;
  testing::run_on(held->loop(), [&] {
    received += held->receive_buffer().take(5000);
    held->resume_reading();
  });
  sender.join();
  client.finish_writing();
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kPeerClosed));
  EXPECT_TRUE(received == sent);
  EXPECT_EQ(most, 10000U);
  fixture.destroy();
}

TEST(TcpConnectionReceive, PausedInputIsDeliveredOnResume) {
  ServerFixture fixture;
  std::atomic<int> messages{0};
  fixture.server().on_message(
      [&](const TcpConnectionPtr& connection, ReceiveBuffer& input, Timestamp) {
        if (++messages > 1) {
          connection->send(input.take_all());
          return;
        }
        connection->pause_reading();  // and leaves the input where it is
        connection->loop().run_after(20ms, [connection] {
          connection->resume_reading();
          connection->resume_reading();
        });
      });
  fixture.start();
  RawClient client(fixture.address());
  client.send("first");
  ASSERT_TRUE(wait_until([&] { return messages == 1; }));
  client.send("second");
  EXPECT_EQ(client.read(11), "firstsecond");
}

TEST(TcpConnectionReceive, ResumedInputIsDeliveredBeforeThePeersEnd) {
  ServerFixture fixture;
  std::string lines;
  std::atomic<bool> paused{false};
  TcpConnectionPtr held;
  fixture.server().on_message(
      [&](const TcpConnectionPtr& connection, ReceiveBuffer& input, Timestamp) {
        lines += input.take(2);
        if (input.empty()) return;
        connection->pause_reading();
        held = connection;
        paused = true;
      });
  fixture.start();
  RawClient client(fixture.address());
  client.send("a\nb\n");
  ASSERT_TRUE(wait_until([&] { return paused.load(); }));
  // Both at once for the loop: it is asked to go on, and finds the peer's end.
  testing::run_on(fixture.base(), [&] {
    client.finish_writing();
    held->resume_reading();
    held.reset();
  });
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kPeerClosed));
  EXPECT_EQ(lines, "a\nb\n");
}

TEST(TcpConnectionReceive, WithoutACallbackInputIsDropped) {
  ServerFixture fixture;
  fixture.start();
  RawClient client(fixture.address());
  EXPECT_TRUE(client.send(pattern(3 * 1024 * 1024)));
  client.finish_writing();
  EXPECT_TRUE(client.sees_end());
  EXPECT_EQ(fixture.total(&NetCounters::bytes_received), 3U * 1024 * 1024);
}

}  // namespace
}  // namespace leat
