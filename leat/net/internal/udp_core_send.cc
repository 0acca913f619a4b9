// The way of datagrams from send() to the socket.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <utility>

#include <fmt/format.h>

#include "leat/net/internal/udp_core.h"

namespace leat::internal {

namespace {

// Given to the kernel before the end of the iteration: a full batch, or so many bytes that more
// would leave the cache.
constexpr std::size_t kEarlyRuns = UdpSendBatch::kMessages;
constexpr std::size_t kEarlyBytes = 256 * 1024;

/// What an ICMP message turns into (icmp_err_convert in the kernel's net/ipv4/icmp.c, and
/// net/ipv6/icmp.c): a call may fail with it that has nothing to do with it.
bool may_be_meant_for_another(int number) {
  switch (number) {
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case ENETUNREACH:
    case ENONET:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case EMSGSIZE:
    case EPROTO:
    case EACCES:
      return true;
    default:
      return false;
  }
}

/// How the kernel refuses to cut: EINVAL or EMSGSIZE for segments above the path's MTU (which
/// changed in 6.14), EINVAL without checksums, EIO where the device cannot compute them or IPsec
/// is in the way (udp_send_skb in net/ipv4/udp.c).
bool is_refusal_to_cut(int number) {
  return number == EINVAL || number == EIO || number == EMSGSIZE || number == EOPNOTSUPP;
}

}  // namespace

Result<void> UdpCore::send(std::string_view payload, const DatagramRoute& route) {
  loop_.assert_in_loop_thread();
  if (auto admitted = admit(payload, route); !admitted) return admitted;
  const bool own_to = route.to.port() == 0 || route.to.domain() == local_.domain();
  const bool own_from = route.from.is_any() || route.from.domain() == local_.domain();
  if (own_to && own_from) {
    queue_.append(payload, route, joining());
  } else {
    const Result<DatagramRoute> converted = in_own_domain(route);
    if (!converted) return converted.error();
    queue_.append(payload, *converted, joining());
  }
  const bool much = queue_.runs() >= kEarlyRuns || queue_.bytes() >= kEarlyBytes;
  if (much && !early_refused_) flush_gathered();
  schedule_flush();
  return {};
}

Result<void> UdpCore::admit(std::string_view payload, const DatagramRoute& route) {
  if (closed_) return Error::from_errno(EPIPE, "this UDP socket is closed");
  const bool to_peer = route.to.port() == 0;
  if (to_peer && !peer_) return Error::from_errno(EDESTADDRREQ, "a datagram without destination");
  const InetAddress& to = to_peer ? *peer_ : route.to;
  const bool over_ipv6 = to.unmapped().family() == InetAddress::Family::kIpv6;
  const std::size_t most = over_ipv6 ? UdpSocket::kMaxPayloadIpv6 : UdpSocket::kMaxPayload;
  if (payload.size() > most) {
    return Error::from_errno(EMSGSIZE, fmt::format("a datagram of {} bytes", payload.size()));
  }
  const std::size_t segments = DatagramSegments(payload, route.segment_size).size();
  if (segments > UdpSocket::kMaxSegments) {
    return Error::from_errno(EMSGSIZE, fmt::format("{} segments in one piece", segments));
  }
  if (queued() + payload.size() + UdpSocket::kSendCost > options_.max_queued) {
    rejected_ = true;
    counters_.send_rejected.add(segments);
    return Error::from_errno(ENOBUFS, "the UDP socket's queue is full");
  }
  return {};
}

Result<DatagramRoute> UdpCore::in_own_domain(const DatagramRoute& route) const {
  DatagramRoute converted = route;
  const auto convert = [this](InetAddress& address) {
    const auto own = in_domain(address, local_.domain());
    if (own) address = *own;
    return own.has_value();
  };
  if (route.to.port() != 0 && !convert(converted.to)) {
    return Error::from_errno(EAFNOSUPPORT,
                             fmt::format("{} from an IPv4 socket", route.to.to_string()));
  }
  if (!route.from.is_any() && !convert(converted.from)) {
    return Error::from_errno(EAFNOSUPPORT,
                             fmt::format("from {} on an IPv4 socket", route.from.to_string()));
  }
  return converted;
}

UdpSendQueue::Joining UdpCore::joining() const {
  return {.smallest_refused = gso_ ? smallest_refused_ : 0,
          .most_bytes = UdpSocket::kMaxPayload,
          .most_segments = UdpSocket::kMaxSegments};
}

std::size_t UdpCore::low_water_mark() const {
  // To call for more where there is room for one more only would be to call for nothing.
  return std::min(options_.low_water_mark, options_.max_queued / 2);
}

void UdpCore::schedule_flush() {
  if (flush_scheduled_ || channel_.is_writing()) return;
  loop_.at_iteration_end([self = shared_from_this()] {
    self->flush_scheduled_ = false;
    if (!self->closed_ && !self->channel_.is_writing()) self->write_queue();
  });
  flush_scheduled_ = true;
}

void UdpCore::flush() {
  if (closed_ || queue_.empty()) return;
  flush_gathered();
  schedule_flush();
}

/// Inside a call of the user's, so it must not call back: what is refused stays, for write_queue().
void UdpCore::flush_gathered() {
  if (writing_ || channel_.is_writing()) return;
  UdpSendBatch batch;
  std::size_t most = queue_.datagrams();
  const int number = write(batch, most);
  early_refused_ = number != 0;
  // The number is gone with this call. That the head was refused must not be forgotten.
  if (number == 0 || retried_ || !may_be_meant_for_another(number)) return;
  retried_ = true;
  if (!options_.error_queue) suspect_ = number;
}

int UdpCore::write(UdpSendBatch& batch, std::size_t& most) {
  while (!queue_.empty() && most > 0) {
    queue_.gather(batch, {.gso = gso_, .peer = peer_ ? &*peer_ : nullptr});
    const int count = ::sendmmsg(socket_.get(), batch.headers.data(),
                                 static_cast<unsigned>(batch.count), MSG_DONTWAIT);
    const int number = errno;
    counters_.send_calls.add();
    if (count < 0) {
      if (number == EINTR) continue;
      return number;
    }
    const UdpSendQueue::Taken taken = queue_.take(batch, static_cast<std::size_t>(count));
    counters_.datagrams_sent.add(taken.datagrams);
    counters_.bytes_sent.add(taken.bytes);
    counters_.gso_sent.add(taken.pieces_of_many);
    most -= std::min(most, taken.datagrams);
    retried_ = false;
    if (suspect_ != 0) owed_ = std::exchange(suspect_, 0);
  }
  return 0;
}

/// From the loop only, for it calls back. A callback may send, or close the socket.
void UdpCore::write_queue() {
  UdpSendBatch batch;
  // What callbacks add has its turn in the next iteration.
  std::size_t most = queue_.datagrams();
  writing_ = true;
  early_refused_ = false;
  bool blocked = false;
  try {
    while (!closed_ && !blocked) {
      const int number = write(batch, most);
      tell_owed();
      if (number == 0 || closed_) break;
      blocked = number == EAGAIN;
      if (blocked) break;
      if (const auto lost = refused(number, batch)) {
        most -= std::min(most, lost->datagrams);
        tell_lost(number, *lost);
      }
    }
    writing_ = false;
    if (closed_) return;
    if (blocked) {
      wait_for_room();
    } else if (queue_.empty()) {
      static_cast<void>(channel_.disable_writing());
    } else {
      schedule_flush();
    }
    if (!closed_ && rejected_ && queued() <= low_water_mark()) {
      rejected_ = false;
      if (on_writable) on_writable();
    }
  } catch (...) {
    writing_ = false;
    if (!closed_) schedule_flush();
    throw;
  }
}

std::optional<UdpSendQueue::Lost> UdpCore::refused(int number, const UdpSendBatch& batch) {
  if (!retried_ && may_be_meant_for_another(number)) {
    retried_ = true;
    if (!options_.error_queue) suspect_ = number;
    return std::nullopt;
  }
  retried_ = false;
  suspect_ = 0;
  if (batch.datagrams[0] > 1 && is_refusal_to_cut(number)) {
    counters_.gso_refused.add();
    if (number == EIO) gso_ = false;
    smallest_refused_ = std::min(smallest_refused_, queue_.head_segment_size());
    queue_.split_head();
    return std::nullopt;
  }
  const UdpSendQueue::Lost lost = queue_.drop(batch);
  counters_.send_failed.add(lost.datagrams);
  return lost;
}

void UdpCore::tell_lost(int number, const UdpSendQueue::Lost& lost) {
  report(UdpError::Origin::kSend, number, "sending to",
         lost.to.port() == 0 && peer_ ? *peer_ : lost.to);
}

void UdpCore::tell_owed() {
  if (owed_ == 0) return;
  report(UdpError::Origin::kIcmp, std::exchange(owed_, 0), "datagrams to",
         peer_.value_or(InetAddress()));
}

void UdpCore::wait_for_room() {
  counters_.send_blocked.add();
  const Result<void> watched = channel_.enable_writing();
  if (watched) return;
  // Nothing would ever wake it up: as good as lost.
  counters_.send_failed.add(queue_.datagrams());
  queue_.clear();
  report(UdpError::Origin::kSend, watched.error().number(), "waiting to send to",
         peer_.value_or(InetAddress()));
}

/// For the last time, without telling anybody.
void UdpCore::write_quietly() {
  UdpSendBatch batch;
  std::size_t most = queue_.datagrams();
  for (;;) {
    const int number = write(batch, most);
    if (number == 0 || number == EAGAIN) return;
    if (const auto lost = refused(number, batch)) most -= std::min(most, lost->datagrams);
  }
}

}  // namespace leat::internal
