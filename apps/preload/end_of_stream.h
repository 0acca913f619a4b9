// Internal: what the end of TCP's stream means for a connection whose bytes went by rings.
#pragma once

#include "apps/preload/connection.h"

namespace leat::preload {

/// The rings are drained, and the socket has told its end: by FIN (`error` 0), or by an error. What
/// the program is told: 0, or an errno.
///
/// - A FIN without kFlagWriteShut is a close or a death. If the peer has not read all of our ring,
///   TCP would have answered with a reset: ECONNRESET, once.
/// - A reset may come of nothing but a doorbell that the peer left unread. If it has read all that
///   we sent and did not ask for a reset (kFlagReset), TCP would have sent a FIN.
[[nodiscard]] int end_of_stream(Connection& connection, int fd, int error);

}  // namespace leat::preload
