#include "leat/net/internal/tls_engine.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include "leat/base/assert.h"
#include "leat/net/internal/tls_error.h"

namespace leat::internal {

namespace {

// Of one record: header, 2^14 bytes, and what encryption may add (RFC 5246, 6.2.3).
constexpr std::size_t kLargestRecord = 5 + 16384 + 2048;

bool is_ip_address(const std::string& name) {
  std::array<unsigned char, 16> address;
  return ::inet_pton(AF_INET, name.c_str(), address.data()) == 1 ||
         ::inet_pton(AF_INET6, name.c_str(), address.data()) == 1;
}

}  // namespace

Result<std::unique_ptr<TlsEngine>> TlsEngine::make(std::shared_ptr<const TlsSettings> settings,
                                                   SendQueue& output,
                                                   std::string_view server_name) {
  std::unique_ptr<TlsEngine> engine(new TlsEngine(std::move(settings), output));
  if (auto done = engine->prepare(server_name); !done) return done.error();
  return engine;
}

TlsEngine::TlsEngine(std::shared_ptr<const TlsSettings> settings, SendQueue& output)
    : settings_(std::move(settings)),
      output_(output),
      allowance_(settings_->max_handshake_bytes()) {}

TlsEngine::~TlsEngine() {
  if (!ssl_) return;
  // Otherwise OpenSSL would forget the session, as the first RFC of TLS wanted it for streams that
  // were cut; most peers cut. A session that failed it has forgotten already.
  if (!error_) SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

Result<void> TlsEngine::prepare(std::string_view server_name) {
  ERR_clear_error();
  ssl_.reset(SSL_new(settings_->context()));
  BioPtr bio(ssl_ ? BIO_new(bio_method()) : nullptr);
  if (!bio) return Error::from_errno(ENOMEM, "TLS: " + take_openssl_errors());
  BIO_set_data(bio.get(), this);
  BIO_set_init(bio.get(), 1);
  BIO* const both = bio.release();
  SSL_set_bio(ssl_.get(), both, both);
  if (settings_->is_server()) {
    SSL_set_accept_state(ssl_.get());
    return {};
  }
  SSL_set_connect_state(ssl_.get());
  return expect_server(server_name);
}

Result<void> TlsEngine::expect_server(std::string_view server_name) {
  SSL* const ssl = ssl_.get();
  peer_name_.name = lower_case(server_name);
  // The root's dot belongs to DNS, not to the name of a host (RFC 6066, 3).
  std::string& name = peer_name_.name;
  if (!name.empty() && name.back() == '.') name.pop_back();
  if (name.empty()) {
    if (!settings_->verifies_peer()) return {};
    return Error::invalid_argument("TLS: the server's name is needed to check its certificate");
  }
  bool is_set = name.find('\0') == std::string::npos;  // where OpenSSL would stop reading
  if (!is_set) {
    name = "(with a zero byte in it)";
  } else if (is_ip_address(name)) {
    // Addresses are no names to ask for (RFC 6066, 3), but certificates may hold them.
    is_set = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str()) == 1;
  } else {
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    is_set =
        SSL_set1_host(ssl, name.c_str()) == 1 &&
        SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data()) == 1;
  }
  if (!is_set) {
    std::string context = "TLS: the server's name ";
    return Error::invalid_argument(context.append(name).append(": ").append(take_openssl_errors()));
  }
  SSL_set_app_data(ssl, &peer_name_);
  if (settings_->sessions() != nullptr) {
    const SslSessionPtr session = settings_->sessions()->take(name);
    if (session) SSL_set_session(ssl, session.get());
  }
  return {};
}

// Input.

void TlsEngine::feed(std::string_view bytes) {
  LEAT_ASSERT(fed_.empty(), "feed() before keep_input()");
  fed_ = bytes;
}

void TlsEngine::keep_input() {
  if (kept_begin_ > 0) {
    kept_.erase(0, kept_begin_);
    kept_begin_ = 0;
  }
  if (!fed_.empty()) kept_.append(fed_);
  fed_ = {};
  if (kept_.empty()) std::string().swap(kept_);
}

std::string_view TlsEngine::input() const {
  if (kept_begin_ < kept_.size()) return std::string_view(kept_).substr(kept_begin_);
  return fed_;
}

void TlsEngine::consume_input(std::size_t count) {
  if (kept_begin_ < kept_.size()) {
    kept_begin_ += count;
  } else {
    fed_.remove_prefix(count);
  }
}

// The session.

TlsEngine::Status TlsEngine::handshake() {
  if (error_) return Status::kFailed;
  if (is_established_) return Status::kOk;
  ERR_clear_error();
  const int outcome = SSL_do_handshake(ssl_.get());
  return outcome == 1 ? finish_handshake() : judge(outcome);
}

TlsEngine::Status TlsEngine::finish_handshake() {
  // A resumed session proves the certificate of its first handshake, which may have ended since.
  const X509* const peer = SSL_get0_peer_certificate(ssl_.get());
  if (SSL_session_reused(ssl_.get()) == 1 && settings_->verifies_peer() && peer != nullptr &&
      X509_cmp_current_time(X509_get0_notAfter(peer)) <= 0) {
    return fail(EKEYREJECTED, "the certificate of the resumed session has expired");
  }
  is_established_ = true;
  allowance_ = kMaxControlBytes + kLargestRecord;
  return Status::kOk;
}

TlsEngine::Read TlsEngine::read(std::span<char> room) {
  if (error_) return {.status = Status::kFailed};
  LEAT_ASSERT(is_established_ && !room.empty(), "read() without a session or without room");
  ERR_clear_error();
  std::size_t size = 0;
  const int outcome = SSL_read_ex(ssl_.get(), room.data(), room.size(), &size);
  if (outcome != 1) return {.status = judge(outcome)};
  allowance_ = kMaxControlBytes + kLargestRecord;
  return {.status = Status::kOk, .size = size};
}

bool TlsEngine::write(std::string_view bytes) {
  if (error_) return false;
  LEAT_ASSERT(is_established_ && !sent_close_, "write() before or after its time");
  if (bytes.empty()) return true;
  ERR_clear_error();
  std::size_t written = 0;
  const int outcome = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written);
  if (outcome != 1) {
    // The output takes everything, so there is nothing that it could wait for.
    if (judge(outcome) != Status::kFailed) static_cast<void>(fail(EPROTO, "writing is stuck"));
    return false;
  }
  // Key updates come from a peer in step with what it gets.
  allowance_ = kMaxControlBytes + kLargestRecord;
  return true;
}

void TlsEngine::close_notify() {
  if (error_ || !is_established_ || std::exchange(sent_close_, true)) return;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

TlsEngine::Status TlsEngine::judge(int outcome) {
  const int kind = SSL_get_error(ssl_.get(), outcome);
  if (out_of_memory_) return fail(ENOMEM, "out of memory");
  if (is_exhausted_) {
    return fail(EPROTO, is_established_ ? "the peer sends records without data"
                                        : "the handshake is too long");
  }
  if (kind == SSL_ERROR_ZERO_RETURN) return Status::kEnded;
  if (kind == SSL_ERROR_WANT_READ) {
    if (!input_ended_) return Status::kMore;
    is_cut_ = is_established_;
    return is_cut_ ? fail(ECONNRESET, "the stream was cut without close_notify")
                   : fail(ECONNRESET, "the peer closed during the handshake");
  }
  std::string reason = take_openssl_errors();
  const long verified = SSL_get_verify_result(ssl_.get());
  if (!is_established_ && settings_->verifies_peer() && verified != X509_V_OK) {
    reason.append(": ").append(X509_verify_cert_error_string(verified));
    return fail(EKEYREJECTED, std::move(reason));
  }
  return fail(EPROTO, std::move(reason));
}

TlsEngine::Status TlsEngine::fail(int number, std::string reason) {
  const char* stage = is_established_ ? "TLS: " : "TLS handshake: ";
  error_ = std::make_unique<Error>(Error::from_errno(number, stage + std::move(reason)));
  return Status::kFailed;
}

TlsInfo TlsEngine::info() const {
  TlsInfo info;
  SSL* const ssl = ssl_.get();
  info.version = SSL_get_version(ssl);
  if (const char* cipher = SSL_get_cipher_name(ssl)) info.cipher = cipher;
  const unsigned char* alpn = nullptr;
  unsigned alpn_size = 0;
  SSL_get0_alpn_selected(ssl, &alpn, &alpn_size);
  if (alpn != nullptr) info.alpn.assign(reinterpret_cast<const char*>(alpn), alpn_size);
  if (const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)) {
    info.server_name = name;
  }
  info.resumed = SSL_session_reused(ssl) == 1;
  if (const X509* peer = SSL_get0_peer_certificate(ssl)) info.peer_subject = subject_of(*peer);
  return info;
}

// The BIO.

const BIO_METHOD* TlsEngine::bio_method() {
  static const BIO_METHOD* const kMethod = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "leat");
    BIO_meth_set_read_ex(made, &TlsEngine::bio_read);
    BIO_meth_set_write_ex(made, &TlsEngine::bio_write);
    BIO_meth_set_ctrl(made, &TlsEngine::bio_control);
    return made;
  }();
  return kMethod;
}

int TlsEngine::bio_read(BIO* bio, char* into, std::size_t size, std::size_t* done) {
  auto& self = *static_cast<TlsEngine*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const std::string_view input = self.input();
  const std::size_t count = std::min({size, input.size(), self.allowance_});
  if (count == 0) {
    self.is_exhausted_ = !input.empty();
    if (input.empty()) BIO_set_retry_read(bio);
    return 0;
  }
  std::memcpy(into, input.data(), count);
  self.consume_input(count);
  self.allowance_ -= count;
  *done = count;
  return 1;
}

int TlsEngine::bio_write(BIO* bio, const char* from, std::size_t size, std::size_t* done) {
  auto& self = *static_cast<TlsEngine*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  try {
    self.output_.append(std::string_view(from, size));
  } catch (const std::bad_alloc&) {
    self.out_of_memory_ = true;
    return 0;
  }
  *done = size;
  return 1;
}

long TlsEngine::bio_control(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

}  // namespace leat::internal
