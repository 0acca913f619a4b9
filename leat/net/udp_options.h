// Public: the settings of a UDP socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "leat/net/inet_address.h"
#include "leat/net/socket_busy_poll.h"

namespace leat {

/// IP_MTU_DISCOVER, man 7 ip: what happens to datagrams larger than the path to their peer takes.
enum class PathMtuDiscovery : std::uint8_t {
  kSystem,  ///< net.ipv4.ip_no_pmtu_disc decides; usually as kWant.
  kNever,   ///< Routers may fragment.
  kWant,    ///< This machine fragments what is larger than the path is known to take.
  kAlways,  ///< Never fragmented; what is too large for the known path fails with EMSGSIZE.
  kProbe,   ///< Never fragmented, and the known path is ignored: for probing it (RFC 8899).
};

struct UdpOptions {
  /// SO_REUSEPORT: several sockets of the same user share the address, and the kernel spreads the
  /// peers over them by a hash: one socket for each loop.
  bool reuse_port = false;
  /// For connect(): the local address, with port 0 for any.
  std::optional<InetAddress> bind_to = std::nullopt;
  /// SO_RCVBUF and SO_SNDBUF in bytes, of which the kernel's own bookkeeping takes a part; capped
  /// by net.core.rmem_max and wmem_max without an error. 0: the system's value.
  int kernel_receive_buffer = 0;
  int kernel_send_buffer = 0;

  /// UDP_GRO (Linux 5.0): datagrams of one size from one peer may come as one payload, see
  /// Datagram::segment_size. Off, because who overlooks that takes several for one.
  bool gro = false;
  /// Gives up to 64 datagrams of one size to one peer to the kernel as one (UDP_SEGMENT, Linux
  /// 4.18), also those of separate send() calls in a row. On the wire it makes no difference. Where
  /// the kernel or the network card refuses, Leat cuts them itself.
  bool gso = true;
  /// Fills in Datagram::ecn.
  bool receive_ecn = false;
  /// Fills in Datagram::local: for sockets bound to 0.0.0.0 or [::] that have to answer from the
  /// address they were asked on.
  bool receive_local = false;
  /// IP_RECVERR: on_error gets what routers and hosts report by ICMP, with the peer concerned.
  /// Without it a connected socket learns of refusals only, and others learn nothing.
  bool error_queue = false;
  PathMtuDiscovery path_mtu_discovery = PathMtuDiscovery::kSystem;
  /// Off unless set; docs/busy-polling.md.
  SocketBusyPoll busy_poll = {};

  /// Most payloads of one system call (1 to 1024), and so of one callback. Their memory is shared
  /// by all sockets of a thread.
  std::size_t batch = 32;
  /// Most payloads of one socket in one iteration of the loop, before others have their turn.
  /// Rounded up to whole batches.
  std::size_t receive_budget = 256;
  /// Longer ones are cut, and marked as such (1 to 65535 bytes). At least 65507 with `gro`.
  std::size_t max_datagram = 65535;

  /// Bound on what waits to be sent, in bytes with kSendCost for each piece. A send() that would
  /// pass it fails with ENOBUFS, and that datagram is lost: the older ones keep their place.
  std::size_t max_queued = 1024 * 1024;
  /// After such a loss: on_writable when no more than this waits, or half of max_queued if that
  /// is less.
  std::size_t low_water_mark = 256 * 1024;
};

}  // namespace leat
