// Public: a UDP socket on one loop, in batches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "leat/base/move_only_function.h"
#include "leat/base/result.h"
#include "leat/net/datagram.h"
#include "leat/net/inet_address.h"
#include "leat/net/listener_set.h"
#include "leat/net/session_id_rule.h"
#include "leat/net/udp_counters.h"
#include "leat/net/udp_options.h"

namespace leat {

class EventLoop;
namespace internal {
class UdpCore;
}

/// Why a datagram did not arrive, as far as somebody said so; good until the callback returns.
struct UdpError {
  enum class Origin : std::uint8_t {
    kSend,   ///< The kernel refused to send it: counted in UdpCounters::send_failed.
    kLocal,  ///< With UdpOptions::error_queue, a second time by the kernel: mostly EMSGSIZE, and
             ///< with the `mtu`. Of a socket without connect() the peer's port is 0 here.
    kIcmp,   ///< A host or router reported it. Such a report can be forged.
  };
  Origin origin;
  /// ECONNREFUSED: nobody has the port. EHOSTUNREACH, ENETUNREACH, EMSGSIZE, EACCES ... (man 7 ip
  /// has the meaning of each).
  Error error;
  /// To whom it was sent; 0.0.0.0:0 if that is not known.
  InetAddress peer;
  /// Who reported it, with port 0; 0.0.0.0:0 for what this machine found itself.
  InetAddress offender;
  /// ICMP's or ICMPv6's type and code; 0 for other origins.
  std::uint8_t icmp_type = 0;
  std::uint8_t icmp_code = 0;
  /// With EMSGSIZE: what the path takes, in bytes with the IP header; 0 if not known.
  std::uint32_t mtu = 0;
  /// The beginning of the lost payload, as far as the report has it.
  std::string_view payload;
};

/// Receives by recvmmsg() and sends by sendmmsg(), several datagrams in a system call, and with
/// GRO and GSO several in one piece. IPv4, IPv6 or both ([::] takes IPv4 as well).
///
///     auto socket = leat::UdpSocket::bind(*loop, address, {.gro = true}).value();
///     socket->on_datagrams([&](std::span<const leat::Datagram> datagrams) {
///       for (const auto& datagram : datagrams) socket->send(datagram.payload, datagram.reply());
///     });
///     socket->start().value();
///
/// All methods and the destructor belong to the loop's thread, but for counters(). The socket may
/// be closed or destroyed in any callback, also in its own; a loop that ends closes it. Set the
/// callbacks before start(). An exception out of one leaves EventLoop::loop(): what was received
/// with it is not delivered again, what waits to be sent is kept.
class UdpSocket {
 public:
  using DatagramsCallback = MoveOnlyFunction<void(std::span<const Datagram>)>;
  using ErrorCallback = MoveOnlyFunction<void(const UdpError&)>;
  using WritableCallback = MoveOnlyFunction<void()>;

  /// Datagrams in one piece for the kernel (UDP_MAX_SEGMENTS before Linux 6.9).
  static constexpr std::size_t kMaxSegments = 64;
  /// Payload of a datagram, or of a piece of several, over IPv4 (RFC 768: 65535 bytes less the
  /// headers) and over IPv6 without its jumbograms.
  static constexpr std::size_t kMaxPayload = 65507;
  static constexpr std::size_t kMaxPayloadIpv6 = 65527;
  /// What UdpOptions::max_queued counts for each piece beside its payload.
  static constexpr std::size_t kSendCost = 256;

  /// A socket that talks to anybody. Fails as bind() does, with what is in the way; with EINVAL
  /// for options out of range; with EPERM for what busy polling needs; with ENOPROTOOPT where the
  /// kernel lacks an option that was asked for.
  [[nodiscard]] static Result<std::unique_ptr<UdpSocket>> bind(EventLoop& loop,
                                                               const InetAddress& address,
                                                               UdpOptions options = {});
  /// The same on a socket that another process has bound: one of ListenerSet::take(Kind::kUdp).
  /// Fails with EINVAL for one of another kind, and for options out of range.
  [[nodiscard]] static Result<std::unique_ptr<UdpSocket>> adopt(EventLoop& loop,
                                                                ListenerSocket socket,
                                                                UdpOptions options = {});
  /// A socket that talks to `peer` only: the kernel passes on nothing from others. Nothing is
  /// sent; it fails as bind() and where there is no route.
  [[nodiscard]] static Result<std::unique_ptr<UdpSocket>> connect(EventLoop& loop,
                                                                  const InetAddress& peer,
                                                                  UdpOptions options = {});
  /// As close(). Nothing is called back afterwards.
  ~UdpSocket();
  UdpSocket(const UdpSocket&) = delete;
  UdpSocket& operator=(const UdpSocket&) = delete;

  // Callbacks.

  /// Gets what arrived: 1 to UdpOptions::batch payloads, in order of arrival. They and all their
  /// parts are good until it returns.
  void on_datagrams(DatagramsCallback callback);
  /// A datagram that was sent before is lost, or may be; see UdpError. Without it such errors are
  /// counted only.
  void on_error(ErrorCallback callback);
  /// There is room again after a send() failed with ENOBUFS.
  void on_writable(WritableCallback callback);

  // Receiving.

  /// Begins to receive; also what reports errors comes only from then on. Fails if the socket
  /// cannot be watched (see Channel), and with EPIPE when it is closed.
  Result<void> start();
  /// Stops and goes on. Meanwhile the kernel keeps what fits into its buffer and drops the rest,
  /// which is counted in `kernel_drops`. resume() fails as start().
  void pause();
  Result<void> resume();
  [[nodiscard]] bool is_receiving() const;

  /// For all sockets that share this one's address by UdpOptions::reuse_port: a datagram whose
  /// number by `rule` is n goes to the socket that was bound as the n-th, from 0; what is too short
  /// or names none goes by the hash of the peer's address. So a session stays with its socket, and
  /// loop, when its peer's address changes. When a socket closes, the last one takes its number
  /// (net/core/sock_reuseport.c): close all, or the last ones. Linux 4.5. Fails with EINVAL for
  /// another length, beyond a datagram, and without reuse_port; with ENOPROTOOPT where the kernel
  /// lacks it, and with EPIPE when closed. There is no counterpart for TCP, whose first packet has
  /// no payload to choose by; TcpConnection::move_to() serves there.
  Result<void> choose_by_session_id(const SessionIdRule& rule);

  // Sending. Both copy the payload. What one iteration of the loop gathers goes to the kernel at
  // its end, earlier when there is much of it. What the kernel cannot take waits, in order, up to
  // UdpOptions::max_queued.

  /// To the peer of connect(). Fails, and nothing is sent, with EDESTADDRREQ without such a peer,
  /// EMSGSIZE above kMaxPayload, ENOBUFS when the queue is full, EPIPE when closed.
  Result<void> send(std::string_view payload) { return send(payload, DatagramRoute{}); }
  /// Also with EAFNOSUPPORT for an address of a family that the socket cannot reach, and with
  /// EMSGSIZE for more than kMaxSegments segments.
  Result<void> send(std::string_view payload, const DatagramRoute& route);
  /// Gives what is queued to the kernel now, without waiting for the iteration's end. Errors are
  /// told later, by on_error.
  void flush();
  /// What waits to be sent, as UdpOptions::max_queued counts it.
  [[nodiscard]] std::size_t queued() const;

  // The end.

  /// Gives what is queued to the kernel, as far as it takes it at once; the rest is lost, and
  /// counted in `send_dropped`. Then closes the descriptor. No callback comes any more.
  void close();
  [[nodiscard]] bool is_open() const;

  // Queries.

  /// For a process that shall have the socket too. Each datagram comes to one of them, so pause()
  /// here when the other receives. Fails with EPIPE when closed.
  [[nodiscard]] Result<ListenerSocket> duplicate() const;
  /// What is bound, with the port as the kernel gave it. Fails with EPIPE when closed.
  [[nodiscard]] Result<InetAddress> address() const;
  /// What the path to the peer of connect() is known to take, in bytes with the IP header
  /// (IP_MTU). Fails with ENOTCONN without such a peer, with EPIPE when closed.
  [[nodiscard]] Result<std::size_t> path_mtu() const;
  /// Asks the kernel for what it has dropped up to now (SO_MEMINFO, Linux 4.12), as it does not
  /// tell before the next datagram. close() does it too.
  void refresh_kernel_drops();
  /// From any thread, while this object lives.
  [[nodiscard]] const UdpCounters& counters() const;
  [[nodiscard]] EventLoop& loop() const;
  /// For options that are missing here; -1 when closed.
  [[nodiscard]] int fd() const;

 private:
  explicit UdpSocket(std::shared_ptr<internal::UdpCore> core);

  std::shared_ptr<internal::UdpCore> core_;
};

}  // namespace leat
