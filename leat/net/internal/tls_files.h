// Internal: certificates and keys out of PEM files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "leat/base/result.h"
#include "leat/net/internal/openssl_ptr.h"
#include "leat/net/tls_context.h"

namespace leat::internal {

/// A certificate with its chain and its key; not changed once it is loaded, so threads share it.
struct TlsCertificate {
  std::string file;
  X509Ptr leaf;
  X509StackPtr chain;
  PrivateKeyPtr key;
  std::vector<std::string> host_names;  // in lower case
};

/// Reads both files, and checks that they belong together and, if asked to, the dates. The host
/// names are those of `files`, or those of the certificate (subjectAltName, or the common name if
/// it has none).
[[nodiscard]] Result<TlsCertificate> load_certificate(const TlsCertificateFiles& files,
                                                      bool refuse_expired);

/// All certificates of a PEM file, at least one, and its content.
struct TlsRoots {
  std::vector<X509Ptr> certificates;
  std::string content;
};
[[nodiscard]] Result<TlsRoots> load_roots(const std::string& file);

[[nodiscard]] TlsCertificateInfo describe(const TlsCertificate& certificate);
/// RFC 2253 form.
[[nodiscard]] std::string subject_of(const X509& certificate);
[[nodiscard]] std::string lower_case(std::string_view name);

}  // namespace leat::internal
