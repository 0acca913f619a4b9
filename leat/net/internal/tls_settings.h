// Internal: one generation of a TlsContext.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "leat/base/result.h"
#include "leat/net/internal/openssl_ptr.h"
#include "leat/net/internal/tls_files.h"
#include "leat/net/internal/tls_session_cache.h"
#include "leat/net/internal/tls_ticket_keys.h"
#include "leat/net/tls_context.h"

namespace leat::internal {

/// What the files held when they were read, and what OpenSSL made of it. Not changed any more, so
/// all loops share it; each session keeps the generation that it began with.
class TlsSettings {
 public:
  /// `keys` are null if sessions are not to be resumed.
  [[nodiscard]] static Result<std::shared_ptr<const TlsSettings>> make(
      const TlsServerOptions& options, std::shared_ptr<TlsTicketKeys> keys);
  /// Keeps the sessions of `before` if nothing has changed that decided about them.
  [[nodiscard]] static Result<std::shared_ptr<const TlsSettings>> make(
      const TlsClientOptions& options, const TlsSettings* before);
  TlsSettings(const TlsSettings&) = delete;
  TlsSettings& operator=(const TlsSettings&) = delete;
  ~TlsSettings() = default;

  [[nodiscard]] SSL_CTX* context() const { return context_.get(); }
  [[nodiscard]] bool is_server() const { return is_server_; }
  [[nodiscard]] bool verifies_peer() const { return verifies_peer_; }
  [[nodiscard]] std::size_t max_handshake_bytes() const { return max_handshake_bytes_; }
  [[nodiscard]] const std::vector<TlsCertificate>& certificates() const { return certificates_; }
  /// A client's; null if it keeps none.
  [[nodiscard]] TlsSessionCache* sessions() const { return sessions_.get(); }

 private:
  using Certificates = std::vector<const TlsCertificate*>;

  explicit TlsSettings(bool is_server) : is_server_(is_server) {}

  Result<void> make_context(const TlsProtocolOptions& options);
  Result<void> set_alpn(const TlsProtocolOptions& options);
  Result<void> load_certificates(const TlsServerOptions& options);
  Result<void> trust_clients(const TlsServerOptions& options);
  Result<void> trust_servers(const TlsClientOptions& options);
  Result<void> trust(const std::string& file);
  void set_resumption(const TlsServerOptions& options, std::shared_ptr<TlsTicketKeys> keys);
  /// Those for a host name; null if none has it.
  [[nodiscard]] const Certificates* find(std::string_view host_name) const;

  // OpenSSL calls these; they must not throw.
  static int choose_name(SSL* ssl, int* alert, void* settings);
  static int choose_certificate(SSL* ssl, void* settings);
  static int choose_protocol(SSL* ssl, const unsigned char** out, unsigned char* out_size,
                             const unsigned char* in, unsigned int in_size, void* settings);
  static int prepare_ticket(SSL* ssl, unsigned char* name, unsigned char* iv,
                            EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int encrypting);
  static int keep_session(SSL* ssl, SSL_SESSION* session);

  const bool is_server_;
  bool verifies_peer_ = false;
  bool refuse_unknown_names_ = false;
  std::size_t max_handshake_bytes_ = 0;
  SslCtxPtr context_;
  std::vector<TlsCertificate> certificates_;
  Certificates default_;
  std::unordered_map<std::string, Certificates> by_name_;
  std::string alpn_;      // as on the wire: each name behind its length
  std::string trust_id_;  // of the roots and all else that decides whom to trust
  std::shared_ptr<TlsTicketKeys> keys_;
  std::shared_ptr<TlsSessionCache> sessions_;
};

/// Kept as SSL_get_app_data() of a client's SSL: the name under which to keep its sessions.
struct TlsPeerName {
  std::string name;
};

}  // namespace leat::internal
