// Public: the limits of a connection.
#pragma once

#include <chrono>
#include <cstddef>

#include "leat/base/monotonic_time.h"
#include "leat/net/socket_busy_poll.h"

namespace leat {

/// Limits are on by default where a peer could otherwise take without end. A time of zero means
/// no limit.
struct ConnectionOptions {
  /// TCP_NODELAY: sends are gathered by Leat, so Nagle's waiting would only add to it.
  bool no_delay = true;
  /// SO_KEEPALIVE: finds peers that vanished without a word while nothing was on its way to them.
  bool keep_alive = true;
  /// Silence before the first probe, and between probes, in whole seconds (TCP_KEEPIDLE,
  /// TCP_KEEPINTVL, 1 to 32767 s), and probes without an answer that end the connection
  /// (TCP_KEEPCNT, 1 to 127). 0 is the system's value: two hours, 75 s and 9 unless its
  /// administrator chose others.
  std::chrono::seconds keep_alive_idle{0};
  std::chrono::seconds keep_alive_interval{0};
  int keep_alive_probes = 0;
  /// SO_SNDBUF and SO_RCVBUF in bytes; 0 leaves the kernel's autotuning on.
  int kernel_send_buffer = 0;
  int kernel_receive_buffer = 0;
  /// Off unless set; docs/busy-polling.md. Not for Unix sockets.
  SocketBusyPoll busy_poll = {};

  /// Local connections that live long enough go by shared memory where the other end can too:
  /// docs/shared-memory.md. The socket stays, and stays in charge; but move_to() is refused then.
  bool shared_memory = true;

  /// Closes a connection on which no byte has come or gone for so long.
  Duration idle_timeout{0};
  /// Closes one that has sent nothing for so long while it was being read.
  Duration read_timeout{0};
  /// Closes one that has taken nothing for so long while output was waiting: no byte more was
  /// acknowledged (SIOCOUTQ, man 7 tcp). It is noticed within twice that time.
  Duration write_timeout{0};
  /// After close(): how long output may stand still, and then how long the peer may take to
  /// finish as well, before the connection is cut.
  Duration linger_timeout = std::chrono::seconds(5);

  /// With more output than this waiting, the connection is not read (its input is what produces
  /// the output of a server) and on_high_water is called; below the low mark both are undone.
  std::size_t high_water_mark = 1024 * 1024;
  std::size_t low_water_mark = 256 * 1024;
  /// With this much unread input the connection is not read until some is consumed.
  std::size_t receive_limit = 1024 * 1024;
  /// Bound on input, output and sends on their way from other threads together. A send that
  /// would pass it fails and ends the connection: a stream must not have a hole. What keeping a
  /// piece costs counts as well, here and for the high-water mark: some bytes for each piece, a
  /// KiB for each file (whose content is not in memory), the rest of a block closed early.
  std::size_t max_buffered = 64 * 1024 * 1024;
};

}  // namespace leat
