// Public: what the connections of one loop have done so far.
#pragma once

#include <array>
#include <cstddef>

#include "leat/base/counter.h"
#include "leat/net/close_reason.h"

namespace leat {

/// Written by the loop, readable from any thread while it runs. One set a server and loop.
struct NetCounters {
  Counter accepted;         ///< Connections taken over by this loop.
  Counter open;             ///< Connections open now.
  Counter accept_wake_ups;  ///< Times a listener was found ready.
  Counter accept_empty;     ///< Of these, times there was nothing left to accept.
  Counter accept_paused;    ///< Times accepting stopped for want of descriptors or memory.
  Counter accept_failed;    ///< Connections lost before they could be accepted.
  Counter handed_over;      ///< Connections accepted here and given to a loop that had less.
  Counter moved_in;         ///< Open connections that TcpConnection::move_to() brought here.
  Counter moved_out;        ///< And those that it took away.
  Counter reads;            ///< System calls that read.
  Counter writes;           ///< System calls that wrote.
  Counter bytes_received;
  Counter bytes_sent;
  Counter bytes_discarded;  ///< Received after close(), so nobody wanted them.
  Counter bytes_unsent;     ///< Accepted by send() and lost when a connection was cut.
  Counter write_blocked;    ///< Times the kernel could take no more.
  Counter high_water;       ///< Times output passed the high-water mark.
  Counter receive_full;     ///< Times unread input reached its limit.
  Counter receive_starved;  ///< Times io_uring had no memory left to receive into, and tried again.
  Counter tls_handshakes;   ///< TLS handshakes done.
  Counter tls_resumed;      ///< Of these, the ones that resumed an earlier session.
  Counter tls_failed;       ///< TLS handshakes that failed, for whatever reason.
  std::array<Counter, kCloseReasonCount> closed;  ///< By CloseReason.
};

}  // namespace leat
