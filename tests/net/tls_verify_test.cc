// Whom each end believes.

#include <cerrno>
#include <string>

#include <gtest/gtest.h>

#include "support/tls_fixture.h"

namespace leat::testing {
namespace {

class TlsVerifyTest : public TlsFixture {
 protected:
  /// Why a client does not believe the server, and checks that it says so by the right number.
  static std::string doubt(TlsContext& of_client, TlsContext& of_server, std::string_view name) {
    TlsPair pair(of_client, of_server, name);
    pair.run();
    EXPECT_FALSE(pair.client.is_established());
    if (pair.client.status != Status::kFailed) return "";
    EXPECT_EQ(pair.client.engine->error().number(), EKEYREJECTED);
    // The server was told by an alert.
    EXPECT_EQ(pair.server.status, Status::kFailed);
    return pair.client.error();
  }
  static bool agree(TlsContext& of_client, TlsContext& of_server, std::string_view name) {
    TlsPair pair(of_client, of_server, name);
    pair.run();
    return pair.is_established();
  }
};

TEST_F(TlsVerifyTest, TheNameMustBeInTheCertificate) {
  const auto of_client = client();
  const auto of_server = server();
  EXPECT_TRUE(agree(*of_client, *of_server, "example.org"));
  EXPECT_TRUE(agree(*of_client, *of_server, "www.example.org"));
  EXPECT_TRUE(agree(*of_client, *of_server, "127.0.0.1"));
  EXPECT_TRUE(agree(*of_client, *of_server, "::1"));
  EXPECT_NE(doubt(*of_client, *of_server, "example.com").find("ostname mismatch"),
            std::string::npos);
  EXPECT_NE(doubt(*of_client, *of_server, "a.b.example.org").find("ostname mismatch"),
            std::string::npos);
  EXPECT_NE(doubt(*of_client, *of_server, "127.0.0.2").find("IP address mismatch"),
            std::string::npos);
}

TEST_F(TlsVerifyTest, AClientWithoutAServersNameIsAMistake) {
  const auto of_client = client();
  BufferPool pool(4096, 0);
  internal::SendQueue output(pool);
  const auto made = internal::TlsEngine::make(of_client->core().settings(), output, "");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().number(), EINVAL);
  EXPECT_FALSE(internal::TlsEngine::make(of_client->core().settings(), output,
                                         std::string_view("a\0b.example.org", 15)));
}

TEST_F(TlsVerifyTest, TheRootMustBeTrusted) {
  const TestCertificates others;
  const auto stranger = client({.ca_file = others.ca_file()});
  EXPECT_EQ(doubt(*stranger, *server(), "example.org"),
            "TLS handshake: certificate verify failed: unable to get local issuer certificate: Key "
            "was rejected by service");
  // The system's roots have not signed it either.
  const auto system = TlsContext::client({});
  ASSERT_TRUE(system);
  EXPECT_NE(doubt(**system, *server(), "example.org").find("issuer"), std::string::npos);
  EXPECT_TRUE(agree(*client({.insecure = true}), *server(), "some.where"));
}

TEST_F(TlsVerifyTest, AnExpiredCertificateIsRefused) {
  const TlsCertificateFiles old =
      files.make("old", {.host_names = {"example.org"}, .days_from = -20, .days_to = -1});
  const auto of_server = server({.certificates = {old}, .refuse_expired = false});
  EXPECT_NE(doubt(*client(), *of_server, "example.org").find("expired"), std::string::npos);
}

TEST_F(TlsVerifyTest, ClientCertificates) {
  const TlsCertificateFiles own = files.make("client", {.common_name = "a friend"});
  const TestCertificates others;
  const TlsCertificateFiles foreign = others.make("foreign", {.common_name = "a stranger"});
  const auto nobody = client();
  const auto with_own = client({.certificate = own});
  const auto with_foreign = client({.certificate = foreign});
  for (const bool old : {false, true}) {
    SCOPED_TRACE(old);
    const auto asking = [&](ClientCertificates how) {
      const auto made = server({.client_certificates = how, .client_ca_file = files.ca_file()});
      return old ? aged(made) : made;
    };
    const auto required = asking(ClientCertificates::kRequired);
    const auto optional = asking(ClientCertificates::kOptional);
    const auto none = asking(ClientCertificates::kNone);
    const auto subject = [](TlsContext& of_client, TlsContext& of_server) {
      TlsPair pair(of_client, of_server);
      pair.run();
      return pair.server.is_established() ? pair.server.engine->info().peer_subject
                                          : "refused: " + pair.server.error();
    };
    EXPECT_EQ(subject(*with_own, *required), "CN=a friend");
    EXPECT_EQ(subject(*with_own, *optional), "CN=a friend");
    EXPECT_EQ(subject(*with_own, *none), "");
    EXPECT_EQ(subject(*nobody, *optional), "");
    EXPECT_NE(subject(*nobody, *required).find("did not return a certificate"), std::string::npos);
    EXPECT_NE(subject(*with_foreign, *required).find("refused"), std::string::npos);
    // Better none than a wrong one.
    EXPECT_NE(subject(*with_foreign, *optional).find("refused"), std::string::npos);
  }
}

}  // namespace
}  // namespace leat::testing
