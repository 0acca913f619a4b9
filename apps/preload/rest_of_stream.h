// Internal: the end of a stream whose writer has gone, put where a program without the shim finds
// it.
#pragma once

#include "apps/preload/connection.h"

namespace leat::preload {

/// Reads what is left, rings and socket, to its end, writes it into a fresh TCP connection over the
/// loopback device, shuts that, and puts its other end in the place of every descriptor this
/// process has for the connection. The program reads the same bytes and the same end; the names and
/// options are the new socket's. False, with nothing changed but what was read, if the kernel's
/// buffers do not take it all.
bool replace_by_rest(Connection& connection, int fd);

/// The connection is lost for both ends, as by a reset: never a hole in the stream.
void reset(int fd);

}  // namespace leat::preload
