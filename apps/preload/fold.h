// Internal: bringing whole connections back to TCP, for those who know nothing of rings.
#pragma once

#include <sys/socket.h>

#include "apps/preload/connection.h"

namespace leat::preload {

/// Both directions of `fd` by TCP for good, with every byte in its place: nobody needs the shim for
/// it any more. Sends are told to the peer; what it has sent by rings and we have not read, it
/// sends again. What it cannot send again takes the descriptor's place, see rest_of_stream.h. Waits
/// for the peer, a second at most; if nothing works the connection is reset, never a hole.
void fold_for_good(Connection& connection, int fd, smc::FallbackReason reason);

/// Those that a message passes on (SCM_RIGHTS).
void fold_descriptors_in(const msghdr& message);

/// All of this process, and none will be accelerated from now on (io_uring).
void fold_all(smc::FallbackReason reason);

}  // namespace leat::preload
