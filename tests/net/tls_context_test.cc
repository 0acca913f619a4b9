#include "leat/net/tls_context.h"

#include <openssl/pem.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/tls_fixture.h"

namespace leat::testing {
namespace {

class TlsContextTest : public TlsFixture {
 protected:
  /// Why options are refused; checks the number.
  static std::string refusal(TlsServerOptions options, int number = EINVAL) {
    const auto made = TlsContext::server(std::move(options));
    if (made) return "";
    EXPECT_EQ(made.error().number(), number) << made.error().message();
    return made.error().message();
  }
  static std::string shown(TlsContext& of_client, TlsContext& of_server) {
    TlsPair pair(of_client, of_server);
    pair.run();
    return pair.is_established() ? pair.client.engine->info().peer_subject : "";
  }
};

TEST_F(TlsContextTest, SaysWhatIsWrongAndInWhichFile) {
  const TlsCertificateFiles good = example();
  const TlsCertificateFiles other = files.make("other", {});
  EXPECT_NE(refusal({}).find("needs a certificate"), std::string::npos);
  EXPECT_NE(refusal({.certificates = {{files.path("none.pem"), good.key}}}, ENOENT)
                .find(files.path("none.pem")),
            std::string::npos);
  EXPECT_NE(refusal({.certificates = {{good.chain, files.path("none.key")}}}, ENOENT)
                .find(files.path("none.key")),
            std::string::npos);
  EXPECT_NE(refusal({.certificates = {{files.path("."), good.key}}}).find("not a regular file"),
            std::string::npos);
  EXPECT_NE(refusal({.certificates = {{good.chain, other.key}}}).find("does not match"),
            std::string::npos);
  EXPECT_NE(refusal({.certificates = {{good.key, good.key}}}).find("no certificate"),
            std::string::npos);
  EXPECT_NE(refusal({.certificates = {{good.chain, good.chain}}}).find("no usable private key"),
            std::string::npos);
  files.write("damaged.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  EXPECT_NE(refusal({.certificates = {{files.path("damaged.pem"), good.key}}}).find("damaged"),
            std::string::npos);
  const TlsCertificateFiles old = files.make("old", {.days_from = -20, .days_to = -1});
  EXPECT_NE(
      refusal({.certificates = {good, old}}, EKEYEXPIRED).find("old.pem: the certificate has"),
      std::string::npos);
  const TlsCertificateFiles early = files.make("early", {.days_from = 2});
  EXPECT_NE(refusal({.certificates = {early}}, EKEYEXPIRED).find("not valid yet"),
            std::string::npos);
  EXPECT_EQ(refusal({.certificates = {early, old}, .refuse_expired = false}), "");
  EXPECT_NE(refusal({.certificates = {good}, .client_certificates = ClientCertificates::kOptional})
                .find("client_ca_file"),
            std::string::npos);
  EXPECT_NE(refusal({.certificates = {good}, .protocol = {.alpn = {""}}}).find("alpn"),
            std::string::npos);
  EXPECT_NE(refusal({.certificates = {good}, .protocol = {.ciphers = "NONSENSE"}}).find("ciphers"),
            std::string::npos);
}

TEST_F(TlsContextTest, AnEncryptedKeyIsRefusedWithoutAskingForAPassword) {
  const TlsCertificateFiles good = example();
  const std::string encrypted = files.path("encrypted.key");
  const internal::PrivateKeyPtr key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
  std::FILE* stream = std::fopen(encrypted.c_str(), "w");
  ASSERT_NE(stream, nullptr);
  unsigned char password[] = "secret";
  PEM_write_PrivateKey(stream, key.get(), EVP_aes_256_cbc(), password, 6, nullptr, nullptr);
  std::fclose(stream);
  EXPECT_NE(refusal({.certificates = {{good.chain, encrypted}}}).find("encrypted"),
            std::string::npos);
}

TEST_F(TlsContextTest, TellsItsCertificates) {
  const auto of_server = server();
  const std::vector<TlsCertificateInfo> all = of_server->certificates();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].file, files.path("example.pem"));
  EXPECT_EQ(all[0].subject, "CN=example");
  EXPECT_EQ(all[0].host_names, (std::vector<std::string>{"example.org", "*.example.org"}));
  const auto left = all[0].not_after - std::chrono::system_clock::now();
  EXPECT_GT(left, std::chrono::hours(29 * 24));
  EXPECT_LT(left, std::chrono::hours(31 * 24));
  EXPECT_TRUE(of_server->is_server());
  EXPECT_FALSE(client()->is_server());
}

TEST_F(TlsContextTest, ReloadIsForNewHandshakes) {
  const auto of_client = client();
  const auto of_server = server();
  TlsPair running(*of_client, *of_server);
  running.run();
  TlsPair in_the_middle(*of_client, *of_server);
  in_the_middle.client.go_on();

  files.make("example", {.common_name = "renewed", .host_names = {"example.org"}});
  EXPECT_EQ(shown(*of_client, *of_server), "CN=example");
  ASSERT_TRUE(of_server->reload());
  EXPECT_EQ(shown(*client(), *of_server), "CN=renewed");

  in_the_middle.run();
  ASSERT_TRUE(in_the_middle.is_established());
  EXPECT_EQ(in_the_middle.client.engine->info().peer_subject, "CN=example");
  ASSERT_TRUE(running.client.engine->write("still here"));
  running.run();
  EXPECT_EQ(running.server.received, "still here");
}

TEST_F(TlsContextTest, AReloadThatFailsChangesNothing) {
  const auto of_client = client();
  TlsServerOptions options;
  options.certificates = {example(), files.make("second", {.host_names = {"second.test"}})};
  const auto of_server = server(options);
  // One of two is good.
  files.make("example", {.common_name = "renewed", .host_names = {"example.org"}});
  const TlsCertificateFiles other = files.make("other", {});
  std::filesystem::copy_file(other.key, files.path("second.key"),
                             std::filesystem::copy_options::overwrite_existing);
  const Result<void> failed = of_server->reload();
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().message().find("second.key: the key does not match"), std::string::npos);
  EXPECT_EQ(shown(*of_client, *of_server), "CN=example");
  files.make("second", {.host_names = {"second.test"}});
  EXPECT_TRUE(of_server->reload());
  EXPECT_EQ(shown(*client(), *of_server), "CN=renewed");
}

TEST_F(TlsContextTest, IsSharedByThreadsWhileItIsReloaded) {
  const auto of_client = client();
  const auto of_server = server();
  std::vector<std::thread> threads;
  std::atomic<int> done = 0;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 30; ++round) {
        TlsPair pair(*of_client, *of_server);
        pair.run();
        if (pair.is_established()) ++done;
      }
    });
  }
  for (int round = 0; round < 20; ++round) {
    EXPECT_TRUE(of_server->reload());
    EXPECT_TRUE(of_client->reload());
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(done, 90);
}

}  // namespace
}  // namespace leat::testing
