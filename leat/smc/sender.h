// Public: the sending half of a connection over shared memory: which lane takes the next bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "leat/smc/ism_device.h"
#include "leat/smc/segment.h"

namespace leat::smc {

/// Pure: does no system call, and asks its caller for what the kernel knows. Every method but
/// fold_wanted() and take_marks() is called under the end's tx lock; it keeps no state of its own,
/// so all who hold the end may make one.
///
///               to_ring(T)                      room() of a full small ring
///     +-------+ -----------> +--------------+ ------------------> +------------+
///     |  TCP  |              | small ring   |                     |  big ring  |
///     +-------+ <----------- +--------------+ <------------------ +------------+
///         ^      to_tcp(T)                      both drained             |
///         +--------------------------------------------------------------+ to_tcp(T)
///
/// `T` is the count of bytes ever written to the TCP socket, of the kernel (socket_counts.h).
template <IsmDevice Device = LoopbackDevice>
class Sender {
 public:
  /// `peer` is the peer's block, into which this end writes; `rings` are the rings it receives in.
  Sender(EndControl& mine, EndControl& peer, const std::array<RemoteRing, kRings>& rings,
         Device device = {})
      : mine_(mine), peer_(peer), rings_(rings), device_(device) {}

  /// Once, before the first ring byte: `tcp_written` bytes went by TCP so far.
  void start(std::uint64_t tcp_written);

  [[nodiscard]] Lane lane() const { return mine_.tx_lane; }
  /// Where up to `wanted` bytes for the current ring may be put; empty if it is full, or if the
  /// lane is TCP. Goes from ring to ring by itself.
  [[nodiscard]] std::span<char> room(std::size_t wanted);
  /// So many bytes were put into room(): the peer may read them.
  void commit(std::size_t count);
  /// Bytes in rings that the peer has not read.
  [[nodiscard]] std::uint64_t unread() const;

  /// The marks of a sleeping peer, after commit(), to_ring() or a request; the caller wakes it.
  [[nodiscard]] std::uint32_t take_marks() { return device_.take_marks(peer_.wait); }

  /// Whether the next bytes may go by ring, when the lane is TCP: the peer is ready, nobody wants
  /// to fold, the rings have room again and the log of spans too.
  [[nodiscard]] bool may_return() const;
  void to_ring(std::uint64_t tcp_written);
  /// Whether to_tcp() can be told to the peer now: false if the log of spans is full, which it is
  /// only while the peer has read none of the last eight.
  [[nodiscard]] bool may_leave() const { return has_span_slot(); }
  void to_tcp(std::uint64_t tcp_written);

  /// The peer has stopped reading rings. Answer with start_resend(), then resend_chunk() until
  /// empty.
  [[nodiscard]] bool fold_wanted() const {
    return (peer_.flags.load(std::memory_order_acquire) & kFlagFoldWanted) != 0;
  }
  /// False if it cannot be: bytes that went by TCP lie behind unread ring bytes, or the log is
  /// full.
  [[nodiscard]] bool start_resend(std::uint64_t tcp_written);
  /// What is to be written to TCP before anything else; empty when done.
  [[nodiscard]] std::span<const char> resend_chunk() const;
  void resent(std::size_t count);

 private:
  static std::size_t index(Lane ring) { return static_cast<std::size_t>(ring) - 1; }
  [[nodiscard]] std::uint64_t unread(Lane ring) const;
  [[nodiscard]] std::uint64_t free_space(Lane ring) const;
  [[nodiscard]] bool has_span_slot() const;
  void add_span(std::uint64_t position, std::uint64_t lane, std::uint64_t tcp_offset);

  EndControl& mine_;
  EndControl& peer_;
  std::array<RemoteRing, kRings> rings_;
  [[no_unique_address]] Device device_;
};

// ---------------------------------------------------------------------------------------------

template <IsmDevice Device>
void Sender<Device>::start(std::uint64_t tcp_written) {
  mine_.tx_lane = Lane::kTcp;
  mine_.tx_position = tcp_written;
  mine_.tx_tcp_base = tcp_written;
}

// `consumed` is the peer's: more than was produced, or less than a ring ago, is taken as "nothing
// read", which costs the peer its own ring and nobody else anything.
template <IsmDevice Device>
std::uint64_t Sender<Device>::unread(Lane ring) const {
  const std::size_t i = index(ring);
  const std::uint64_t gap =
      mine_.tx_produced[i] - mine_.consumed[i].load(std::memory_order_acquire);
  return gap <= rings_[i].size ? gap : rings_[i].size;
}

template <IsmDevice Device>
std::uint64_t Sender<Device>::unread() const {
  return unread(Lane::kSmall) + unread(Lane::kBig);
}

template <IsmDevice Device>
std::uint64_t Sender<Device>::free_space(Lane ring) const {
  return rings_[index(ring)].size - unread(ring);
}

template <IsmDevice Device>
bool Sender<Device>::has_span_slot() const {
  const std::uint64_t taken = mine_.spans_taken.load(std::memory_order_acquire);
  return mine_.tx_spans - taken < kSpanSlots;
}

template <IsmDevice Device>
void Sender<Device>::add_span(std::uint64_t position, std::uint64_t lane,
                              std::uint64_t tcp_offset) {
  SpanRecord& record = peer_.span_log[mine_.tx_spans % kSpanSlots];
  device_.post(record.position, position);
  device_.post(record.tcp_offset_and_lane, tcp_offset << 2U | lane);
  device_.post(peer_.spans, ++mine_.tx_spans);
}

template <IsmDevice Device>
std::span<char> Sender<Device>::room(std::size_t wanted) {
  const auto change = [this](Lane lane) {
    add_span(mine_.tx_position, static_cast<std::uint64_t>(lane), 0);
    mine_.tx_lane = lane;
  };
  if (mine_.tx_lane == Lane::kTcp || wanted == 0) return {};
  std::uint64_t free = free_space(mine_.tx_lane);
  if (mine_.tx_lane == Lane::kSmall) {
    // The big ring must be empty: the peer reads a ring to its end before it follows to the next.
    if (free < wanted && unread(Lane::kBig) == 0 && has_span_slot()) {
      change(Lane::kBig);
      free = free_space(Lane::kBig);
    }
  } else if (wanted <= kSmallRing / 2 && unread() == 0 && has_span_slot()) {
    change(Lane::kSmall);
    free = free_space(Lane::kSmall);
  }
  if (free == 0) return {};
  const std::size_t i = index(mine_.tx_lane);
  return device_.window(rings_[i], mine_.tx_produced[i], wanted < free ? wanted : free);
}

template <IsmDevice Device>
void Sender<Device>::commit(std::size_t count) {
  const std::size_t i = index(mine_.tx_lane);
  mine_.tx_position += count;
  mine_.tx_produced[i] += count;
  device_.move_data(peer_.produced[i], mine_.tx_produced[i]);
}

template <IsmDevice Device>
bool Sender<Device>::may_return() const {
  const std::uint32_t theirs = peer_.flags.load(std::memory_order_acquire);
  const std::uint32_t ours = mine_.flags.load(std::memory_order_relaxed);
  if ((theirs & (kFlagInputReady | kFlagFoldWanted)) != kFlagInputReady) return false;
  if ((ours & kFlagFoldOutput) != 0 || mine_.tx_resend[0] + mine_.tx_resend[1] != 0) return false;
  return has_span_slot() && unread() == 0;
}

template <IsmDevice Device>
void Sender<Device>::to_ring(std::uint64_t tcp_written) {
  mine_.tx_position += tcp_written - mine_.tx_tcp_base;
  add_span(mine_.tx_position, static_cast<std::uint64_t>(Lane::kSmall), tcp_written);
  mine_.tx_lane = Lane::kSmall;
}

template <IsmDevice Device>
void Sender<Device>::to_tcp(std::uint64_t tcp_written) {
  mine_.tx_tcp_base = tcp_written;
  add_span(mine_.tx_position, static_cast<std::uint64_t>(Lane::kTcp), tcp_written);
  mine_.tx_lane = Lane::kTcp;
}

// The peer reads one ring at a time, and a ring was left only for one that was empty, so what is
// unread lies in the ring the peer reads and at most in one more.
template <IsmDevice Device>
bool Sender<Device>::start_resend(std::uint64_t tcp_written) {
  if (mine_.tx_lane == Lane::kTcp || !has_span_slot()) return false;
  const std::uint64_t taken = mine_.spans_taken.load(std::memory_order_acquire);
  Lane first = mine_.tx_lane;
  for (std::uint64_t i = mine_.tx_spans; i != taken && mine_.tx_spans - i < kSpanSlots; --i) {
    const std::uint64_t lane =
        peer_.span_log[(i - 1) % kSpanSlots].tcp_offset_and_lane.load(std::memory_order_relaxed) &
        3U;
    if (lane == static_cast<std::uint64_t>(Lane::kTcp) || lane == kResent) return false;
    first = lane == static_cast<std::uint64_t>(Lane::kSmall) ? Lane::kBig : Lane::kSmall;
  }
  const std::uint64_t position = mine_.tx_position - unread();
  mine_.tx_resend[0] = unread(Lane::kSmall);
  mine_.tx_resend[1] = unread(Lane::kBig);
  mine_.tx_resend_first = first;
  mine_.tx_tcp_base = tcp_written;
  mine_.tx_position = position;
  mine_.tx_lane = Lane::kTcp;
  add_span(position, kResent, tcp_written);
  return true;
}

template <IsmDevice Device>
std::span<const char> Sender<Device>::resend_chunk() const {
  const Lane first = mine_.tx_resend_first == Lane::kBig ? Lane::kBig : Lane::kSmall;
  const Lane second = first == Lane::kBig ? Lane::kSmall : Lane::kBig;
  for (const Lane ring : {first, second}) {
    const std::size_t i = index(ring);
    const std::uint64_t left = mine_.tx_resend[i];
    if (left == 0 || left > rings_[i].size) continue;
    return LoopbackDevice::window(rings_[i], mine_.tx_produced[i] - left, left);
  }
  return {};
}

template <IsmDevice Device>
void Sender<Device>::resent(std::size_t count) {
  const Lane first = mine_.tx_resend_first == Lane::kBig ? Lane::kBig : Lane::kSmall;
  const std::size_t i = index(mine_.tx_resend[index(first)] != 0 ? first
                              : first == Lane::kBig              ? Lane::kSmall
                                                                 : Lane::kBig);
  mine_.tx_resend[i] -= count < mine_.tx_resend[i] ? count : mine_.tx_resend[i];
}

}  // namespace leat::smc
