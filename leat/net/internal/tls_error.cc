#include "leat/net/internal/tls_error.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

namespace leat::internal {

namespace {

std::string words_of(unsigned long code, const char* data) {
  std::string words;
  if (ERR_GET_LIB(code) == ERR_LIB_SSL) {
    // OpenSSL knows these by the first bytes; its own words do not say what to do about it.
    if (ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST) return "plain HTTP where TLS was expected";
    if (ERR_GET_REASON(code) == SSL_R_HTTPS_PROXY_REQUEST) {
      return "a request to an HTTP proxy where TLS was expected";
    }
  }
  if (ERR_SYSTEM_ERROR(code)) {
    words = "system error " + std::to_string(ERR_GET_REASON(code));
  } else if (const char* reason = ERR_reason_error_string(code)) {
    words = reason;
  } else {
    words = "error " + std::to_string(code);
  }
  if (data != nullptr && *data != '\0') words.append(" (").append(data).append(")");
  return words;
}

/// "EVP lib": only says which part reported the error that stands beside it.
bool is_filler(unsigned long code) {
  const int reason = ERR_GET_REASON(code);
  return !ERR_SYSTEM_ERROR(code) && (reason & ERR_RFLAG_COMMON) != 0 &&
         (reason & ERR_RFLAG_FATAL) == 0;
}

}  // namespace

std::string take_openssl_errors() {
  std::string all;
  std::string filler;
  const char* data = nullptr;
  int flags = 0;
  while (const unsigned long code = ERR_get_error_all(nullptr, nullptr, nullptr, &data, &flags)) {
    const std::string words = words_of(code, (flags & ERR_TXT_STRING) != 0 ? data : nullptr);
    if (is_filler(code)) filler = words;
    if (is_filler(code) || all.find(words) != std::string::npos) continue;
    if (!all.empty()) all += ", ";
    all += words;
  }
  if (all.empty()) all = filler;
  return all.empty() ? "unknown" : all;
}

}  // namespace leat::internal
