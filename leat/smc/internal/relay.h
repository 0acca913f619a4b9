// Internal: a process that carries a connection on for a program that cannot read its rings.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <vector>

#include "leat/base/unique_fd.h"

namespace leat::smc::internal {

/// What a program hands over when it must give up its rings and its peer can send nothing again:
///
///     program            relay                               peer
///     reader <--- TCP --- fresh <--- rest, then --- old <--- TCP --- ...
///     writer ---> TCP --> fresh -------------------> old ---> TCP --> ...
///
struct RelayEnds {
  UniqueFd old;    ///< The connection's socket, by TCP from now on in both directions.
  UniqueFd fresh;  ///< An end of a TCP connection whose other end took the descriptor's place.
  UniqueFd rest;   ///< A memory file: what lies before all that `old` brings, from its offset on.
};

/// The relays of one broker, each a process of its own: it may be slow, it outlives the broker, and
/// ends with the connection. One thread.
class RelayDesk {
 public:
  static constexpr std::size_t kMost = 256;

  /// False if the descriptors are not what they should be, there are too many relays, or no process
  /// can be made. The descriptors are closed here in any case.
  bool start(RelayEnds ends);
  /// Now and then: forgets those that have ended.
  void reap();

 private:
  std::vector<pid_t> relays_;
};

/// The relay itself: both directions until both have ended, half closes and resets carried on.
/// Allocates nothing. Asks for readiness and never blocks in a call, and leaves O_NONBLOCK alone,
/// for others may hold the sockets.
void relay(const RelayEnds& ends);

}  // namespace leat::smc::internal
