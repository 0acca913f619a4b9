#include <chrono>
#include <filesystem>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "leat/net/internal/tls_session_cache.h"
#include "leat/net/internal/tls_ticket_keys.h"

#include "support/tls_fixture.h"

namespace leat::testing {
namespace {

/// With TLS 1.2 and with 1.3.
class TlsResumptionTest : public TlsFixture, public ::testing::WithParamInterface<bool> {
 protected:
  ContextPtr server(TlsServerOptions options = {}) {
    const ContextPtr made = TlsFixture::server(std::move(options));
    return GetParam() ? aged(made) : made;
  }
  /// After a reload the settings are new.
  static void reload(TlsContext& context) {
    ASSERT_TRUE(context.reload());
    if (!GetParam()) return;
    SSL_CTX_set_max_proto_version(context.core().settings()->context(), TLS1_2_VERSION);
  }
  static bool resumes(TlsContext& of_client, TlsContext& of_server,
                      std::string_view name = "example.org") {
    TlsPair pair(of_client, of_server, name);
    pair.run();
    EXPECT_TRUE(pair.is_established());
    if (!pair.is_established()) return false;
    // Data still goes through.
    EXPECT_TRUE(pair.client.engine->write("hello"));
    pair.run();
    EXPECT_EQ(pair.server.received, "hello");
    const bool resumed = pair.client.engine->info().resumed;
    EXPECT_EQ(pair.server.engine->info().resumed, resumed);
    EXPECT_EQ(pair.server.engine->info().server_name, name);
    return resumed;
  }
};

TEST_P(TlsResumptionTest, EveryVisitAfterTheFirst) {
  const auto of_client = client();
  const auto of_server = server();
  EXPECT_FALSE(resumes(*of_client, *of_server));
  for (int visit = 0; visit < 8; ++visit) EXPECT_TRUE(resumes(*of_client, *of_server)) << visit;
  EXPECT_FALSE(resumes(*of_client, *of_server, "www.example.org"));
  EXPECT_FALSE(resumes(*client(), *of_server));
}

TEST_P(TlsResumptionTest, CanBeSwitchedOffOnEitherSide) {
  const auto of_client = client();
  const auto without = server({.session_lifetime = std::chrono::seconds(0)});
  for (int visit = 0; visit < 3; ++visit) EXPECT_FALSE(resumes(*of_client, *without));
  const auto forgetful = client({.remembered_servers = 0});
  const auto of_server = server();
  for (int visit = 0; visit < 3; ++visit) EXPECT_FALSE(resumes(*forgetful, *of_server));
}

TEST_P(TlsResumptionTest, SurvivesAReload) {
  const auto of_client = client();
  const auto of_server = server();
  EXPECT_FALSE(resumes(*of_client, *of_server));
  files.make("example", {.common_name = "renewed", .host_names = {"example.org"}});
  reload(*of_server);
  EXPECT_TRUE(resumes(*of_client, *of_server));
  ASSERT_TRUE(of_client->reload());
  EXPECT_TRUE(resumes(*of_client, *of_server));
}

TEST_P(TlsResumptionTest, EndsWhenTheServersRootsChange) {
  const TlsCertificateFiles own = files.make("client", {.common_name = "a friend"});
  const auto of_client = client({.certificate = own});
  std::filesystem::copy_file(files.ca_file(), files.path("roots.pem"));
  const auto of_server = server({.client_certificates = ClientCertificates::kRequired,
                                 .client_ca_file = files.path("roots.pem")});
  EXPECT_FALSE(resumes(*of_client, *of_server));
  EXPECT_TRUE(resumes(*of_client, *of_server));
  {
    TlsPair pair(*of_client, *of_server);
    pair.run();
    EXPECT_TRUE(pair.server.engine->info().resumed);
    EXPECT_EQ(pair.server.engine->info().peer_subject, "CN=a friend");
  }
  const TestCertificates others;
  std::filesystem::copy_file(others.ca_file(), files.path("roots.pem"),
                             std::filesystem::copy_options::overwrite_existing);
  reload(*of_server);
  TlsPair refused(*of_client, *of_server);
  refused.run();
  EXPECT_FALSE(refused.server.is_established());
}

TEST_P(TlsResumptionTest, AClientForgetsWhenItsOwnRootsChange) {
  std::filesystem::copy_file(files.ca_file(), files.path("roots.pem"));
  const auto of_client = client({.ca_file = files.path("roots.pem")});
  const auto of_server = server();
  EXPECT_FALSE(resumes(*of_client, *of_server));
  const TestCertificates others;
  std::filesystem::copy_file(others.ca_file(), files.path("roots.pem"),
                             std::filesystem::copy_options::overwrite_existing);
  ASSERT_TRUE(of_client->reload());
  TlsPair refused(*of_client, *of_server);
  refused.run();
  EXPECT_FALSE(refused.client.is_established());
}

TEST_P(TlsResumptionTest, AnotherServersTicketIsNotTaken) {
  const auto of_client = client();
  EXPECT_FALSE(resumes(*of_client, *server()));
  EXPECT_FALSE(resumes(*of_client, *server()));
}

TEST_P(TlsResumptionTest, ARunningOutOfTheCertificateEndsIt) {
  // Valid for a second more; the session would live for two hours.
  const auto of_client = client();
  TlsServerOptions options;
  options.certificates = {
      files.make("short", {.host_names = {"example.org"}, .days_to = 0, .seconds_to = 2})};
  const auto of_server = server(options);
  EXPECT_FALSE(resumes(*of_client, *of_server));
  const auto ends = of_server->certificates()[0].not_after;
  while (std::chrono::system_clock::now() <= ends + std::chrono::milliseconds(100)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  TlsPair late(*of_client, *of_server);
  late.run();
  EXPECT_FALSE(late.client.is_established());
  EXPECT_NE(late.client.error().find("expired"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Versions, TlsResumptionTest, ::testing::Bool(),
                         [](const auto& chosen) { return chosen.param ? "Tls12" : "Tls13"; });

TEST(TlsTicketKeysTest, AreReplacedAndForgotten) {
  using std::chrono::hours;
  internal::TlsTicketKeys keys(hours(2));
  const MonotonicTime start{};
  const auto first = keys.newest(start);
  ASSERT_TRUE(first);
  EXPECT_EQ(keys.newest(start + hours(1))->name, first->name);
  EXPECT_TRUE(keys.find(first->name.data(), start + hours(1))->is_newest);
  // One made in the last moment is good for its whole lifetime.
  const auto second = keys.newest(start + hours(2));
  EXPECT_NE(second->name, first->name);
  EXPECT_NE(second->cipher, first->cipher);
  EXPECT_NE(second->mac, first->mac);
  ASSERT_TRUE(keys.find(first->name.data(), start + hours(3)));
  EXPECT_FALSE(keys.find(first->name.data(), start + hours(3))->is_newest);
  EXPECT_FALSE(keys.find(first->name.data(), start + hours(4)));
  // Nobody came for long.
  EXPECT_FALSE(keys.find(second->name.data(), start + hours(7)));
  EXPECT_NE(keys.newest(start + hours(8))->name, second->name);
}

TEST(TlsSessionCacheTest, ForgetsTheServerUsedLongestAgo) {
  internal::TlsSessionCache cache(2);
  const auto session = [] {
    internal::SslSessionPtr made(SSL_SESSION_new());
    SSL_SESSION_set_protocol_version(made.get(), TLS1_3_VERSION);
    const unsigned char id[] = "id";
    SSL_SESSION_set1_id(made.get(), id, 2);
    SSL_SESSION_set_timeout(made.get(), 100);
    return made;
  };
  cache.put("a", session());
  cache.put("b", session());
  EXPECT_TRUE(cache.take("a"));
  EXPECT_FALSE(cache.take("a"));  // given away
  cache.put("a", session());
  cache.put("c", session());
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_FALSE(cache.take("b"));
  EXPECT_TRUE(cache.take("a"));
  EXPECT_TRUE(cache.take("c"));
  for (int i = 0; i < 10; ++i) cache.put("d", session());
  int kept = 0;
  while (cache.take("d")) ++kept;
  EXPECT_EQ(kept, static_cast<int>(internal::TlsSessionCache::kPerServer));
}

}  // namespace
}  // namespace leat::testing
