// Internal: what makes up the whole chain, so that a piece can be taken away.
#pragma once

#include <cstdint>

#include "leat/net/balance.h"
#include "leat/reactor/poller.h"

namespace leat::testing {

struct Pieces {
  /// Each loop stays on a CPU of its own; else it is let go when the server has started.
  bool pinned = true;
  Balance balance = Balance::kIncomingCpu;
  bool rps = true;  ///< Over all CPUs that have a loop.
  bool rfs = true;
  bool xps = true;  ///< A queue for each of those CPUs.
  PollerKind poller = PollerKind::kEpoll;
};

/// Both kinds of connections at once, on each thread in turns; before every step the thread moves
/// to a CPU of chance, so that packets of one connection arrive on all CPUs.
struct ChainLoad {
  int threads = 4;
  int short_connections =
      2000;                  ///< Of a thread, one after the other: a request, an answer, closed.
  int long_connections = 2;  ///< Of a thread; a request on one after each short connection.
  /// Other work, on one CPU after the other: what is not pinned gets out of its way.
  bool neighbour = true;
  std::uint64_t seed = 1;
};

}  // namespace leat::testing
