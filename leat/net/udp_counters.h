// Public: what a UDP socket has done so far.
#pragma once

#include "leat/base/counter.h"

namespace leat {

/// Written by the socket's loop, readable from any thread while the socket lives. Datagrams are
/// those of the wire, also where the kernel takes or gives several in one piece. No loss that this
/// machine can know of goes uncounted:
///
///     accepted by send() = datagrams_sent + send_failed + send_dropped + waiting in the queue
struct UdpCounters {
  Counter datagrams_received;
  Counter bytes_received;  ///< Of payload, as all bytes here.
  Counter receive_calls;   ///< System calls that received, or found nothing.
  Counter gro_received;    ///< Pieces that held more than one datagram.
  Counter truncated;       ///< Longer than max_datagram: their end is lost.
  /// Lost between the network and this socket, mostly because its buffer in the kernel was full.
  /// The kernel tells with the next datagram that arrives; UdpSocket::refresh_kernel_drops() asks.
  /// A piece of several datagrams may count once.
  Counter kernel_drops;

  Counter datagrams_sent;
  Counter bytes_sent;
  Counter send_calls;     ///< System calls that sent, or tried to.
  Counter gso_sent;       ///< Pieces of more than one datagram that the kernel took at once.
  Counter gso_refused;    ///< Pieces that it did not take, so that Leat cut them itself.
  Counter send_blocked;   ///< Times the kernel could take no more.
  Counter send_rejected;  ///< Datagrams for which send() failed with ENOBUFS: the queue was full.
  Counter send_failed;    ///< Accepted, then refused by the kernel; on_error told of each.
  Counter send_dropped;   ///< Accepted, and still in the queue when the socket was closed.

  Counter errors_reported;  ///< Calls of on_error, or what would have been one.
};

}  // namespace leat
