// TcpConnection over TLS: what the tests of plain connections hold, and what TLS adds.

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "leat/net/tcp_connection.h"

#include "support/server_fixture.h"
#include "support/tls_fixture.h"
#include "support/tls_raw_client.h"

namespace leat::testing {
namespace {

using namespace std::chrono_literals;

class TlsConnectionTest : public TlsFixture {
 protected:
  TcpServerOptions with_tls(TlsServerOptions tls = {}) {
    TcpServerOptions options;
    options.tls = server(std::move(tls));
    return options;
  }
  static std::shared_ptr<const UniqueFd> file_with(std::string_view bytes) {
    auto file = std::make_shared<UniqueFd>(::memfd_create("test", MFD_CLOEXEC));
    EXPECT_EQ(::write(file->get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    return file;
  }
};

TEST_F(TlsConnectionTest, EchoesSmallAndLarge) {
  ServerFixture fixture(with_tls());
  fixture.server().on_message(echo);
  fixture.start();
  TlsRawClient client(fixture.address());
  ASSERT_TRUE(client.connected());
  for (const std::size_t size : {1U, 64U, 8191U, 8192U, 16385U, 65536U, 300000U}) {
    const std::string sent = pattern(size, static_cast<unsigned>(size));
    std::thread sender([&] { EXPECT_TRUE(client.send(sent)); });
    // One thread at a time may use an SSL, so what is large is read when it was sent.
    sender.join();
    EXPECT_TRUE(client.read(size) == sent) << size;
  }
  EXPECT_EQ(fixture.total(&NetCounters::tls_handshakes), 1u);
}

TEST_F(TlsConnectionTest, TellsWhatWasAgreedOn) {
  ServerFixture fixture(with_tls({.protocol = {.alpn = {"echo"}}}));
  std::promise<std::optional<TlsInfo>> told;
  fixture.server().on_connection(
      [&](const auto& connection) { told.set_value(connection->tls()); });
  fixture.start();
  const TlsRawClient client(fixture.address());
  ASSERT_TRUE(client.connected());
  const std::optional<TlsInfo> info = told.get_future().get();
  ASSERT_TRUE(info);
  EXPECT_EQ(info->version, "TLSv1.3");
  EXPECT_EQ(info->server_name, "example.org");
  EXPECT_EQ(info->alpn, "");
  EXPECT_FALSE(info->resumed);
}

TEST_F(TlsConnectionTest, SendsFilesAndPiecesInOrder) {
  const std::string content = pattern(1'000'000, 5);
  const auto file = file_with(content);
  ServerFixture fixture(with_tls());
  fixture.server().on_message([&](const auto& connection, ReceiveBuffer& input, Timestamp) {
    input.consume_all();
    connection->send("<");
    connection->send_file(file, 0, content.size());
    connection->send("|");
    auto large = std::make_shared<const std::string>(pattern(100'000, 6));
    connection->send(large, *large);
    connection->send_file(file, 10, 5);
    connection->send(">");
    connection->close();
  });
  fixture.start();
  TlsRawClient client(fixture.address());
  ASSERT_TRUE(client.send("go"));
  const std::string expected =
      "<" + content + "|" + pattern(100'000, 6) + content.substr(10, 5) + ">";
  EXPECT_TRUE(client.read_to_end() == expected);
  EXPECT_TRUE(client.saw_close_notify());
  client.finish_writing();
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kLocalClose));
  EXPECT_EQ(fixture.total(&NetCounters::bytes_sent), expected.size());
}

TEST_F(TlsConnectionTest, AFileThatIsTooShortEndsIt) {
  ServerFixture fixture(with_tls());
  const auto file = file_with("short");
  fixture.server().on_connection(
      [&](const auto& connection) { connection->send_file(file, 0, 100); });
  fixture.start();
  TlsRawClient client(fixture.address());
  static_cast<void>(client.read_to_end());
  EXPECT_FALSE(client.saw_close_notify());
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kFileTruncated));
}

TEST_F(TlsConnectionTest, HalfCloseLetsTheServerAnswerLater) {
  ServerFixture fixture(with_tls());
  std::string request;
  fixture.server().on_message(
      [&](const auto&, ReceiveBuffer& input, Timestamp) { request += input.take_all(); });
  fixture.server().on_half_close([&](const TcpConnectionPtr& connection) {
    connection->loop().run_after(5ms, [connection, &request] {
      EXPECT_TRUE(connection->send("got " + request));
      connection->shutdown();
    });
  });
  fixture.start();
  TlsRawClient client(fixture.address());
  ASSERT_TRUE(client.send("question"));
  client.finish_writing();
  EXPECT_EQ(client.read_to_end(), "got question");
  EXPECT_TRUE(client.saw_close_notify());
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kPeerClosed));
}

TEST_F(TlsConnectionTest, ACutStreamIsNoHalfClose) {
  ServerFixture fixture(with_tls());
  std::atomic<int> half_closed = 0;
  std::string received;
  fixture.server().on_message(
      [&](const auto&, ReceiveBuffer& input, Timestamp) { received += input.take_all(); });
  fixture.server().on_half_close([&](const auto&) { ++half_closed; });
  fixture.start();
  TlsRawClient client(fixture.address());
  ASSERT_TRUE(client.send("pay 1000"));
  client.socket().finish_writing();  // somebody on the way, who has no keys
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kTruncated));
  EXPECT_EQ(received, "pay 1000");
  EXPECT_EQ(half_closed, 0);
}

TEST_F(TlsConnectionTest, AfterOurCloseACutIsTheEnd) {
  ServerFixture fixture(with_tls());
  fixture.server().on_connection([](const auto& connection) {
    connection->send("bye");
    connection->close();
  });
  fixture.start();
  TlsRawClient client(fixture.address());
  EXPECT_EQ(client.read_to_end(), "bye");
  client.socket().close();
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kLocalClose));
}

TEST_F(TlsConnectionTest, APausedReaderLosesNothing) {
  TcpServerOptions options = with_tls();
  options.connection.receive_limit = 5'000;
  ServerFixture fixture(options);
  std::string received;
  fixture.server().on_message([&](const auto& connection, ReceiveBuffer& input, Timestamp) {
    // A little at a time, with pauses of both kinds.
    received += input.take(std::min<std::size_t>(input.size(), 3'000));
    connection->pause_reading();
    connection->loop().run_after(100us, [connection] { connection->resume_reading(); });
  });
  fixture.start();
  TlsRawClient client(fixture.address());
  const std::string sent = pattern(400'000);
  std::thread sender([&] {
    EXPECT_TRUE(client.send(sent));
    client.finish_writing();
  });
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kPeerClosed));
  sender.join();
  EXPECT_TRUE(received == sent);
}

TEST_F(TlsConnectionTest, ASlowReaderBoundsWhatIsQueued) {
  TcpServerOptions options = with_tls();
  options.connection.high_water_mark = 200'000;
  options.connection.low_water_mark = 50'000;
  options.connection.kernel_send_buffer = 16'384;
  ServerFixture fixture(options);
  constexpr std::size_t kTotal = 8'000'000;
  std::size_t produced = 0;
  std::size_t largest = 0;
  const auto produce = [&](const TcpConnectionPtr& connection) {
    while (produced < kTotal && connection->queued_bytes() < 150'000) {
      connection->send(pattern(10'000, static_cast<unsigned>(produced / 10'000)));
      produced += 10'000;
      largest = std::max(largest, connection->queued_bytes());
    }
    if (produced == kTotal && connection->is_open()) connection->close();
  };
  fixture.server().on_connection(produce);
  fixture.server().on_write_complete(produce);
  fixture.start();
  TlsRawClient client(fixture.address(), 8'192);
  ASSERT_TRUE(client.connected());
  bool all_good = true;
  for (std::size_t at = 0; at < kTotal; at += 10'000) {
    all_good =
        all_good && client.read(10'000) == pattern(10'000, static_cast<unsigned>(at / 10'000));
  }
  EXPECT_TRUE(all_good);
  EXPECT_EQ(client.read_to_end(), "");
  EXPECT_TRUE(client.saw_close_notify());
  client.finish_writing();
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kLocalClose));
  EXPECT_LT(largest, 400'000u);
}

TEST_F(TlsConnectionTest, APeerThatTakesSlowlyIsNotCutAndASilentOneIs) {
  TcpServerOptions options = with_tls();
  options.connection.write_timeout = 300ms;
  options.connection.linger_timeout = 300ms;
  options.connection.kernel_send_buffer = 8'192;
  ServerFixture fixture(options);
  fixture.server().on_connection([](const auto& connection) {
    connection->send(std::string(150'000, 'x'));
    connection->close();
  });
  fixture.start();
  TlsRawClient silent(fixture.address(), 4'096);
  TlsRawClient slow(fixture.address(), 4'096);
  ASSERT_TRUE(slow.connected());
  std::size_t taken = 0;
  while (taken < 150'000) {
    const std::string got = slow.read(3'000);
    if (got.empty()) break;
    taken += got.size();
    std::this_thread::sleep_for(20ms);  // slower than its limit for all, yet never still so long
  }
  EXPECT_EQ(taken, 150'000u);
  // close() has been called, so the silent one is cut by linger_timeout or write_timeout.
  EXPECT_TRUE(wait_until([&] {
    return fixture.closed(CloseReason::kWriteTimeout) +
               fixture.closed(CloseReason::kLingerTimeout) ==
           1;
  }));
}

TEST_F(TlsConnectionTest, ManySendsInOneCallbackAreOneRecord) {
  ServerFixture fixture(with_tls());
  fixture.server().on_message([](const auto& connection, ReceiveBuffer& input, Timestamp) {
    for (const char byte : input.take_all()) connection->send(std::string_view(&byte, 1));
  });
  fixture.start();
  TlsRawClient client(fixture.address());
  ASSERT_TRUE(client.send(pattern(1'000)));
  // One record is what one call of SSL_read gives.
  std::string room(2'000, '\0');
  std::size_t got = 0;
  ASSERT_EQ(SSL_read_ex(client.ssl(), room.data(), room.size(), &got), 1);
  EXPECT_EQ(got, 1'000u);
}

TEST_F(TlsConnectionTest, SendsOfOtherThreadsDuringTheHandshakeFollowIt) {
  ServerFixture fixture(with_tls());
  fixture.start();
  RawClient socket(fixture.address());
  ASSERT_TRUE(wait_until([&] { return fixture.server().connection_count() == 1; }));
  fixture.server().for_each_connection([](const TcpConnectionPtr& connection) {
    EXPECT_FALSE(connection->tls());
    EXPECT_TRUE(connection->send("early bird"));
  });
  TlsRawClient client(std::move(socket));
  EXPECT_EQ(client.read(10), "early bird");
}

TEST_F(TlsConnectionTest, ReloadsWhileItServes) {
  const TcpServerOptions options = with_tls();
  ServerFixture fixture(options);
  fixture.server().on_message(echo);
  fixture.start();
  const auto subject = [](TlsRawClient& client) {
    X509* const certificate = SSL_get0_peer_certificate(client.ssl());
    return certificate != nullptr ? internal::subject_of(*certificate) : "";
  };
  TlsRawClient before(fixture.address());
  files.make("example", {.common_name = "renewed"});
  ASSERT_TRUE(options.tls->reload());
  TlsRawClient after(fixture.address());
  EXPECT_EQ(subject(before), "CN=example");
  EXPECT_EQ(subject(after), "CN=renewed");
  EXPECT_TRUE(before.send("still"));
  EXPECT_EQ(before.read(5), "still");
}

TEST_F(TlsConnectionTest, AStopLetsHandshakesFinish) {
  ServerFixture fixture(with_tls());
  std::atomic<int> opened = 0;
  fixture.server().on_connection([&](const auto& connection) {
    ++opened;
    connection->send("served");
  });
  fixture.start();
  RawClient socket(fixture.address());
  RawClient silent(fixture.address());
  ASSERT_TRUE(wait_until([&] { return fixture.server().connection_count() == 2; }));
  std::promise<StopReport> stopped;
  fixture.server().stop(2s, [&](const StopReport& report) { stopped.set_value(report); });
  TlsRawClient client(std::move(socket));
  EXPECT_EQ(client.read_to_end(), "served");
  EXPECT_TRUE(client.saw_close_notify());
  client.finish_writing();
  const StopReport report = stopped.get_future().get();
  EXPECT_EQ(report.drained, 1u);
  EXPECT_EQ(report.cut, 1u);
  EXPECT_EQ(opened, 1);
}

TEST_F(TlsConnectionTest, StaysOnItsLoop) {
  TcpServerOptions options = with_tls();
  options.loops = 2;
  ServerFixture fixture(options);
  std::atomic<bool> tried{false};
  fixture.server().on_message([&](const TcpConnectionPtr& connection, ReceiveBuffer& input, auto) {
    const EventLoop* const before = &connection->loop();
    for (EventLoop* const loop : fixture.server().loops()) {
      const Result<void> refused = connection->move_to(*loop, [](const auto&, const auto&) {
        ADD_FAILURE() << "a call that failed called back";
      });
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().number(), ENOTSUP);
      EXPECT_EQ(refused.error().context(), "move_to: a connection with TLS stays on its loop");
    }
    EXPECT_EQ(&connection->loop(), before);
    connection->send(input.view());
    input.consume_all();
    tried = true;
  });
  fixture.start();
  TlsRawClient client(fixture.address());
  EXPECT_TRUE(client.send("hello"));
  EXPECT_EQ(client.read(5), "hello");
  EXPECT_TRUE(tried);
}

TEST_F(TlsConnectionTest, AContextOfTheOtherKindIsRefused) {
  TcpServerOptions options;
  options.tls = client();
  ServerFixture fixture(options);
  run_on(fixture.base(), [&] {
    const Result<void> started = fixture.server().start();
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().number(), EINVAL);
  });
}

}  // namespace
}  // namespace leat::testing
