#include "leat/net/internal/tls_ticket_keys.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>

namespace leat::internal {

namespace {

void wipe(std::optional<TlsTicketKeys::Key>& key) {
  if (key) OPENSSL_cleanse(&*key, sizeof *key);
  key.reset();
}

}  // namespace

TlsTicketKeys::~TlsTicketKeys() {
  wipe(newest_);
  wipe(previous_);
}

void TlsTicketKeys::age(MonotonicTime now) {
  if (newest_ && now - made_at_ >= lifetime_) {
    wipe(previous_);
    previous_ = newest_;
    previous_ends_ = made_at_ + 2 * lifetime_;
    wipe(newest_);
  }
  if (previous_ && now >= previous_ends_) wipe(previous_);
}

std::optional<TlsTicketKeys::Key> TlsTicketKeys::newest(MonotonicTime now) {
  const std::lock_guard lock(mutex_);
  age(now);
  if (!newest_) {
    Key key;
    if (RAND_bytes(key.name.data(), static_cast<int>(key.name.size())) != 1 ||
        RAND_priv_bytes(key.cipher.data(), static_cast<int>(key.cipher.size())) != 1 ||
        RAND_priv_bytes(key.mac.data(), static_cast<int>(key.mac.size())) != 1) {
      return std::nullopt;
    }
    newest_ = key;
    made_at_ = now;
  }
  return newest_;
}

std::optional<TlsTicketKeys::Found> TlsTicketKeys::find(const unsigned char* name,
                                                        MonotonicTime now) {
  const std::lock_guard lock(mutex_);
  age(now);
  const auto is = [name](const std::optional<Key>& key) {
    return key && std::equal(key->name.begin(), key->name.end(), name);
  };
  if (is(newest_)) return Found{.key = *newest_, .is_newest = true};
  if (is(previous_)) return Found{.key = *previous_, .is_newest = false};
  return std::nullopt;
}

int TlsTicketKeys::prepare(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                           EVP_MAC_CTX* mac, bool encrypting) {
  constexpr int kFailed = -1;
  constexpr int kNoTicket = 0;
  constexpr int kGood = 1;
  constexpr int kGoodAndRenew = 2;
  const MonotonicTime now = monotonic_now();
  std::optional<Found> found;
  if (encrypting) {
    const std::optional<Key> key = newest(now);
    if (!key || RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) return kFailed;
    std::copy(key->name.begin(), key->name.end(), name);
    found = Found{.key = *key, .is_newest = true};
  } else {
    found = find(name, now);
    if (!found) return kNoTicket;
  }
  char digest[] = "SHA256";
  const std::array parameters{OSSL_PARAM_construct_octet_string(
                                  OSSL_MAC_PARAM_KEY, found->key.mac.data(), found->key.mac.size()),
                              OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                              OSSL_PARAM_construct_end()};
  const bool is_set = EVP_MAC_CTX_set_params(mac, parameters.data()) == 1 &&
                      EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), nullptr,
                                        found->key.cipher.data(), iv, encrypting ? 1 : 0) == 1;
  OPENSSL_cleanse(&found->key, sizeof found->key);
  if (!is_set) return kFailed;
  // With TLS 1.3 a client uses a ticket once, so that nobody can tell two visits for one
  // client's (RFC 8446 C.4); it needs a new one each time.
  const bool renew = !encrypting && (!found->is_newest || SSL_version(ssl) >= TLS1_3_VERSION);
  return renew ? kGoodAndRenew : kGood;
}

}  // namespace leat::internal
