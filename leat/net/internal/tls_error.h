// Internal: OpenSSL's errors in words.
#pragma once

#include <string>

namespace leat::internal {

/// What OpenSSL has noted on this thread since the last ERR_clear_error(), the cause first:
/// "wrong version number"; "unknown" if there is nothing. Empties the queue.
[[nodiscard]] std::string take_openssl_errors();

}  // namespace leat::internal
