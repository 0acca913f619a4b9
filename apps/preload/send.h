// Internal: sending on a shared connection.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include "apps/preload/connection.h"

namespace leat::preload {

/// As sendmsg() on TCP, by whichever lane takes the bytes: what no ring takes goes by a sendmsg()
/// of the kernel's own, with its blocking, its time limits, its signals. The count, or -errno
/// (after SIGPIPE, where TCP sends it). `message` may carry a name and control data, which only the
/// kernel understands: such a message ends the use of rings.
ssize_t send(Connection& connection, int fd, const msghdr& message, int flags);

/// Output by TCP only, from now on; what lies in rings stays there. False if it could not be told
/// to the peer (its connection is lost anyway).
bool fold_output(Connection& connection, int fd);

/// The peer wants to fold its input: what it has not read is sent again by TCP. Waits at most
/// `patience_ms` for room there; what is left then is sent by the next call. Under no lock.
void answer_fold(Connection& connection, int fd, int patience_ms = 2000);

/// A second after it was last used the big ring's memory is the system's again. Under no lock.
void give_back_idle_ring(Connection& connection, int fd);

/// Wakes a peer asleep in a futex: something came by TCP that does not wake it (a FIN, data after a
/// ring). Under no lock.
void wake_by_futex(Connection& connection);

/// Wakes a peer wherever it sleeps, for it to look at our flags; but not one that sleeps in the
/// kernel while our lane is TCP, where a doorbell would be data.
void wake_for_flags(Connection& connection, int fd);

}  // namespace leat::preload
