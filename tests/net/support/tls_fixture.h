// Internal: contexts for tests of TLS.
#pragma once

#include <memory>
#include <utility>

#include <gtest/gtest.h>

#include "leat/net/internal/tls_context_core.h"
#include "leat/net/tls_context.h"

#include "support/test_certificates.h"
#include "support/tls_pair.h"

namespace leat::testing {

class TlsFixture : public ::testing::Test {
 protected:
  using Status = internal::TlsEngine::Status;
  using ContextPtr = std::shared_ptr<TlsContext>;

  /// Options with the certificate of example.org, if none are given.
  ContextPtr server(TlsServerOptions options = {}) {
    if (options.certificates.empty()) options.certificates = {example()};
    auto made = TlsContext::server(std::move(options));
    if (!made) ADD_FAILURE() << made.error().message();
    return made ? *made : nullptr;
  }
  /// Options that trust the tests' authority, if they say nothing else.
  ContextPtr client(TlsClientOptions options = {}) {
    if (options.ca_file.empty() && !options.insecure) options.ca_file = files.ca_file();
    auto made = TlsContext::client(std::move(options));
    if (!made) ADD_FAILURE() << made.error().message();
    return made ? *made : nullptr;
  }
  TlsCertificateFiles example() const {
    return files.make("example", {.common_name = "example",
                                  .host_names = {"example.org", "*.example.org"},
                                  .addresses = {"127.0.0.1", "::1"}});
  }
  /// A context that can no more than TLS 1.2, as old peers.
  static ContextPtr aged(ContextPtr context) {
    SSL_CTX_set_max_proto_version(context->core().settings()->context(), TLS1_2_VERSION);
    return context;
  }

  TestCertificates files;
};

}  // namespace leat::testing
