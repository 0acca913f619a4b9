// Internal: what an error of accept() means for a server.
#pragma once

#include <cstdint>
#include <string>

namespace leat::internal {

enum class AcceptError : std::uint8_t {
  kEmpty,        ///< Nobody waits.
  kInterrupted,  ///< Try again.
  kConnection,   ///< The connection is lost, the listener is well.
  kShortage,     ///< Descriptors or memory are missing; the connection keeps waiting.
  kUnexpected,   ///< The listener itself is broken, as far as one can tell.
};

[[nodiscard]] AcceptError classify_accept_error(int number);

/// For people: the error, for a shortage how much is in use, and what to raise.
[[nodiscard]] std::string explain_accept_error(int number);

}  // namespace leat::internal
