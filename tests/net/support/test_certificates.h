// Internal: certificates for tests, made on the spot in a folder that goes with them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "leat/net/internal/openssl_ptr.h"
#include "leat/net/tls_context.h"

namespace leat::testing {

/// What a certificate is to say.
struct CertificateWish {
  std::string common_name = "leat test";
  std::vector<std::string> host_names = {};  ///< subjectAltName, DNS.
  std::vector<std::string> addresses = {};   ///< subjectAltName, IP.
  int days_from = -1;                        ///< Valid from so many days from now ...
  int days_to = 30;                          ///< ... to so many,
  long seconds_to = 0;                       ///< and so many seconds more.
  bool rsa = false;                          ///< Instead of an elliptic curve.
};

/// An authority, and the certificates that it signs.
class TestCertificates {
 public:
  TestCertificates();
  ~TestCertificates();
  TestCertificates(const TestCertificates&) = delete;
  TestCertificates& operator=(const TestCertificates&) = delete;

  /// PEM of the root.
  [[nodiscard]] std::string ca_file() const { return path("ca.pem"); }
  /// Writes NAME.pem and NAME.key, over those that may be there.
  TlsCertificateFiles make(const std::string& name, const CertificateWish& wish) const;
  [[nodiscard]] std::string path(const std::string& name) const { return folder_ / name; }
  void write(const std::string& name, const std::string& content) const;

 private:
  std::filesystem::path folder_;
  internal::PrivateKeyPtr key_;
  internal::X509Ptr root_;
};

}  // namespace leat::testing
