#include "leat/net/internal/tls_settings.h"

#include <openssl/err.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <exception>
#include <utility>

#include "leat/net/internal/tls_error.h"

namespace leat::internal {

namespace {

// Forward secrecy and authenticated encryption; what RFC 9325, 4.2 recommends.
constexpr const char* kCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20";

Error refused(std::string_view what) {
  std::string context(what);
  return Error::invalid_argument(context.append(": ").append(take_openssl_errors()));
}

std::string digest_of(std::string_view content) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(content.data()), content.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

}  // namespace

Result<std::shared_ptr<const TlsSettings>> TlsSettings::make(const TlsServerOptions& options,
                                                             std::shared_ptr<TlsTicketKeys> keys) {
  ERR_clear_error();
  const std::shared_ptr<TlsSettings> made(new TlsSettings(true));
  if (auto done = made->make_context(options.protocol); !done) return done.error();
  if (auto done = made->load_certificates(options); !done) return done.error();
  if (auto done = made->trust_clients(options); !done) return done.error();
  made->set_resumption(options, std::move(keys));
  return std::shared_ptr<const TlsSettings>(made);
}

Result<std::shared_ptr<const TlsSettings>> TlsSettings::make(const TlsClientOptions& options,
                                                             const TlsSettings* before) {
  ERR_clear_error();
  const std::shared_ptr<TlsSettings> made(new TlsSettings(false));
  if (auto done = made->make_context(options.protocol); !done) return done.error();
  if (auto done = made->trust_servers(options); !done) return done.error();
  if (options.remembered_servers == 0) {
    SSL_CTX_set_session_cache_mode(made->context(), SSL_SESS_CACHE_OFF);
    return std::shared_ptr<const TlsSettings>(made);
  }
  SSL_CTX_set_session_cache_mode(made->context(),
                                 SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(made->context(), &TlsSettings::keep_session);
  // What the system's roots are now, nobody knows.
  const bool same =
      before != nullptr && !made->trust_id_.empty() && made->trust_id_ == before->trust_id_;
  made->sessions_ =
      same ? before->sessions_ : std::make_shared<TlsSessionCache>(options.remembered_servers);
  return std::shared_ptr<const TlsSettings>(made);
}

Result<void> TlsSettings::make_context(const TlsProtocolOptions& options) {
  context_.reset(SSL_CTX_new(is_server_ ? TLS_server_method() : TLS_client_method()));
  if (!context_) return refused("TLS");
  SSL_CTX* const context = context_.get();
  SSL_CTX_set_app_data(context, this);
  const int oldest = options.min_version == TlsVersion::kTls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
  if (SSL_CTX_set_min_proto_version(context, oldest) != 1) return refused("TLS: min_version");
  const char* ciphers = options.ciphers.empty() ? kCiphers : options.ciphers.c_str();
  if (SSL_CTX_set_cipher_list(context, ciphers) != 1) return refused("TLS: ciphers");
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  // An idle connection keeps no record buffers; they cost 34 KiB.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  max_handshake_bytes_ = options.max_handshake_bytes;
  return set_alpn(options);
}

Result<void> TlsSettings::set_alpn(const TlsProtocolOptions& options) {
  for (const std::string& protocol : options.alpn) {
    // RFC 7301, 3.1.
    if (protocol.empty() || protocol.size() > 255) {
      return Error::invalid_argument("TLS: a name in alpn must have 1 to 255 bytes");
    }
    alpn_.append(1, static_cast<char>(protocol.size())).append(protocol);
  }
  if (alpn_.empty()) return {};
  if (is_server_) {
    SSL_CTX_set_alpn_select_cb(context(), &TlsSettings::choose_protocol, this);
    return {};
  }
  // This one returns 0 for success.
  const auto* wire = reinterpret_cast<const unsigned char*>(alpn_.data());
  if (SSL_CTX_set_alpn_protos(context(), wire, static_cast<unsigned>(alpn_.size())) != 0) {
    return refused("TLS: alpn");
  }
  return {};
}

Result<void> TlsSettings::load_certificates(const TlsServerOptions& options) {
  if (options.certificates.empty()) {
    return Error::invalid_argument("TLS: a server needs a certificate");
  }
  certificates_.reserve(options.certificates.size());  // their addresses are kept below
  for (const TlsCertificateFiles& files : options.certificates) {
    Result<TlsCertificate> loaded = load_certificate(files, options.refuse_expired);
    if (!loaded) return loaded.error();
    // OpenSSL's own opinion now, not in the middle of a handshake: keys too small, for one.
    if (SSL_CTX_use_cert_and_key(context(), loaded->leaf.get(), loaded->key.get(),
                                 loaded->chain.get(), 1) != 1) {
      return refused(files.chain);
    }
    certificates_.push_back(std::move(*loaded));
    const TlsCertificate& certificate = certificates_.back();
    for (const std::string& name : certificate.host_names) {
      Certificates& same_name = by_name_[name];
      if (std::find(same_name.begin(), same_name.end(), &certificate) == same_name.end()) {
        same_name.push_back(&certificate);
      }
    }
  }
  // Beside the first stand those that have all of its names: the same server, another algorithm.
  const TlsCertificate& first = certificates_.front();
  for (const TlsCertificate& certificate : certificates_) {
    if (certificate.host_names == first.host_names) default_.push_back(&certificate);
  }
  refuse_unknown_names_ = options.refuse_unknown_names;
  // What the macro SSL_CTX_set_tlsext_servername_callback() does by a C cast.
  SSL_CTX_callback_ctrl(context(), SSL_CTRL_SET_TLSEXT_SERVERNAME_CB,
                        reinterpret_cast<void (*)()>(&TlsSettings::choose_name));
  SSL_CTX_set_tlsext_servername_arg(context(), this);
  SSL_CTX_set_cert_cb(context(), &TlsSettings::choose_certificate, this);
  return {};
}

Result<void> TlsSettings::trust(const std::string& file) {
  Result<TlsRoots> roots = load_roots(file);
  if (!roots) return roots.error();
  X509_STORE* const store = SSL_CTX_get_cert_store(context());
  for (const X509Ptr& root : roots->certificates) {
    if (X509_STORE_add_cert(store, root.get()) != 1) return refused(file);
    if (is_server_ && SSL_CTX_add_client_CA(context(), root.get()) != 1) return refused(file);
  }
  trust_id_ += digest_of(roots->content);
  return {};
}

Result<void> TlsSettings::trust_clients(const TlsServerOptions& options) {
  if (options.client_certificates == ClientCertificates::kNone) return {};
  if (options.client_ca_file.empty()) {
    return Error::invalid_argument("TLS: client_certificates needs client_ca_file");
  }
  const bool required = options.client_certificates == ClientCertificates::kRequired;
  SSL_CTX_set_verify(context(), SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                     nullptr);
  verifies_peer_ = true;
  trust_id_ = required ? "required" : "optional";
  return trust(options.client_ca_file);
}

Result<void> TlsSettings::trust_servers(const TlsClientOptions& options) {
  if (!options.insecure) {
    SSL_CTX_set_verify(context(), SSL_VERIFY_PEER, nullptr);
    verifies_peer_ = true;
    if (!options.ca_file.empty()) {
      if (auto done = trust(options.ca_file); !done) return done;
    } else if (SSL_CTX_set_default_verify_paths(context()) != 1) {
      return refused("TLS: the system's roots");
    }
  } else {
    trust_id_ = "anybody";
  }
  if (!options.certificate) return {};
  Result<TlsCertificate> own = load_certificate(*options.certificate, true);
  if (!own) return own.error();
  if (SSL_CTX_use_cert_and_key(context(), own->leaf.get(), own->key.get(), own->chain.get(), 1) !=
      1) {
    return refused(options.certificate->chain);
  }
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
  if (!trust_id_.empty() &&
      X509_digest(own->leaf.get(), EVP_sha256(), digest.data(), nullptr) == 1) {
    trust_id_.append(digest.begin(), digest.end());
  }
  certificates_.push_back(std::move(*own));
  return {};
}

void TlsSettings::set_resumption(const TlsServerOptions& options,
                                 std::shared_ptr<TlsTicketKeys> keys) {
  // Nothing is stored here: what a client brings along costs no memory between its visits.
  SSL_CTX_set_session_cache_mode(context(), SSL_SESS_CACHE_OFF);
  // A session does not count under other rules for client certificates than those it was made by.
  const std::string id = digest_of(trust_id_);
  SSL_CTX_set_session_id_context(context(), reinterpret_cast<const unsigned char*>(id.data()),
                                 static_cast<unsigned>(id.size()));
  if (!keys) {
    SSL_CTX_set_options(context(), SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(context(), 0);
    return;
  }
  keys_ = std::move(keys);
  SSL_CTX_set_timeout(context(), static_cast<long>(options.session_lifetime.count()));
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context(), &TlsSettings::prepare_ticket);
}

const TlsSettings::Certificates* TlsSettings::find(std::string_view host_name) const {
  std::string name = lower_case(host_name);
  if (!name.empty() && name.back() == '.') name.pop_back();
  if (const auto exact = by_name_.find(name); exact != by_name_.end()) return &exact->second;
  // A star is the whole first label and nothing else (RFC 6125, 6.4.3).
  const std::size_t dot = name.find('.');
  if (dot == std::string::npos || dot == 0) return nullptr;
  const auto wildcard = by_name_.find(name.replace(0, dot, "*"));
  return wildcard != by_name_.end() ? &wildcard->second : nullptr;
}

// Called by OpenSSL.

int TlsSettings::choose_name(SSL* ssl, int* alert, void* settings) {
  const auto& self = *static_cast<const TlsSettings*>(settings);
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  try {
    if (name != nullptr && self.find(name) != nullptr) return SSL_TLSEXT_ERR_OK;
  } catch (const std::exception&) {
    *alert = SSL_AD_INTERNAL_ERROR;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  if (name == nullptr || !self.refuse_unknown_names_) return SSL_TLSEXT_ERR_NOACK;
  *alert = SSL_AD_UNRECOGNIZED_NAME;
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

int TlsSettings::choose_certificate(SSL* ssl, void* settings) {
  const auto& self = *static_cast<const TlsSettings*>(settings);
  const Certificates* chosen = nullptr;
  try {
    const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (name != nullptr) chosen = self.find(name);
  } catch (const std::exception&) {
    return 0;
  }
  if (chosen == nullptr) chosen = &self.default_;
  SSL_certs_clear(ssl);
  for (const TlsCertificate* certificate : *chosen) {
    if (SSL_use_cert_and_key(ssl, certificate->leaf.get(), certificate->key.get(),
                             certificate->chain.get(), 1) != 1) {
      return 0;
    }
  }
  return 1;
}

int TlsSettings::choose_protocol(SSL* /*ssl*/, const unsigned char** out, unsigned char* out_size,
                                 const unsigned char* in, unsigned int in_size, void* settings) {
  const std::string& own = static_cast<const TlsSettings*>(settings)->alpn_;
  unsigned char* chosen = nullptr;
  const int outcome =
      SSL_select_next_proto(&chosen, out_size, reinterpret_cast<const unsigned char*>(own.data()),
                            static_cast<unsigned>(own.size()), in, in_size);
  // RFC 7301, 3.2: the alert no_application_protocol, which OpenSSL sends for this answer.
  if (outcome != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

int TlsSettings::prepare_ticket(SSL* ssl, unsigned char* name, unsigned char* iv,
                                EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int encrypting) {
  const auto* self = static_cast<const TlsSettings*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  return self->keys_->prepare(ssl, name, iv, cipher, mac, encrypting != 0);
}

int TlsSettings::keep_session(SSL* ssl, SSL_SESSION* session) {
  const auto* self = static_cast<const TlsSettings*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  const auto* peer = static_cast<const TlsPeerName*>(SSL_get_app_data(ssl));
  if (peer == nullptr || !self->sessions_) return 0;
  // 1 keeps the reference that comes with the session.
  try {
    SSL_SESSION_up_ref(session);
    self->sessions_->put(peer->name, SslSessionPtr(session));
  } catch (const std::exception&) {
    // A session that is not kept is a full handshake next time.
  }
  return 0;
}

}  // namespace leat::internal
