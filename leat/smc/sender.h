// Public: the sending half of a connection over shared memory: which lane takes the next bytes.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "leat/smc/ism_device.h"
#include "leat/smc/segment.h"

namespace leat::smc {

/// Pure: does no system call, and asks its caller for what the kernel knows. Every method but
/// lane(), fold_wanted() and take_marks() is called under the end's tx lock; it keeps no state of
/// its own, so all who hold the end may make one.
///
///               to_ring(T)                      room() of a full small ring
///     +-------+ -----------> +--------------+ ------------------> +------------+
///     |  TCP  |              | small ring   |                     |  big ring  |
///     +-------+ <----------- +--------------+ <------------------ +------------+
///         ^      to_tcp(T)                      both drained             |
///         +--------------------------------------------------------------+ to_tcp(T)
///
/// `T` is the count of bytes ever written to the TCP socket, of the kernel (socket_counts.h).
///
/// A holder may die between any two stores: who takes the lock from it calls recover() first.
template <IsmDevice Device = LoopbackDevice>
class Sender {
 public:
  /// `peer` is the peer's block, into which this end writes; `rings` are the rings it receives in.
  Sender(EndControl& mine, EndControl& peer, const std::array<RemoteRing, kRings>& rings,
         Device device = {})
      : mine_(mine), peer_(peer), rings_(rings), device_(device) {}

  /// Once, before the first ring byte: `tcp_written` bytes went by TCP so far.
  void start(std::uint64_t tcp_written);
  /// Completes what a holder that died has begun. Wake the peer afterwards in every way, for the
  /// marks may have died with their taker.
  void recover(std::uint64_t tcp_written);

  [[nodiscard]] Lane lane() const { return lane_of(sent_span(mine_)); }
  /// Where up to `wanted` bytes for the current ring may be put; empty if it is full, or if the
  /// lane is TCP. Goes from ring to ring by itself.
  [[nodiscard]] std::span<char> room(std::size_t wanted);
  /// What follows the first `put` bytes of room(), for at most `wanted`: where a ring ends it
  /// begins again, and a message must not be seen cut in two there. Commit both at once.
  [[nodiscard]] std::span<char> room_behind(std::size_t put, std::size_t wanted);
  /// So many bytes were put into room(): the peer may read them.
  void commit(std::size_t count);
  /// Bytes in rings that the peer has not read and will not get by TCP instead.
  [[nodiscard]] std::uint64_t unread() const;
  /// Nobody reads or writes the big ring until room() says so: its pages may be given back.
  [[nodiscard]] bool big_ring_is_idle() const {
    return lane() != Lane::kBig && unread(Lane::kBig) == 0;
  }

  /// The marks of a sleeping peer; the caller wakes it. In the lane TCP a mark for a doorbell
  /// stays, for the bytes of a later ring. After commit(), and before to_tcp() follows it, for
  /// doorbells belong into rings' spans; after to_tcp(), start_resend() and a to_ring() that stayed
  /// on TCP, for a peer that sleeps on the futex; after want_fold().
  [[nodiscard]] std::uint32_t take_marks() {
    const bool doorbells = lane() != Lane::kTcp;
    return device_.take_marks(peer_.wait, kWaitFutex | (doorbells ? kWaitDoorbell : 0));
  }

  /// Whether the next bytes may go by ring, when the lane is TCP: the peer is ready, nobody wants
  /// to fold, and the log of spans has room. Not before the rings are empty, either: a peer that is
  /// behind would get many short spans.
  [[nodiscard]] bool may_return() const;
  /// If the peer has asked to fold at this moment the lane stays TCP.
  void to_ring(std::uint64_t tcp_written);
  /// Whether to_tcp() can be told to the peer now. A slot of the log is kept free for it, so it is
  /// false only if the peer writes nonsense: the stream cannot go on.
  [[nodiscard]] bool may_leave() const { return has_span_slots(1); }
  void to_tcp(std::uint64_t tcp_written);

  /// The peer has stopped reading rings. Answer with start_resend(), or with to_tcp() if that is
  /// false; then send resend_chunk() until empty, before anything else.
  [[nodiscard]] bool fold_wanted() const;
  /// False if it cannot be: bytes that went by TCP lie behind unread ring bytes. The peer then
  /// reads the rings up to those.
  [[nodiscard]] bool start_resend(std::uint64_t tcp_written);
  /// What is to be written to TCP before anything else; empty when done.
  [[nodiscard]] std::span<const char> resend_chunk() const;
  void resent(std::size_t count);

 protected:
  static constexpr auto kRelaxed = std::memory_order_relaxed;
  static std::size_t index(Lane ring) { return static_cast<std::size_t>(ring) - 1; }
  [[nodiscard]] std::uint64_t unread(Lane ring) const;
  [[nodiscard]] std::uint64_t free_space(Lane ring) const {
    return rings_[index(ring)].size - unread(ring);
  }
  [[nodiscard]] bool has_span_slots(std::uint64_t count) const;
  [[nodiscard]] std::uint64_t to_resend() const;
  [[nodiscard]] std::uint64_t position(std::uint64_t tcp_written) const;
  OwnSpan& add_span(std::uint64_t position, std::uint64_t lane, std::uint64_t tcp_offset,
                    std::uint64_t base);
  void publish_span();
  void heed_fold(std::uint64_t tcp_written);
  void change(Lane ring);

  EndControl& mine_;
  EndControl& peer_;
  std::array<RemoteRing, kRings> rings_;
  [[no_unique_address]] Device device_;
};

// ---------------------------------------------------------------------------------------------

template <IsmDevice Device>
void Sender<Device>::start(std::uint64_t tcp_written) {
  OwnSpan& first = mine_.tx_span[0];
  first.position.store(tcp_written, kRelaxed);
  first.base.store(tcp_written, kRelaxed);
  first.lane.store(static_cast<std::uint64_t>(Lane::kTcp), kRelaxed);
}

template <IsmDevice Device>
void Sender<Device>::recover(std::uint64_t tcp_written) {
  for (std::size_t i = 0; i < kRings; ++i) {
    device_.move_data(peer_.produced[i], mine_.tx_produced[i].load(kRelaxed));
  }
  publish_span();
  const OwnSpan& span = sent_span(mine_);
  if (lane() != Lane::kTcp) {
    heed_fold(tcp_written);  // It may have died on its way to the ring.
  } else if (span.lane.load(kRelaxed) == kResent) {
    // Nothing but the resent bytes goes by TCP before they are all gone.
    device_.keep(mine_.tx_resent, std::min(tcp_written - span.base.load(kRelaxed), to_resend()));
  }
}

// `consumed` is the peer's: more than was produced, or less than a ring ago, is taken as "nothing
// read", which costs the peer its own ring and nobody else anything.
template <IsmDevice Device>
std::uint64_t Sender<Device>::unread(Lane ring) const {
  const std::size_t i = index(ring);
  const std::uint64_t gap = mine_.tx_produced[i].load(kRelaxed) - device_.load(mine_.consumed[i]);
  return std::min<std::uint64_t>(gap, rings_[i].size);
}

template <IsmDevice Device>
std::uint64_t Sender<Device>::unread() const {
  if (sent_span(mine_).lane.load(kRelaxed) == kResent) {
    return to_resend() - mine_.tx_resent.load(kRelaxed);
  }
  return unread(Lane::kSmall) + unread(Lane::kBig);
}

template <IsmDevice Device>
bool Sender<Device>::has_span_slots(std::uint64_t count) const {
  return mine_.tx_spans.load(kRelaxed) - device_.load(mine_.spans_taken) <= kSpanSlots - count;
}

template <IsmDevice Device>
std::uint64_t Sender<Device>::position(std::uint64_t tcp_written) const {
  const OwnSpan& span = sent_span(mine_);
  if (lane_of(span) != Lane::kTcp) return sent_position(mine_);
  return span.position.load(kRelaxed) + tcp_written - span.base.load(kRelaxed);
}

// The slot of the log is free: publish_span() makes it visible.
template <IsmDevice Device>
OwnSpan& Sender<Device>::add_span(std::uint64_t position, std::uint64_t lane,
                                  std::uint64_t tcp_offset, std::uint64_t base) {
  const std::uint64_t spans = mine_.tx_spans.load(kRelaxed);
  SpanRecord& record = peer_.span_log[spans % kSpanSlots];
  device_.post(record.position, position);
  device_.post(record.tcp_offset_and_lane, tcp_offset << 2U | lane);
  OwnSpan& own = mine_.tx_span[(spans + 1) % 2];
  device_.keep(own.position, position);
  device_.keep(own.base, base);
  device_.keep(own.lane, lane);
  return own;
}

template <IsmDevice Device>
void Sender<Device>::publish_span() {
  device_.post(peer_.spans, mine_.tx_spans.load(kRelaxed));
}

template <IsmDevice Device>
void Sender<Device>::change(Lane ring) {
  add_span(position(0), static_cast<std::uint64_t>(ring), 0,
           mine_.tx_produced[index(ring)].load(kRelaxed));
  device_.keep(mine_.tx_spans, mine_.tx_spans.load(kRelaxed) + 1);
  publish_span();
}

template <IsmDevice Device>
std::span<char> Sender<Device>::room(std::size_t wanted) {
  Lane ring = lane();
  if (ring == Lane::kTcp || wanted == 0) return {};
  std::uint64_t free = free_space(ring);
  if (ring == Lane::kSmall) {
    // The big ring must be empty: the peer reads a ring to its end before it follows to the next.
    // Two slots: the last is to_tcp()'s.
    if (free < wanted && unread(Lane::kBig) == 0 && has_span_slots(2)) {
      change(ring = Lane::kBig);
      free = free_space(ring);
    }
  } else if (wanted <= rings_[index(Lane::kSmall)].size / 2 && unread() == 0 && has_span_slots(2)) {
    change(ring = Lane::kSmall);
    free = free_space(ring);
  }
  if (free == 0) return {};
  const std::size_t i = index(ring);
  return device_.window(rings_[i], mine_.tx_produced[i].load(kRelaxed),
                        std::min<std::uint64_t>(wanted, free));
}

template <IsmDevice Device>
std::span<char> Sender<Device>::room_behind(std::size_t put, std::size_t wanted) {
  const Lane ring = lane();
  if (ring == Lane::kTcp) return {};
  const std::uint64_t free = free_space(ring);
  if (put >= free || wanted == 0) return {};
  const std::size_t i = index(ring);
  return device_.window(rings_[i], mine_.tx_produced[i].load(kRelaxed) + put,
                        std::min<std::uint64_t>(wanted, free - put));
}

template <IsmDevice Device>
void Sender<Device>::commit(std::size_t count) {
  const Lane ring = lane();
  if (ring == Lane::kTcp) return;
  const std::size_t i = index(ring);
  const std::uint64_t produced = mine_.tx_produced[i].load(kRelaxed) + count;
  device_.keep(mine_.tx_produced[i], produced);
  device_.move_data(peer_.produced[i], produced);
}

template <IsmDevice Device>
bool Sender<Device>::may_return() const {
  const std::uint32_t theirs = peer_.flags.load(std::memory_order_acquire);
  const std::uint32_t ours = mine_.flags.load(kRelaxed);
  if ((theirs & (kFlagInputReady | kFlagFoldWanted)) != kFlagInputReady) return false;
  if ((ours & kFlagFoldOutput) != 0) return false;
  if (sent_span(mine_).lane.load(kRelaxed) != static_cast<std::uint64_t>(Lane::kTcp)) return false;
  return has_span_slots(2) && unread() == 0;
}

template <IsmDevice Device>
void Sender<Device>::to_ring(std::uint64_t tcp_written) {
  add_span(position(tcp_written), static_cast<std::uint64_t>(Lane::kSmall), tcp_written,
           mine_.tx_produced[index(Lane::kSmall)].load(kRelaxed));
  device_.keep(mine_.tx_spans, mine_.tx_spans.load(kRelaxed) + 1);
  publish_span();
  heed_fold(tcp_written);
}

// A peer that asked to fold in the lane TCP, and saw no ring ahead, is gone from rings for good.
template <IsmDevice Device>
void Sender<Device>::heed_fold(std::uint64_t tcp_written) {
  if ((device_.settle(peer_.flags) & kFlagFoldWanted) != 0 && !start_resend(tcp_written)) {
    to_tcp(tcp_written);
  }
}

template <IsmDevice Device>
void Sender<Device>::to_tcp(std::uint64_t tcp_written) {
  if (lane() == Lane::kTcp) return;
  add_span(position(tcp_written), static_cast<std::uint64_t>(Lane::kTcp), tcp_written, tcp_written);
  device_.keep(mine_.tx_spans, mine_.tx_spans.load(kRelaxed) + 1);
  publish_span();
}

template <IsmDevice Device>
bool Sender<Device>::fold_wanted() const {
  if ((peer_.flags.load(std::memory_order_acquire) & kFlagFoldWanted) == 0) return false;
  return lane() != Lane::kTcp || mine_.tx_resent.load(kRelaxed) < to_resend();
}

template <IsmDevice Device>
bool Sender<Device>::start_resend(std::uint64_t tcp_written) {
  if (lane() == Lane::kTcp || !has_span_slots(1)) return false;
  const std::uint64_t spans = mine_.tx_spans.load(kRelaxed);
  const std::uint64_t ahead = spans - device_.load(mine_.spans_taken);
  for (std::uint64_t i = 1; i <= ahead && i <= kSpanSlots; ++i) {
    const SpanRecord& record = peer_.span_log[(spans - i) % kSpanSlots];
    const std::uint64_t word = device_.load(record.tcp_offset_and_lane);  // Its own.
    if ((word & 3U) == static_cast<std::uint64_t>(Lane::kTcp)) return false;
  }
  const std::uint64_t left[kRings] = {unread(Lane::kSmall), unread(Lane::kBig)};
  OwnSpan& span =
      add_span(position(tcp_written) - left[0] - left[1], kResent, tcp_written, tcp_written);
  for (std::size_t i = 0; i < kRings; ++i) device_.keep(span.resend[i], left[i]);
  device_.keep(mine_.tx_spans, spans + 1);
  publish_span();
  return true;
}

// All that is still to go, or has gone, by TCP instead of a ring.
template <IsmDevice Device>
std::uint64_t Sender<Device>::to_resend() const {
  const OwnSpan& span = sent_span(mine_);
  if (span.lane.load(kRelaxed) != kResent) return 0;
  return span.resend[0].load(kRelaxed) + span.resend[1].load(kRelaxed);
}

// Small before big: back from the big ring goes only who finds both empty, so what is unread in
// both was written in this order.
template <IsmDevice Device>
std::span<const char> Sender<Device>::resend_chunk() const {
  const OwnSpan& span = sent_span(mine_);
  if (span.lane.load(kRelaxed) != kResent) return {};
  std::uint64_t done = mine_.tx_resent.load(kRelaxed);
  for (std::size_t i = 0; i < kRings; ++i) {
    const std::uint64_t left = span.resend[i].load(kRelaxed);
    if (done < left && left <= rings_[i].size) {
      return LoopbackDevice::window(rings_[i], mine_.tx_produced[i].load(kRelaxed) - left + done,
                                    left - done);
    }
    done -= std::min(done, left);
  }
  return {};
}

template <IsmDevice Device>
void Sender<Device>::resent(std::size_t count) {
  device_.keep(mine_.tx_resent, std::min(mine_.tx_resent.load(kRelaxed) + count, to_resend()));
}

}  // namespace leat::smc
