// Internal: receiving on a connection whose input comes by spans.
#pragma once

#include <sys/types.h>

#include "apps/preload/connection.h"
#include "apps/preload/scatter.h"

namespace leat::preload {

/// As recvmsg() on TCP, from wherever the next bytes are. The count, or -errno. `flags`: MSG_PEEK,
/// MSG_WAITALL, MSG_DONTWAIT, MSG_TRUNC; others have no meaning here. A cancellation point where
/// it sleeps. Input must be open (native_scope.h).
ssize_t receive(Connection& connection, int fd, const iovec* parts, std::size_t count, int flags);

/// Takes what lies in the socket and is a doorbell; under no lock. For close(), so that the peer
/// sees a FIN and not a reset.
void eat_doorbells(Connection& connection, int fd);

/// Bytes that a recv() would return now, of rings and socket; for FIONREAD. -errno on failure.
long readable_bytes(Connection& connection, int fd);

}  // namespace leat::preload
