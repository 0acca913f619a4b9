#include "leat/net/internal/tls_engine.h"

#include <cerrno>
#include <string>

#include <gtest/gtest.h>

#include "leat/base/random.h"

#include "support/tls_fixture.h"

namespace leat::testing {
namespace {

class TlsEngineTest : public TlsFixture {
 protected:
  /// The subject of the certificate that a client sees, asking for `name`; or why it sees none.
  std::string shown(TlsContext& client_context, TlsContext& server_context, std::string_view name) {
    TlsPair pair(client_context, server_context, name);
    pair.run();
    return pair.is_established() ? pair.client.engine->info().peer_subject : pair.client.error();
  }
};

TEST_F(TlsEngineTest, CarriesDataBothWays) {
  const auto of_client = client();
  const auto of_server = server();
  TlsPair pair(*of_client, *of_server);
  pair.run();
  ASSERT_TRUE(pair.is_established());
  ASSERT_TRUE(pair.client.engine->write("a question"));
  pair.run();
  ASSERT_TRUE(pair.server.engine->write("an answer"));
  pair.run();
  EXPECT_EQ(pair.server.received, "a question");
  EXPECT_EQ(pair.client.received, "an answer");
  const TlsInfo info = pair.server.engine->info();
  EXPECT_EQ(info.version, "TLSv1.3");
  EXPECT_EQ(info.server_name, "example.org");
  EXPECT_FALSE(info.cipher.empty());
  EXPECT_FALSE(info.resumed);
  EXPECT_EQ(info.peer_subject, "");
  EXPECT_EQ(pair.client.engine->info().peer_subject, "CN=example");
}

TEST_F(TlsEngineTest, EverySplitOfTheStreamIsTheSame) {
  Random random(7);
  std::string large(200'000, '\0');
  for (char& c : large) c = static_cast<char>(random());
  for (const bool old : {false, true}) {
    const auto of_client = client();
    const auto of_server = old ? aged(server()) : server();
    for (const std::size_t piece : {1u, 2u, 3u, 5u, 7u, 61u, 1400u, 16'389u, 65'536u}) {
      SCOPED_TRACE(piece);
      TlsPair pair(*of_client, *of_server);
      pair.run(piece);
      ASSERT_TRUE(pair.is_established());
      ASSERT_TRUE(pair.client.engine->write(large));
      pair.run(piece);
      ASSERT_TRUE(pair.server.engine->write(large));
      pair.server.engine->close_notify();
      pair.run(piece);
      EXPECT_TRUE(pair.server.received == large);
      EXPECT_TRUE(pair.client.received == large);
      EXPECT_EQ(pair.client.status, Status::kEnded);
      EXPECT_EQ(pair.server.status, Status::kMore);
    }
  }
}

TEST_F(TlsEngineTest, InputThatIsNotReadIsKept) {
  const auto of_client = client();
  const auto of_server = server();
  TlsPair pair(*of_client, *of_server);
  pair.run();
  ASSERT_TRUE(pair.client.engine->write(std::string(40'000, 'a')));
  internal::TlsEngine& engine = *pair.server.engine;
  {
    const std::string bytes = pair.client.take_output();
    engine.feed(bytes);
    engine.keep_input();
  }
  EXPECT_GT(engine.input_bytes(), 40'000u);
  std::string all;
  std::array<char, 1000> room;
  for (;;) {
    const auto read = engine.read(room);
    if (read.status != Status::kOk) break;
    all.append(room.data(), read.size);
  }
  EXPECT_TRUE(all == std::string(40'000, 'a'));
  EXPECT_EQ(engine.input_bytes(), 0u);
}

TEST_F(TlsEngineTest, EitherEndMayFinishAndGoOnReading) {
  const auto of_client = client();
  const auto of_server = server();
  TlsPair pair(*of_client, *of_server);
  pair.run();
  ASSERT_TRUE(pair.client.engine->write("all I have"));
  pair.client.engine->close_notify();
  pair.run();
  EXPECT_EQ(pair.server.received, "all I have");
  EXPECT_EQ(pair.server.status, Status::kEnded);
  ASSERT_TRUE(pair.server.engine->write("thank you"));
  pair.server.engine->close_notify();
  pair.run();
  EXPECT_EQ(pair.client.received, "thank you");
  EXPECT_EQ(pair.client.status, Status::kEnded);
}

TEST_F(TlsEngineTest, ACutStreamIsToldFromAnOrderlyEnd) {
  const auto of_client = client();
  const auto of_server = server();
  TlsPair pair(*of_client, *of_server);
  pair.run();
  ASSERT_TRUE(pair.client.engine->write("half of what I wanted to s"));
  pair.run();
  pair.server.engine->end_input();
  pair.server.go_on();
  EXPECT_EQ(pair.server.received, "half of what I wanted to s");
  ASSERT_EQ(pair.server.status, Status::kFailed);
  EXPECT_EQ(pair.server.engine->error().number(), ECONNRESET);
  EXPECT_NE(pair.server.error().find("without close_notify"), std::string::npos);

  TlsPair orderly(*of_client, *of_server);
  orderly.run();
  orderly.client.engine->close_notify();
  orderly.run();
  orderly.server.engine->end_input();
  orderly.server.go_on();
  EXPECT_EQ(orderly.server.status, Status::kEnded);
}

TEST_F(TlsEngineTest, ShowsTheCertificateOfTheNameAskedFor) {
  TlsServerOptions options;
  options.certificates = {
      files.make("first", {.common_name = "first", .host_names = {"first.test"}}),
      files.make("wild", {.common_name = "wild", .host_names = {"*.second.test"}}),
      files.make("exact", {.common_name = "exact", .host_names = {"www.second.test"}}),
      files.make("renamed", {.common_name = "renamed", .host_names = {"third.test"}})};
  options.certificates.back().host_names = {"Fourth.test"};
  const auto of_server = server(options);
  const auto anybody = client({.insecure = true});
  EXPECT_EQ(shown(*anybody, *of_server, "first.test"), "CN=first");
  EXPECT_EQ(shown(*anybody, *of_server, "a.second.test"), "CN=wild");
  EXPECT_EQ(shown(*anybody, *of_server, "A.SECOND.test."), "CN=wild");
  EXPECT_EQ(shown(*anybody, *of_server, "www.second.test"), "CN=exact");
  EXPECT_EQ(shown(*anybody, *of_server, "fourth.test"), "CN=renamed");
  // The first is for all others: a star stands for one label, and never for none.
  EXPECT_EQ(shown(*anybody, *of_server, "third.test"), "CN=first");
  EXPECT_EQ(shown(*anybody, *of_server, "second.test"), "CN=first");
  EXPECT_EQ(shown(*anybody, *of_server, "a.b.second.test"), "CN=first");
  EXPECT_EQ(shown(*anybody, *of_server, ""), "CN=first");
  EXPECT_EQ(shown(*anybody, *of_server, "127.0.0.1"), "CN=first");

  options.refuse_unknown_names = true;
  const auto strict = server(options);
  EXPECT_EQ(shown(*anybody, *strict, "a.second.test"), "CN=wild");
  EXPECT_EQ(shown(*anybody, *strict, ""), "CN=first");
  EXPECT_NE(shown(*anybody, *strict, "third.test").find("unrecognized name"), std::string::npos);
}

TEST_F(TlsEngineTest, TwoKindsOfKeysForOneName) {
  TlsServerOptions options;
  options.certificates = {
      files.make("rsa", {.common_name = "rsa", .host_names = {"example.org"}, .rsa = true}),
      files.make("ec", {.common_name = "ec", .host_names = {"example.org"}})};
  const auto of_server = server(options);
  // A client of TLS 1.2 says by its ciphers which keys it can check.
  const auto of_rsa = aged(client({.protocol = {.ciphers = "ECDHE-RSA-AES128-GCM-SHA256"}}));
  const auto of_ec = aged(client({.protocol = {.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256"}}));
  EXPECT_EQ(shown(*of_rsa, *of_server, "example.org"), "CN=rsa");
  EXPECT_EQ(shown(*of_ec, *of_server, "example.org"), "CN=ec");
  // Both are there for clients that ask for no name as well.
  const auto anybody_rsa =
      aged(client({.insecure = true, .protocol = {.ciphers = "ECDHE-RSA-AES128-GCM-SHA256"}}));
  EXPECT_EQ(shown(*anybody_rsa, *of_server, ""), "CN=rsa");
  const auto anybody_ec =
      aged(client({.insecure = true, .protocol = {.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256"}}));
  EXPECT_EQ(shown(*anybody_ec, *of_server, ""), "CN=ec");
}

TEST_F(TlsEngineTest, ChoosesAProtocol) {
  const auto of_server = server({.protocol = {.alpn = {"h2", "http/1.1"}}});
  const auto without = server();
  const auto wanting = [this](std::vector<std::string> protocols) {
    return client({.protocol = {.alpn = std::move(protocols)}});
  };
  const auto chosen = [](TlsContext& of_client, TlsContext& server_context) {
    TlsPair pair(of_client, server_context);
    pair.run();
    EXPECT_TRUE(pair.is_established());
    const std::string alpn = pair.server.engine->info().alpn;
    EXPECT_EQ(pair.client.engine->info().alpn, alpn);
    return alpn;
  };
  EXPECT_EQ(chosen(*wanting({"http/1.1", "h2"}), *of_server), "h2");
  EXPECT_EQ(chosen(*wanting({"spdy/3", "http/1.1"}), *of_server), "http/1.1");
  EXPECT_EQ(chosen(*wanting({}), *of_server), "");
  EXPECT_EQ(chosen(*wanting({"h2"}), *without), "");

  TlsPair nothing_in_common(*wanting({"smtp"}), *of_server);
  nothing_in_common.run();
  EXPECT_EQ(nothing_in_common.server.status, Status::kFailed);
  EXPECT_NE(nothing_in_common.client.error().find("no application protocol"), std::string::npos)
      << nothing_in_common.client.error();
}

}  // namespace
}  // namespace leat::testing
