// A server with TLS among clients that do not keep to it.

#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "leat/net/tcp_connection.h"

#include "support/server_fixture.h"
#include "support/tls_fixture.h"
#include "support/tls_raw_client.h"

namespace leat::testing {
namespace {

using namespace std::chrono_literals;
using std::string_view_literals::operator""sv;

class TlsServerFaultsTest : public TlsFixture {
 protected:
  std::unique_ptr<ServerFixture> start(TlsServerOptions tls = {}, TcpServerOptions options = {}) {
    options.tls = server(std::move(tls));
    auto fixture = std::make_unique<ServerFixture>(options);
    fixture->server().on_connection([this](const auto&) { ++opened; });
    fixture->server().on_error([this](const auto&, const Error& error) {
      const std::lock_guard lock(mutex);
      last_error = error.message();
    });
    fixture->server().on_close([this](const auto&, CloseReason) { ++closed; });
    fixture->server().on_message(echo);
    fixture->start();
    return fixture;
  }
  /// The first flight of a client.
  std::string hello() {
    TlsPair pair(*client(), *server());
    pair.client.go_on();
    return pair.client.take_output();
  }

  std::atomic<int> opened = 0;
  std::atomic<int> closed = 0;
  std::mutex mutex;
  std::string last_error;
};

TEST_F(TlsServerFaultsTest, ASilentClientIsCutInTime) {
  const auto fixture = start({.protocol = {.handshake_timeout = 100ms}});
  RawClient silent(fixture->address());
  RawClient half(fixture->address());
  ASSERT_TRUE(half.send(hello().substr(0, 100)));
  EXPECT_TRUE(fixture->wait_closed(CloseReason::kHandshakeFailed, 2));
  EXPECT_EQ(silent.read_to_end(), "");
  // Nobody was told of connections that never were.
  EXPECT_EQ(opened, 0);
  EXPECT_EQ(closed, 0);
  EXPECT_EQ(fixture->total(&NetCounters::tls_failed), 2u);
  EXPECT_EQ(fixture->total(&NetCounters::tls_handshakes), 0u);
  EXPECT_EQ(fixture->server().connection_count(), 0u);
  // The others are served as ever.
  TlsRawClient good(fixture->address());
  ASSERT_TRUE(good.send("hello"));
  EXPECT_EQ(good.read(5), "hello");
}

TEST_F(TlsServerFaultsTest, SendingSlowlyGainsNoTime) {
  const auto fixture = start({.protocol = {.handshake_timeout = 200ms}});
  RawClient slow(fixture->address());
  const std::string bytes = hello();
  for (const char byte : bytes) {
    if (!slow.send(std::string_view(&byte, 1))) break;
    if (fixture->closed(CloseReason::kHandshakeFailed) == 1) break;
    std::this_thread::sleep_for(5ms);
  }
  EXPECT_TRUE(fixture->wait_closed(CloseReason::kHandshakeFailed));
}

TEST_F(TlsServerFaultsTest, WhatIsNotTlsGetsAnAlertAndTheEnd) {
  const auto fixture = start();
  RawClient http(fixture->address());
  ASSERT_TRUE(http.send("GET / HTTP/1.1\r\n\r\n"));
  EXPECT_LE(http.read_to_end().size(), 7u);
  RawClient old(fixture->address());
  ASSERT_TRUE(
      old.send("\x16\x03\x01\x00\x31\x01\x00\x00\x2d\x03\x02"
               "0123456789abcdef0123456789abcdef"
               "\x00\x00\x06\xc0\x13\x00\x2f\x00\x0a\x01\x00"sv));
  // Fatal, protocol_version (70).
  const std::string answer = old.read_to_end();
  ASSERT_EQ(answer.size(), 7u);
  EXPECT_EQ(answer.substr(5), "\x02\x46");
  EXPECT_TRUE(fixture->wait_closed(CloseReason::kHandshakeFailed, 2));
  EXPECT_EQ(opened, 0);
}

TEST_F(TlsServerFaultsTest, AnAbruptEndAtEveryStage) {
  const auto fixture = start({.protocol = {.handshake_timeout = 20s}});
  const std::string bytes = hello();
  for (const bool resets : {false, true}) {
    for (std::size_t at = 0; at <= bytes.size(); at += 13) {
      RawClient client(fixture->address());
      ASSERT_TRUE(client.send(std::string_view(bytes).substr(0, at)));
      if (resets) client.reset();
    }
    RawClient answered(fixture->address());
    ASSERT_TRUE(answered.send(bytes));
    EXPECT_FALSE(answered.read(1).empty());
    if (resets) answered.reset();
  }
  TlsRawClient established(fixture->address());
  ASSERT_TRUE(established.send("x"));
  ASSERT_EQ(established.read(1), "x");
  established.socket().reset();
  EXPECT_TRUE(wait_until([&] { return fixture->server().connection_count() == 0; }));
  EXPECT_TRUE(fixture->wait_closed(CloseReason::kReset));
  EXPECT_EQ(opened, 1);
  EXPECT_EQ(closed, 1);
}

TEST_F(TlsServerFaultsTest, DamagedRecordsEndTheConnection) {
  const auto fixture = start();
  TlsRawClient client(fixture->address());
  ASSERT_TRUE(client.send("good"));
  EXPECT_EQ(client.read(4), "good");
  ASSERT_TRUE(client.socket().send("\x17\x03\x03\x00\x20 not what the key would have made!!"sv));
  EXPECT_TRUE(fixture->wait_closed(CloseReason::kError));
  const std::lock_guard lock(mutex);
  EXPECT_NE(last_error.find("TLS: decryption failed or bad record mac with 127.0.0.1"),
            std::string::npos)
      << last_error;
}

TEST_F(TlsServerFaultsTest, APeerThatNeverReadsItsAnswersIsNotReadAnyMore) {
  // Key updates that ask for one in return, with a byte of data each so that they are allowed.
  TcpServerOptions options;
  options.connection.kernel_send_buffer = 8'192;
  TlsServerOptions tls;
  options.tls = server(tls);
  ServerFixture fixture(options);
  std::atomic<std::size_t> received = 0;
  fixture.server().on_message([&](const auto&, ReceiveBuffer& input, Timestamp) {
    received += input.size();
    input.consume_all();
  });
  fixture.start();
  TlsRawClient client(fixture.address(), 4'096);
  ASSERT_TRUE(client.connected());
  const int small = 4'096;
  ::setsockopt(client.socket().fd(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  const timeval short_limit{.tv_sec = 0, .tv_usec = 300'000};
  ::setsockopt(client.socket().fd(), SOL_SOCKET, SO_SNDTIMEO, &short_limit, sizeof short_limit);
  std::size_t updates = 0;
  while (updates < 200'000) {
    if (SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED) != 1 || !client.send("x")) break;
    ++updates;
  }
  EXPECT_LT(updates, 200'000u);
  std::size_t held = 0;
  std::promise<void> looked;
  fixture.server().for_each_connection([&](const TcpConnectionPtr& connection) {
    held = connection->queued_bytes();
    looked.set_value();
  });
  looked.get_future().wait();
  EXPECT_GT(held, 100'000u);
  EXPECT_LT(held, 300'000u);
}

TEST_F(TlsServerFaultsTest, AFullServerCountsHandshakesToo) {
  TcpServerOptions options;
  options.max_connections_per_loop = 4;
  const auto fixture = start({.protocol = {.handshake_timeout = 300ms}}, options);
  std::vector<RawClient> silent;
  for (int i = 0; i < 12; ++i) silent.emplace_back(fixture->address());
  ASSERT_TRUE(wait_until([&] { return fixture->server().connection_count() == 4; }));
  TlsRawClient good(fixture->address());
  EXPECT_TRUE(good.connected());
}

TEST_F(TlsServerFaultsTest, ACrowdOfHandshakesTakesTurnsWithTheOthers) {
  constexpr std::size_t kCrowd = 64;
  const auto fixture = start();
  std::vector<RawClient> crowd;
  for (std::size_t i = 0; i < kCrowd; ++i) crowd.emplace_back(fixture->address());
  ASSERT_TRUE(wait_until([&] { return fixture->server().connection_count() == kCrowd; }));
  const std::string bytes = hello();
  std::uint64_t before = 0;
  // While the loop is busy they all say hello.
  run_on(fixture->base(), [&] {
    for (RawClient& client : crowd) EXPECT_TRUE(client.send(bytes));
    before = fixture->base().counters().iterations.load();
  });
  for (RawClient& client : crowd) EXPECT_FALSE(client.read(1).empty());
  std::uint64_t after = 0;
  run_on(fixture->base(), [&] { after = fixture->base().counters().iterations.load(); });
  EXPECT_GE(after - before, kCrowd / 8);
}

}  // namespace
}  // namespace leat::testing
