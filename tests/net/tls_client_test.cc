// TcpClient with TLS, and connections that go over to TLS in the middle.

#include <cerrno>
#include <chrono>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "leat/net/tcp_server.h"
#include "leat/net/tls_context.h"

#include "support/server_fixture.h"
#include "support/tcp_client_fixture.h"
#include "support/test_certificates.h"
#include "support/tls_raw_client.h"

namespace leat::testing {
namespace {

using namespace std::chrono_literals;

/// A client, and a server on the same loop.
class TlsClientTest : public TcpClientTest {
 protected:
  TlsClientTest() {
    certificate = files.make(
        "example",
        {.common_name = "example", .host_names = {"example.org"}, .addresses = {"127.0.0.1"}});
  }

  std::shared_ptr<TlsContext> server_context(TlsServerOptions options = {}) {
    options.certificates = {certificate};
    return TlsContext::server(std::move(options)).value();
  }
  std::shared_ptr<TlsContext> client_context() {
    return TlsContext::client({.ca_file = files.ca_file()}).value();
  }
  void serve(std::shared_ptr<TlsContext> tls) {
    TcpServerOptions options;
    options.tls = std::move(tls);
    server = std::make_unique<TcpServer>(*loop, options);
    server->on_message(echo);
    server->listen(InetAddress::loopback(0)).value();
    server->start().value();
    address = server->addresses().front();
  }
  TcpClientOptions with_tls(std::string name = "example.org") {
    TcpClientOptions options;
    options.tls = client_context();
    options.tls_server_name = std::move(name);
    return options;
  }
  bool wait_received(std::size_t size) {
    return run_until(*loop, [&] { return received.size() >= size; });
  }

  TestCertificates files;
  TlsCertificateFiles certificate;
  std::unique_ptr<TcpServer> server;
  InetAddress address;
};

TEST_F(TlsClientTest, ConnectsTalksAndDisconnects) {
  serve(server_context());
  make(address, with_tls());
  ASSERT_TRUE(client->connect());
  EXPECT_TRUE(client->is_connecting());
  when_open = [this] {
    ASSERT_TRUE(client->connection()->tls());
    EXPECT_EQ(client->connection()->tls()->peer_subject, "CN=example");
    client->connection()->send("hello");
  };
  ASSERT_TRUE(wait_received(5));
  EXPECT_EQ(received, "hello");
  EXPECT_FALSE(client->is_connecting());
  EXPECT_EQ(client->connect().error().number(), EISCONN);
  client->disconnect();
  ASSERT_TRUE(wait_for("close local_close"));
  EXPECT_TRUE(run_until(*loop, [&] { return server->connection_count() == 0; }));
  EXPECT_EQ(events, (Events{"open", "close local_close"}));
}

TEST_F(TlsClientTest, WithoutANameItChecksTheAddress) {
  serve(server_context());
  make(address, with_tls(""));
  ASSERT_TRUE(client->connect());
  EXPECT_TRUE(wait_for("open"));
}

TEST_F(TlsClientTest, AWrongServerIsAFailedAttempt) {
  serve(server_context());
  TcpClientOptions options = with_tls("example.com");
  options.retry = {.enabled = true, .initial = 1ms, .maximum = 2ms, .max_attempts = 3};
  make(address, options);
  ASSERT_TRUE(client->connect());
  ASSERT_TRUE(wait_for("failed 3"));
  EXPECT_EQ(events, (Events{"attempt 1", "attempt 2", "attempt 3", "failed 3"}));
  EXPECT_EQ(last_number, EKEYREJECTED);
  EXPECT_NE(last_error.find("ostname mismatch with " + address.to_string()), std::string::npos)
      << last_error;
  EXPECT_FALSE(client->is_connecting());
  EXPECT_FALSE(client->connection());
}

TEST_F(TlsClientTest, AServerThatSaysNothingIsAFailedAttempt) {
  const UniqueFd listener = plain_listener();
  TcpClientOptions options;
  options.tls =
      TlsContext::client({.insecure = true, .protocol = {.handshake_timeout = 50ms}}).value();
  make(bound(listener), options);
  ASSERT_TRUE(client->connect());
  ASSERT_TRUE(wait_for("failed 1"));
  EXPECT_EQ(last_number, ETIMEDOUT);
}

TEST_F(TlsClientTest, AServerThatSpeaksSomethingElseIsAFailedAttempt) {
  serve(nullptr);
  make(address, with_tls());
  ASSERT_TRUE(client->connect());
  // The echo of its own ClientHello.
  ASSERT_TRUE(wait_for("failed 1"));
  EXPECT_EQ(last_number, EPROTO);
}

TEST_F(TlsClientTest, DisconnectDuringTheHandshakeTellsNothing) {
  const UniqueFd listener = plain_listener();
  make(bound(listener), with_tls());
  ASSERT_TRUE(client->connect());
  const UniqueFd accepted = plain_accept(listener);
  ASSERT_TRUE(run_until(*loop, [&] { return client->counters().open.load() == 1; }));
  EXPECT_TRUE(client->is_connecting());
  EXPECT_FALSE(client->connection());
  client->disconnect();
  ASSERT_TRUE(run_until(*loop, [&] { return client->counters().open.load() == 0; }));
  settle();
  EXPECT_EQ(events, Events{});
  EXPECT_FALSE(client->is_connecting());
}

TEST_F(TlsClientTest, DestroyedDuringTheHandshake) {
  const UniqueFd listener = plain_listener();
  make(bound(listener), with_tls());
  ASSERT_TRUE(client->connect());
  const UniqueFd accepted = plain_accept(listener);
  ASSERT_TRUE(run_until(*loop, [&] { return client->counters().open.load() == 1; }));
  client.reset();
  settle();
  EXPECT_EQ(events, Events{});
}

TEST_F(TlsClientTest, ComesBackWithItsSession) {
  serve(server_context());
  TcpClientOptions options = with_tls();
  std::vector<bool> resumed;
  for (int visit = 0; visit < 4; ++visit) {
    make(address, options);
    received.clear();
    when_open = [this] { client->connection()->send("hello"); };
    ASSERT_TRUE(client->connect());
    // Tickets come with the first data at the latest.
    ASSERT_TRUE(wait_received(5));
    resumed.push_back(client->connection()->tls()->resumed);
    client->disconnect();
    ASSERT_TRUE(wait_for("close local_close"));
  }
  EXPECT_EQ(resumed, (std::vector<bool>{false, true, true, true}));
  EXPECT_EQ(server->counters().front()->tls_resumed.load(), 3u);
  EXPECT_EQ(server->counters().front()->tls_handshakes.load(), 4u);
}

TEST_F(TlsClientTest, AContextOfTheOtherKindIsRefused) {
  TcpClientOptions options;
  options.tls = server_context();
  make(free_address(), options);
  const Result<void> connecting = client->connect();
  ASSERT_FALSE(connecting);
  EXPECT_EQ(connecting.error().number(), EINVAL);
}

// In the middle, as by STARTTLS.

/// A server with one command that leads to TLS, and an echo behind it.
class StartTlsTest : public TlsClientTest {
 protected:
  void set_up(TcpServer& upgrading, const std::shared_ptr<TlsContext>& tls) {
    upgrading.on_message(
        [tls](const TcpConnectionPtr& connection, ReceiveBuffer& input, Timestamp time) {
          if (connection->tls()) {
            echo(connection, input, time);
            return;
          }
          if (!input.view().starts_with("STARTTLS\r\n")) return;
          input.consume(10);
          connection->send("220 go ahead\r\n");
          EXPECT_TRUE(connection->start_tls(tls, [](const TcpConnectionPtr& secured) {
            EXPECT_TRUE(secured->tls());
            secured->send("250 ");
          }));
          EXPECT_EQ(connection->start_tls(tls).error().number(), EALREADY);
          EXPECT_FALSE(connection->tls());
        });
    upgrading.on_error([this](const auto&, const Error& error) { server_error = error.message(); });
  }

  std::string server_error;
};

TEST_F(StartTlsTest, BothSidesOfOneConnection) {
  server = std::make_unique<TcpServer>(*loop);
  set_up(*server, server_context());
  server->listen(InetAddress::loopback(0)).value();
  server->start().value();
  make(server->addresses().front());
  const auto tls = client_context();
  when_open = [this] { client->connection()->send("STARTTLS\r\n"); };
  when_message = [&] {
    if (received != "220 go ahead\r\n") return;
    received.clear();
    const TcpConnectionPtr connection = client->connection();
    EXPECT_TRUE(connection->start_tls(
        tls, [](const TcpConnectionPtr& secured) { secured->send(", after it"); }, "example.org"));
    // Waits for the handshake.
    connection->send("sent before the handshake");
  };
  ASSERT_TRUE(client->connect());
  const std::string expected = "250 sent before the handshake, after it";
  ASSERT_TRUE(wait_received(expected.size()));
  EXPECT_EQ(received, expected);
  client->connection()->close();
  EXPECT_TRUE(wait_for("close local_close"));
}

TEST_F(StartTlsTest, AWrongServerEndsTheConnectionWithAnError) {
  server = std::make_unique<TcpServer>(*loop);
  set_up(*server, server_context());
  server->listen(InetAddress::loopback(0)).value();
  server->start().value();
  make(server->addresses().front());
  std::string error;
  when_open = [this] { client->connection()->send("STARTTLS\r\n"); };
  when_message = [this] {
    const TcpConnectionPtr connection = client->connection();
    EXPECT_FALSE(connection->start_tls(client_context()));
    EXPECT_TRUE(connection->start_tls(client_context(), {}, "example.com"));
  };
  client->on_error([&](const auto&, const Error& e) { error = e.message(); });
  ASSERT_TRUE(client->connect());
  ASSERT_TRUE(wait_for("close handshake_failed"));
  EXPECT_NE(error.find("ostname mismatch"), std::string::npos) << error;
  EXPECT_TRUE(run_until(*loop, [&] { return !server_error.empty(); }));
}

TEST_F(StartTlsTest, WordsInFrontOfTheHandshakeFailIt) {
  ServerFixture fixture;
  set_up(fixture.server(), server_context());
  fixture.start();
  RawClient socket(fixture.address());
  ASSERT_TRUE(socket.send("STARTTLS\r\nMAIL FROM: somebody else\r\n"));
  EXPECT_EQ(socket.read(14), "220 go ahead\r\n");
  const TlsRawClient client_of_victim(std::move(socket));
  EXPECT_FALSE(client_of_victim.connected());
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kHandshakeFailed));
  EXPECT_NE(server_error.find("TLS handshake: "), std::string::npos) << server_error;
}

TEST_F(StartTlsTest, AClientHelloInTheSamePacketIsUnderstood) {
  ServerFixture fixture;
  set_up(fixture.server(), server_context());
  fixture.start();
  // An eager client, which does not wait for the answer.
  BIO* memory = BIO_new(BIO_s_mem());
  const internal::SslCtxPtr context(SSL_CTX_new(TLS_client_method()));
  const internal::SslPtr ssl(SSL_new(context.get()));
  BIO* empty = BIO_new(BIO_s_mem());
  BIO_set_mem_eof_return(empty, -1);
  SSL_set_bio(ssl.get(), empty, memory);
  SSL_connect(ssl.get());
  char* hello = nullptr;
  const long size = BIO_get_mem_data(memory, &hello);
  RawClient socket(fixture.address());
  ASSERT_TRUE(socket.send("STARTTLS\r\n" + std::string(hello, static_cast<std::size_t>(size))));
  EXPECT_EQ(socket.read(14), "220 go ahead\r\n");
  // A ServerHello follows.
  EXPECT_EQ(socket.read(6).substr(0, 3), "\x16\x03\x03");
}

TEST_F(StartTlsTest, WhatWasQueuedInClearComesFirst) {
  ServerFixture fixture;
  const auto tls = server_context();
  const std::string large = pattern(3'000'000);
  fixture.server().on_message(
      [&](const TcpConnectionPtr& connection, ReceiveBuffer& input, Timestamp time) {
        if (connection->tls()) {
          echo(connection, input, time);
          return;
        }
        input.consume_all();
        connection->send(large);
        EXPECT_TRUE(connection->start_tls(tls));
        connection->send("ciphered");
      });
  fixture.start();
  RawClient socket(fixture.address(), 8'192);
  ASSERT_TRUE(socket.send("go"));
  EXPECT_TRUE(socket.read(large.size()) == large);
  TlsRawClient secured(std::move(socket));
  ASSERT_TRUE(secured.connected());
  EXPECT_EQ(secured.read(8), "ciphered");
  ASSERT_TRUE(secured.send("hello"));
  EXPECT_EQ(secured.read(5), "hello");
  secured.finish_writing();
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kPeerClosed));
  EXPECT_EQ(fixture.total(&NetCounters::bytes_sent), large.size() + 13);
}

TEST_F(StartTlsTest, ClosedDuringTheHandshake) {
  ServerFixture fixture;
  const auto tls = server_context();
  fixture.server().on_message(
      [&](const TcpConnectionPtr& connection, ReceiveBuffer& input, Timestamp) {
        input.consume(2);  // the ClientHello may be behind it
        EXPECT_TRUE(connection->start_tls(
            tls, [](const auto&) { ADD_FAILURE() << "it was closed before that"; }));
        connection->send("last words");
        connection->close();
      });
  fixture.start();
  RawClient socket(fixture.address());
  ASSERT_TRUE(socket.send("go"));
  TlsRawClient client_in_time(std::move(socket));
  EXPECT_EQ(client_in_time.read_to_end(), "last words");
  EXPECT_TRUE(client_in_time.saw_close_notify());
  client_in_time.finish_writing();
  EXPECT_TRUE(fixture.wait_closed(CloseReason::kLocalClose));
}

}  // namespace
}  // namespace leat::testing
