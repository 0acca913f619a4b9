#include "leat/net/close_reason.h"

namespace leat {

std::string_view to_string(CloseReason reason) {
  switch (reason) {
    case CloseReason::kNone:
      return "none";
    case CloseReason::kPeerClosed:
      return "peer_closed";
    case CloseReason::kLocalClose:
      return "local_close";
    case CloseReason::kAborted:
      return "aborted";
    case CloseReason::kReset:
      return "reset";
    case CloseReason::kIdleTimeout:
      return "idle_timeout";
    case CloseReason::kReadTimeout:
      return "read_timeout";
    case CloseReason::kWriteTimeout:
      return "write_timeout";
    case CloseReason::kLingerTimeout:
      return "linger_timeout";
    case CloseReason::kBufferLimit:
      return "buffer_limit";
    case CloseReason::kFileTruncated:
      return "file_truncated";
    case CloseReason::kCallbackException:
      return "callback_exception";
    case CloseReason::kServerStopped:
      return "server_stopped";
    case CloseReason::kLoopEnded:
      return "loop_ended";
    case CloseReason::kHandshakeFailed:
      return "handshake_failed";
    case CloseReason::kTruncated:
      return "truncated";
    case CloseReason::kError:
      return "error";
  }
  return "unknown";
}

}  // namespace leat
