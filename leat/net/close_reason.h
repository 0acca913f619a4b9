// Public: why a connection ended.
#pragma once

#include <cstddef>
#include <string_view>

namespace leat {

enum class CloseReason {
  kNone,        ///< It has not.
  kPeerClosed,  ///< The peer finished, and so did we.
  kLocalClose,  ///< close() or shutdown() here, then the peer finished.
  kAborted,     ///< abort() here.
  kReset,       ///< The peer or the network reset it (ECONNRESET, EPIPE).
  kIdleTimeout,
  kReadTimeout,
  kWriteTimeout,
  kLingerTimeout,      ///< close() here, and the peer did not take the rest or did not finish.
  kBufferLimit,        ///< More was sent than max_buffered allows.
  kFileTruncated,      ///< A file being sent was shorter than promised.
  kCallbackException,  ///< An exception left one of its callbacks.
  kServerStopped,      ///< Cut at the deadline of TcpServer::stop(), or by its destruction.
  kLoopEnded,          ///< Its loop was destroyed.
  kHandshakeFailed,    ///< TLS could not begin.
  kTruncated,          ///< TLS: the peer finished without saying so; an end may be missing.
  kError,              ///< Any other error of the socket; on_error was told.
};
inline constexpr std::size_t kCloseReasonCount = 17;

/// "peer_closed", for logs and counters.
[[nodiscard]] std::string_view to_string(CloseReason reason);

}  // namespace leat
