// Internal: how a blocked recv() waits for a shared connection.
#pragma once

#include <cstdint>

namespace leat::preload {

class Connection;

/// Lives for one call of the program: what was asked of the kernel once.
struct InputWait {
  bool asked = false;              ///< SO_RCVTIMEO is known.
  std::int64_t deadline = 0;       ///< Nanoseconds of CLOCK_MONOTONIC; 0: none.
  bool has_spun = false;           ///< Once is enough.
  std::int64_t measured_from = 0;  ///< When a sleep began that no spin went before; 0: none.
};

/// Looks at the rings as long as that pays; true: look again. Before anybody has asked the kernel
/// whether the socket blocks: the spin is short, and mostly it saves the question.
bool spin_for_input(Connection& connection, InputWait& wait);

/// Spins if that pays, then sleeps, until the connection may have input, the socket has something
/// (data, a doorbell, FIN, an error), or the peer has gone. Called without a lock, on a blocking
/// socket, after look() found nothing. 0: look again; EINTR: a signal, as recv() would tell it;
/// EAGAIN: SO_RCVTIMEO is over. Does not consume bytes of the socket. A cancellation point.
int wait_for_input(Connection& connection, int fd, InputWait& wait);

}  // namespace leat::preload
