// What a connection may hold, however it comes.
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "leat/net/internal/send_queue.h"
#include "leat/net/tcp_server.h"

#include "support/raw_client.h"
#include "support/server_fixture.h"

namespace leat {
namespace {

using namespace std::chrono_literals;
using internal::SendQueue;
using testing::pattern;
using testing::RawClient;
using testing::ServerFixture;
using testing::wait_until;

constexpr std::size_t kBound = 4 * 1024 * 1024;

/// Sends to a client that never reads, in the given way, until the bound is passed; returns how
/// often that went well, and what was held just before the end.
struct Overflow {
  std::size_t sends = 0;
  std::size_t queued = 0;
  int error = 0;
};
template <typename Send>
Overflow overflow(Send send) {
  TcpServerOptions options;
  options.connection.max_buffered = kBound;
  options.connection.kernel_send_buffer = 8 * 1024;
  ServerFixture fixture(options);
  Overflow seen;
  fixture.server().on_connection([&](const TcpConnectionPtr& connection) {
    for (Result<void> sent; sent; sent = send(*connection)) {
      ++seen.sends;
      seen.queued = connection->queued_bytes();
      if (seen.sends > 1'000'000) return connection->abort();
      seen.error = 0;
    }
    seen.error = send(*connection).error().number();
  });
  fixture.start();
  const RawClient client(fixture.address(), 4096);
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kBufferLimit));
  return seen;
}

TEST(TcpConnectionBound, SharedPiecesCountWithTheirBookkeeping) {
  const auto owner = std::make_shared<int>(0);
  const Overflow seen = overflow([&](TcpConnection& c) { return c.send(owner, "x"); });
  EXPECT_GT(seen.sends, 1000u);
  EXPECT_LE(seen.sends, kBound / SendQueue::kPieceCost);
}

TEST(TcpConnectionBound, BlocksClosedEarlyCountWhole) {
  const auto owner = std::make_shared<int>(0);
  const Overflow seen = overflow([&](TcpConnection& c) {
    const Result<void> first = c.send("x");
    return first ? c.send(owner, "y") : first;
  });
  EXPECT_LE(seen.sends, kBound / EventLoop::kBlockSize + 2);
  EXPECT_LE(seen.queued, 2 * seen.sends) << "what the user asks for is bytes";
}

TEST(TcpConnectionBound, FilesCountThoughTheirBytesDoNot) {
  const auto file = std::make_shared<const UniqueFd>(::open("/proc/self/exe", O_RDONLY));
  ASSERT_TRUE(*file);
  const Overflow seen = overflow([&](TcpConnection& c) { return c.send_file(file, 0, 100'000); });
  EXPECT_GT(seen.sends, 1000u);
  EXPECT_LE(seen.sends, kBound / SendQueue::kFileCost);
}

TEST(TcpConnectionBound, EndlessFilesStopTheReading) {
  TcpServerOptions options;
  options.connection.high_water_mark = 64 * 1024;
  options.connection.low_water_mark = 16 * 1024;
  ServerFixture fixture(options);
  const auto file = std::make_shared<const UniqueFd>(::open("/proc/self/exe", O_RDONLY));
  fixture.server().on_message([&](const TcpConnectionPtr& c, ReceiveBuffer& input, Timestamp) {
    for (std::size_t i = 0; i < input.size(); ++i) c->send_file(file, 0, 500'000);
    input.consume_all();
  });
  std::atomic<int> high{0};
  fixture.server().on_high_water([&](const auto&, std::size_t) { ++high; });
  fixture.start();
  RawClient client(fixture.address(), 4096);
  // A request at a time, as from a client that does not read its answers.
  for (int i = 0; i < 500 && high == 0; ++i) {
    client.send("x");
    const auto wanted = static_cast<std::uint64_t>(i) + 1;
    ASSERT_TRUE(wait_until(
        [&] { return high > 0 || fixture.total(&NetCounters::bytes_received) >= wanted; }));
  }
  ASSERT_EQ(high, 1);
  const std::uint64_t received = fixture.total(&NetCounters::bytes_received);
  EXPECT_LE(received, 64u + 2) << "a KiB and some for each";
  client.send("xxxxxxxxxx");
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(fixture.total(&NetCounters::bytes_received), received) << "it is not read";
}

TEST(TcpConnectionBound, SendsOnTheirWayFromOtherThreadsCountEvenIfTheyAreEmpty) {
  TcpServerOptions options;
  options.connection.max_buffered = kBound;
  ServerFixture fixture(options);
  TcpConnectionPtr connection;
  std::atomic<bool> open{false};
  fixture.server().on_connection([&](const TcpConnectionPtr& c) {
    connection = c;
    open = true;
  });
  fixture.start();
  const RawClient client(fixture.address());
  ASSERT_TRUE(wait_until([&] { return open.load(); }));
  std::size_t sends = 0;
  Result<void> sent;
  // The loop is busy meanwhile, so nothing arrives.
  testing::run_on(fixture.base(), [&] {
    std::thread other([&] {
      while (sends < 1'000'000 && (sent = connection->send(std::string()))) ++sends;
    });
    other.join();
  });
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().number(), ENOBUFS);
  EXPECT_LE(sends, kBound / 64);
  EXPECT_EQ(connection->send("x").error().number(), EPIPE) << "it is about to end";
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kBufferLimit));
  fixture.destroy();
}

TEST(TcpConnectionBound, InputAndOutputCountTogether) {
  TcpServerOptions options;
  options.connection.max_buffered = kBound;
  options.connection.high_water_mark = kBound;
  options.connection.receive_limit = 600'000;
  options.connection.kernel_send_buffer = 8 * 1024;
  ServerFixture fixture(options);
  std::atomic<int> error{0};
  fixture.server().on_message([&](const TcpConnectionPtr& c, ReceiveBuffer& input, Timestamp) {
    // Nothing is consumed: a message that is not whole.
    if (input.size() < 600'000 || error != 0) return;
    EXPECT_TRUE(c->send(std::string(1'700'000, 'x')));
    // Together with the first one alone it would not.
    const Result<void> second = c->send(std::string(2'000'000, 'x'));
    error = second ? -1 : second.error().number();
  });
  fixture.start();
  RawClient client(fixture.address(), 4096);
  client.send(pattern(600'000));
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kBufferLimit));
  EXPECT_EQ(error, ENOBUFS);
}

}  // namespace
}  // namespace leat
