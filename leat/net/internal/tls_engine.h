// Internal: one TLS session over memory.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "leat/base/result.h"
#include "leat/net/internal/openssl_ptr.h"
#include "leat/net/internal/send_queue.h"
#include "leat/net/internal/tls_settings.h"
#include "leat/net/tls_info.h"

namespace leat::internal {

/// A TLS session without sockets, clock or threads; OpenSSL reads from the bytes that were fed and
/// writes to a queue, by a BIO of our own, so there is no copy between them and it.
///
///                    feed()  +-----------+  read()
///     from the peer -------->|           |---------> plaintext
///                            |    SSL    |
///       to the peer <--------|           |<--------- plaintext
///                    output  +-----------+  write()
///
/// What a peer can make it keep or do is bounded: so many bytes until the handshake is done, then
/// so many without any data in them (tickets, key updates, warnings, empty records). Belongs to
/// one thread.
class TlsEngine {
 public:
  enum class Status {
    kOk,
    kMore,    ///< Nothing more without more input.
    kEnded,   ///< The peer has finished in order (close_notify).
    kFailed,  ///< See error(). An alert for the peer may be in the output.
  };
  struct Read {
    Status status;
    std::size_t size = 0;  ///< Above 0 with kOk only.
  };
  /// Bytes from the peer between two pieces of data, beside those of a whole record.
  static constexpr std::size_t kMaxControlBytes = 64 * 1024;

  /// `output` takes what goes to the peer, and must outlive the engine. A client checks that
  /// `server_name`, a host name or an IP address, is its server's, and asks for it. Fails if it
  /// has none and does not trust just anybody.
  [[nodiscard]] static Result<std::unique_ptr<TlsEngine>> make(
      std::shared_ptr<const TlsSettings> settings, SendQueue& output,
      std::string_view server_name = {});
  TlsEngine(const TlsEngine&) = delete;
  TlsEngine& operator=(const TlsEngine&) = delete;
  ~TlsEngine();

  // Input. Fed bytes are borrowed until keep_input(), which copies what is left of them; feeding
  // again before that is an error of the caller's.

  void feed(std::string_view bytes);
  void keep_input();
  /// Forgets what is left instead.
  void forget_fed() { fed_ = {}; }
  /// Fed and not yet understood.
  [[nodiscard]] std::size_t input_bytes() const { return kept_.size() - kept_begin_ + fed_.size(); }
  /// Whether read() may give data without being fed.
  [[nodiscard]] bool has_input() const { return input_bytes() > 0 || SSL_pending(ssl_.get()) > 0; }
  /// No more will be fed.
  void end_input() { input_ended_ = true; }

  /// Goes on with the handshake: kOk when it is done. A client begins it by the first call.
  [[nodiscard]] Status handshake();
  [[nodiscard]] bool is_established() const { return is_established_; }

  // Data, once established.

  [[nodiscard]] Read read(std::span<char> room);
  /// All of `bytes` goes to the output, in records of up to 16 KiB. False on failure.
  [[nodiscard]] bool write(std::string_view bytes);
  /// Says that nothing more will be written. The peer may go on writing.
  void close_notify();

  /// Why it failed: EPROTO for what the peer did wrong or refused, EKEYREJECTED for a certificate
  /// that is not trusted, ECONNRESET for a stream cut without close_notify, ENOMEM.
  [[nodiscard]] const Error& error() const { return *error_; }
  [[nodiscard]] bool is_failed() const { return error_ != nullptr; }
  /// Whether it failed for no more than a stream cut without close_notify.
  [[nodiscard]] bool is_cut() const { return is_cut_; }
  /// Whether read() has nothing more to give, in order or by failure.
  [[nodiscard]] bool is_at_end() const {
    return is_failed() || (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
  }
  [[nodiscard]] bool is_resumed() const { return SSL_session_reused(ssl_.get()) == 1; }
  [[nodiscard]] TlsInfo info() const;
  /// For tests that misbehave.
  [[nodiscard]] SSL* ssl_for_test() const { return ssl_.get(); }

 private:
  TlsEngine(std::shared_ptr<const TlsSettings> settings, SendQueue& output);
  Result<void> prepare(std::string_view server_name);
  Result<void> expect_server(std::string_view server_name);
  [[nodiscard]] Status fail(int number, std::string reason);
  /// What a call of OpenSSL's means that did not succeed.
  [[nodiscard]] Status judge(int outcome);
  [[nodiscard]] Status finish_handshake();
  [[nodiscard]] std::string_view input() const;
  void consume_input(std::size_t count);

  // The BIO.
  static const BIO_METHOD* bio_method();
  static int bio_read(BIO* bio, char* into, std::size_t size, std::size_t* done);
  static int bio_write(BIO* bio, const char* from, std::size_t size, std::size_t* done);
  static long bio_control(BIO* bio, int command, long number, void* pointer);

  const std::shared_ptr<const TlsSettings> settings_;
  SendQueue& output_;
  TlsPeerName peer_name_;
  SslPtr ssl_;
  std::string kept_;
  std::size_t kept_begin_ = 0;
  std::string_view fed_;
  std::size_t allowance_;  // bytes that may yet be read before something must come of them
  bool input_ended_ = false;
  bool is_established_ = false;
  bool is_exhausted_ = false;  // the allowance
  bool out_of_memory_ = false;
  bool sent_close_ = false;
  bool is_cut_ = false;
  std::unique_ptr<Error> error_;
};

}  // namespace leat::internal
