#include "support/test_certificates.h"

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <system_error>

#include <gtest/gtest.h>

namespace leat::testing {

namespace {

using internal::PrivateKeyPtr;
using internal::X509Ptr;

PrivateKeyPtr make_key(bool rsa) {
  return PrivateKeyPtr(rsa ? EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{2048})
                           : EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
}

void add_extension(X509* certificate, X509* issuer, int id, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str());
  ASSERT_NE(extension, nullptr) << value;
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

X509Ptr make_unsigned(const CertificateWish& wish, EVP_PKEY* key) {
  X509Ptr certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  std::uint64_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), serial);
  X509_time_adj_ex(X509_getm_notBefore(certificate.get()), wish.days_from, 0, nullptr);
  X509_time_adj_ex(X509_getm_notAfter(certificate.get()), wish.days_to, wish.seconds_to, nullptr);
  X509_set_pubkey(certificate.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(wish.common_name.c_str()), -1,
                             -1, 0);
  return certificate;
}

void write_pem(const std::string& file, X509* certificate) {
  std::FILE* stream = std::fopen(file.c_str(), "w");
  ASSERT_NE(stream, nullptr) << file;
  PEM_write_X509(stream, certificate);
  std::fclose(stream);
}

void write_pem(const std::string& file, EVP_PKEY* key) {
  std::FILE* stream = std::fopen(file.c_str(), "w");
  ASSERT_NE(stream, nullptr) << file;
  PEM_write_PrivateKey(stream, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(stream);
}

}  // namespace

TestCertificates::TestCertificates() : key_(make_key(false)) {
  std::string name = (std::filesystem::temp_directory_path() / "leat-tls-XXXXXX").string();
  if (::mkdtemp(name.data()) != nullptr) folder_ = name;
  root_ = make_unsigned({.common_name = "leat test root " + name}, key_.get());
  X509_set_issuer_name(root_.get(), X509_get_subject_name(root_.get()));
  add_extension(root_.get(), root_.get(), NID_basic_constraints, "critical,CA:TRUE");
  X509_sign(root_.get(), key_.get(), EVP_sha256());
  write_pem(ca_file(), root_.get());
}

TestCertificates::~TestCertificates() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

TlsCertificateFiles TestCertificates::make(const std::string& name,
                                           const CertificateWish& wish) const {
  const PrivateKeyPtr key = make_key(wish.rsa);
  const X509Ptr certificate = make_unsigned(wish, key.get());
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(root_.get()));
  std::string names;
  for (const std::string& host : wish.host_names) names += ",DNS:" + host;
  for (const std::string& address : wish.addresses) names += ",IP:" + address;
  if (!names.empty()) {
    add_extension(certificate.get(), root_.get(), NID_subject_alt_name, names.substr(1));
  }
  X509_sign(certificate.get(), key_.get(), EVP_sha256());
  TlsCertificateFiles files{.chain = path(name + ".pem"), .key = path(name + ".key")};
  write_pem(files.chain, certificate.get());
  write_pem(files.key, key.get());
  return files;
}

void TestCertificates::write(const std::string& name, const std::string& content) const {
  std::ofstream(path(name), std::ios::binary) << content;
}

}  // namespace leat::testing
