// Public: certificates and rules for TLS connections.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "leat/base/monotonic_time.h"
#include "leat/base/result.h"

namespace leat {

namespace internal {
class TlsContextCore;
}

/// The oldest version of TLS that is spoken. Older ones have been unsafe for years (RFC 8996).
enum class TlsVersion { kTls12, kTls13 };

/// Whether a server asks its clients for a certificate.
enum class ClientCertificates {
  kNone,
  kOptional,  ///< Asked for; a client may have none, but a bad one fails the handshake.
  kRequired,
};

/// A certificate and its private key, in PEM files.
struct TlsCertificateFiles {
  std::string chain;  ///< The certificate itself first, then those that lead to the root.
  std::string key;    ///< Not encrypted: nobody is there to type a password.
  /// The host names for which a server shows it: "example.org", "*.example.org" (one label).
  /// Empty: those of the certificate.
  std::vector<std::string> host_names = {};
};

/// What both sides have. A peer is cut that passes one of the two limits.
struct TlsProtocolOptions {
  TlsVersion min_version = TlsVersion::kTls12;
  /// For TLS 1.2, OpenSSL's syntax (man 1 openssl-ciphers). Empty: those with forward secrecy and
  /// authenticated encryption. TLS 1.3 has no others.
  std::string ciphers = {};
  /// Protocols on top of TLS in order of preference, "h2", "http/1.1" (RFC 7301). Empty: the
  /// extension is not used. A server that has a list, and none in common with the client's,
  /// refuses the handshake; a client without a list is served.
  std::vector<std::string> alpn = {};
  /// From the first byte to the end of the handshake; zero: no limit.
  Duration handshake_timeout = std::chrono::seconds(10);
  /// Bytes from the peer until the handshake is done.
  std::size_t max_handshake_bytes = 64 * 1024;
};

struct TlsServerOptions {
  /// At least one. The first is shown to clients that ask for no name, or for one that none has.
  /// Several for one name, an RSA and an ECDSA one, are chosen by what the client can.
  std::vector<TlsCertificateFiles> certificates = {};
  /// Refuses clients that ask for a name that no certificate has (alert unrecognized_name).
  bool refuse_unknown_names = false;
  /// A certificate that has expired, or is not valid yet, is an error.
  bool refuse_expired = true;
  ClientCertificates client_certificates = ClientCertificates::kNone;
  /// PEM file with the roots that client certificates must lead to; needed if any are asked for.
  std::string client_ca_file = {};
  /// Lets clients come back without a full handshake, for so long; zero: never. It is done by
  /// tickets (RFC 5077, RFC 8446 4.6.1), so nothing is stored here.
  std::chrono::seconds session_lifetime = std::chrono::hours(2);
  TlsProtocolOptions protocol = {};
};

struct TlsClientOptions {
  /// PEM file with the roots to trust; empty: the system's.
  std::string ca_file = {};
  /// Any certificate will do, of anybody: for tests only.
  bool insecure = false;
  /// The client's own certificate, for servers that ask.
  std::optional<TlsCertificateFiles> certificate = std::nullopt;
  /// Servers whose sessions are remembered, to resume them; the one used longest ago is
  /// forgotten first. 0: none.
  std::size_t remembered_servers = 256;
  TlsProtocolOptions protocol = {};
};

/// A certificate as it is in use.
struct TlsCertificateInfo {
  std::string file;     ///< The chain's.
  std::string subject;  ///< RFC 2253 form.
  std::vector<std::string> host_names;
  std::chrono::system_clock::time_point not_after;
};

/// Certificates and rules that many connections share, on any number of loops.
///
///     auto tls = leat::TlsContext::server({.certificates = {{"cert.pem", "key.pem"}}});
///     if (!tls) return report(tls.error().message());
///
/// All methods are for any thread.
class TlsContext {
 public:
  /// Reads all files. Fails, with the name of the file in the message: with what open() fails with;
  /// with EINVAL if a file has not what it should, a key is not its certificate's, or an option is
  /// wrong; with EKEYEXPIRED for a certificate out of its time; with ENOTSUP if the library was
  /// built without TLS.
  [[nodiscard]] static Result<std::shared_ptr<TlsContext>> server(TlsServerOptions options);
  [[nodiscard]] static Result<std::shared_ptr<TlsContext>> client(TlsClientOptions options);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  /// Reads the files again, and blocks while it does. If all are good, handshakes that begin from
  /// now on use them, while connections and handshakes under way keep what they have; sessions of
  /// before can still be resumed, unless what decides about client certificates has changed. If
  /// one is not good, everything stays as it was; the errors are those of server().
  Result<void> reload();

  [[nodiscard]] bool is_server() const;
  /// A server's certificates, in the order of the options; a client's own, if it has one.
  [[nodiscard]] std::vector<TlsCertificateInfo> certificates() const;

  /// For the library's own use.
  [[nodiscard]] internal::TlsContextCore& core() const { return *core_; }

 private:
  explicit TlsContext(std::unique_ptr<internal::TlsContextCore> core);

  const std::unique_ptr<internal::TlsContextCore> core_;
};

}  // namespace leat
