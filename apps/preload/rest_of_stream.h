// Internal: the end of a stream that cannot be sent again by TCP, put where a program without the
// shim finds it.
#pragma once

#include "apps/preload/connection.h"
#include "apps/preload/rest_file.h"

namespace leat::preload {

/// How far take_rest() came.
enum class Rest {
  kTaken,   ///< Rings are empty; everything else comes by TCP.
  kFrozen,  ///< The peer may still answer a fold, and lives: take_frozen_rest().
  kLost,
};

/// The peer lives, or has only ended its output; this end is folding. Reads what it cannot send
/// again, up to where the stream goes on by TCP.
Rest take_rest(Connection& connection, int fd, RestFile& rest);
/// The peer does not answer: reads what lies in its rings, while it is kept from changing them. It
/// finds nothing to send again then. False if that could not be; wait for its answer after this.
bool take_frozen_rest(Connection& connection, RestFile& rest);
/// The peer has gone: reads rings and socket to the end of the stream. No fold is under way.
bool take_to_the_end(Connection& connection, int fd, RestFile& rest);

/// Puts one end of a fresh TCP connection over the loopback device in the place of every descriptor
/// this process has for the connection: it has `rest`, and then, if `goes_on`, what the connection
/// brings, and takes what is for the peer; a process of the broker's relays that. Else its end.
/// The program reads the same bytes and the same end; the names and options are the new socket's.
bool replace_by_rest(Connection& connection, int fd, RestFile& rest, bool goes_on);

/// The connection is lost for both ends, as by a reset: never a hole in the stream.
void reset(int fd);

}  // namespace leat::preload
