// The life of a UDP socket, and what it receives.
#include "leat/net/internal/udp_core.h"

#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <limits>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "leat/base/assert.h"
#include "leat/net/internal/socket_ops.h"

namespace leat::internal {

namespace {

// Taken in one go from the error queue, which anybody can fill.
constexpr int kErrorBudget = 64;

Error closed_error() {
  return Error::from_errno(EPIPE, "this UDP socket is closed");
}

}  // namespace

UdpCore::UdpCore(EventLoop& loop, OpenedUdp opened, UdpOptions options)
    : loop_(loop),
      socket_(std::move(opened.socket)),
      local_(opened.local),
      peer_(opened.peer),
      options_(std::move(options)),
      channel_(loop, socket_.get()),
      gso_(opened.gso),
      smallest_refused_(std::numeric_limits<std::size_t>::max()) {
  loop_.assert_in_loop_thread();
  channel_.on_read([this](Timestamp) { handle_read(); });
  channel_.on_write([this] { write_queue(); });
  channel_.on_error([this] { handle_error(); });
}

UdpCore::~UdpCore() = default;

void UdpCore::close_with_loop() {
  exit_id_ = loop_.at_exit([this] { close(); });
}

Result<void> UdpCore::start() {
  if (closed_) return closed_error();
  LEAT_ASSERT(on_datagrams, "start() without on_datagrams()");
  return channel_.enable_reading();
}

void UdpCore::pause() {
  if (!closed_) static_cast<void>(channel_.disable_reading());
}

void UdpCore::close() {
  if (closed_) return;
  loop_.assert_in_loop_thread();
  write_quietly();
  refresh_kernel_drops();
  closed_ = true;
  counters_.send_dropped.add(queue_.datagrams());
  queue_.clear();
  channel_.remove();
  socket_.reset();
  loop_.cancel_at_exit(exit_id_);
  loop_.release_later(shared_from_this());
}

// Receiving.

void UdpCore::handle_read() {
  std::size_t budget = options_.receive_budget;
  while (!closed_ && channel_.is_reading()) {
    const UdpReceiveBatch::Lease batch({options_.batch, options_.max_datagram});
    const int taken = batch->receive(socket_.get());
    const int number = errno;
    counters_.receive_calls.add();
    if (taken < 0) {
      if (number != EAGAIN && number != EINTR) take_errors(number);
      return;
    }
    const auto count = static_cast<std::size_t>(taken);
    if (count > 0) deliver(*batch, count);
    // What comes after a batch that was not full, and after the budget, the next poll tells of.
    if (count < options_.batch || count >= budget) return;
    budget -= count;
  }
}

void UdpCore::deliver(UdpReceiveBatch& batch, std::size_t count) {
  std::vector<Datagram>& datagrams = batch.datagrams();
  datagrams.clear();
  std::size_t single = 0;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const msghdr& message = batch.message(i);
    const ReceivedControl control = parse_control(message);
    Datagram& datagram = datagrams.emplace_back();
    datagram.payload = batch.payload(i);
    datagram.peer = batch.peer(i);
    datagram.ecn = control.ecn;
    datagram.truncated = (message.msg_flags & MSG_TRUNC) != 0;
    // A single one has its size as well: only from there on there is something to cut.
    if (control.segment_size < datagram.payload.size())
      datagram.segment_size = control.segment_size;
    if (control.local) {
      datagram.local = *control.local;
      datagram.local.set_port(local_.port());
    }
    if (control.drops) note_drops(*control.drops);
    const std::size_t pieces = datagram.segments().size();
    single += pieces;
    bytes += datagram.payload.size();
    if (pieces > 1) counters_.gro_received.add();
    if (datagram.truncated) counters_.truncated.add();
  }
  counters_.datagrams_received.add(single);
  counters_.bytes_received.add(bytes);
  on_datagrams(datagrams);
}

/// A number that came with a datagram is as old as that, and so may be behind one that was asked
/// for. Both wrap around.
void UdpCore::note_drops(std::uint32_t total) {
  const auto more = static_cast<std::int32_t>(total - drops_seen_);
  if (more <= 0) return;
  drops_seen_ = total;
  counters_.kernel_drops.add(static_cast<std::uint32_t>(more));
}

void UdpCore::refresh_kernel_drops() {
  if (closed_) return;
  std::array<std::uint32_t, SK_MEMINFO_VARS> numbers{};
  socklen_t size = sizeof numbers;
  const int failed = ::getsockopt(socket_.get(), SOL_SOCKET, SO_MEMINFO, numbers.data(), &size);
  if (failed == 0 && size > SK_MEMINFO_DROPS * sizeof(std::uint32_t)) {
    note_drops(numbers[SK_MEMINFO_DROPS]);
  }
}

Result<std::size_t> UdpCore::path_mtu() const {
  if (closed_) return closed_error();
  const bool ipv6 = local_.domain() == AF_INET6;
  int mtu = 0;
  socklen_t size = sizeof mtu;
  if (::getsockopt(socket_.get(), ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, ipv6 ? IPV6_MTU : IP_MTU, &mtu,
                   &size) != 0) {
    return Error::from_errno(errno, "the path's MTU");
  }
  return static_cast<std::size_t>(mtu);
}

// Errors.

/// The kernel keeps an error in two places: as a number, which the next call on the socket fails
/// with, and with `error_queue` as a report with all details. EPOLLERR stands for either, and is
/// reported until both are empty; to take the last report clears the number too.
void UdpCore::take_errors(int number) {
  int taken = 0;
  while (taken < kErrorBudget && take_queued_error()) ++taken;
  if (taken > 0 || closed_) return;
  if (number == 0) number = take_socket_error(socket_.get());
  if (number != 0) {
    report(UdpError::Origin::kIcmp, number, "datagrams to", peer_.value_or(InetAddress()));
  }
}

bool UdpCore::take_queued_error() {
  if (closed_) return false;
  // Of the datagram that failed; what it began with tells which it was.
  std::array<char, 512> payload;
  alignas(cmsghdr) std::array<std::byte, kErrorControlRoom> control;
  sockaddr_storage to{};
  iovec vector{.iov_base = payload.data(), .iov_len = payload.size()};
  msghdr message{};
  message.msg_name = &to;
  message.msg_namelen = sizeof to;
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t size = ::recvmsg(socket_.get(), &message, MSG_ERRQUEUE | MSG_DONTWAIT);
  if (size < 0) return false;
  const std::optional<ReceivedError> found = parse_error(message);
  // Such as a time stamp, that somebody asked for by fd().
  if (!found) return true;
  const auto peer =
      InetAddress::from_sockaddr(reinterpret_cast<const sockaddr*>(&to), message.msg_namelen)
          .value_or(InetAddress());
  const UdpError::Origin origin =
      found->from_icmp ? UdpError::Origin::kIcmp : UdpError::Origin::kLocal;
  report(
      {.origin = origin,
       .error = Error::from_errno(found->number, fmt::format("a datagram to {}", peer.to_string())),
       .peer = peer,
       .offender = found->offender,
       .icmp_type = found->type,
       .icmp_code = found->code,
       .mtu = found->number == EMSGSIZE ? found->info : 0,
       .payload = {payload.data(), static_cast<std::size_t>(size)}});
  return true;
}

void UdpCore::report(UdpError::Origin origin, int number, std::string_view what,
                     const InetAddress& peer) {
  report({.origin = origin,
          .error = Error::from_errno(number, fmt::format("{} {}", what, peer.to_string())),
          .peer = peer,
          .offender = InetAddress(),
          .payload = {}});
}

void UdpCore::report(const UdpError& error) {
  counters_.errors_reported.add();
  if (on_error) on_error(error);
}

}  // namespace leat::internal
