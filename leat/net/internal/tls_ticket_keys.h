// Internal: the keys that encrypt a server's session tickets.
#pragma once

#include <openssl/ssl.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>

#include "leat/base/monotonic_time.h"

namespace leat::internal {

/// One set for all loops of a server, and for all contexts that reloading makes.
///
/// A ticket holds its session, so whoever has the key can read what was sent with TLS 1.2 sessions
/// of that time. Therefore keys live in memory only and are replaced: each encrypts for one
/// lifetime of a session and decrypts for one more, then it is gone. Any thread.
class TlsTicketKeys {
 public:
  struct Key {
    std::array<unsigned char, 16> name;
    std::array<unsigned char, 32> cipher;
    std::array<unsigned char, 32> mac;
  };
  struct Found {
    Key key;
    bool is_newest;
  };

  explicit TlsTicketKeys(Duration lifetime) : lifetime_(lifetime) {}
  ~TlsTicketKeys();
  TlsTicketKeys(const TlsTicketKeys&) = delete;
  TlsTicketKeys& operator=(const TlsTicketKeys&) = delete;

  /// The key for new tickets; nothing if there is no randomness.
  [[nodiscard]] std::optional<Key> newest(MonotonicTime now);
  /// The key of a ticket, unless it is too old or of somebody else.
  [[nodiscard]] std::optional<Found> find(const unsigned char* name, MonotonicTime now);

  /// For SSL_CTX_set_tlsext_ticket_key_evp_cb().
  int prepare(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
              EVP_MAC_CTX* mac, bool encrypting);

 private:
  /// Replaces and forgets what is too old.
  void age(MonotonicTime now);

  const Duration lifetime_;
  std::mutex mutex_;
  std::optional<Key> newest_;
  std::optional<Key> previous_;
  MonotonicTime made_at_;  // of the newest
  MonotonicTime previous_ends_;
};

}  // namespace leat::internal
