// Public: the receiving half of a connection over shared memory: where the next bytes are.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "leat/smc/ism_device.h"
#include "leat/smc/segment.h"

namespace leat::smc {

/// What a receiver finds.
struct Input {
  enum class Kind : std::uint8_t {
    kRing,    ///< `bytes`, in a ring; empty: nothing there now.
    kTcp,     ///< At most `tcp_limit` bytes of the socket are data.
    kBroken,  ///< The peer wrote nonsense: the stream cannot go on.
  };
  Kind kind = Kind::kRing;
  std::span<const char> bytes = {};
  std::uint64_t tcp_limit = 0;
  /// Bytes of the socket that are doorbells, to be read and thrown away now: all there are
  /// (kAnyDoorbells), or exactly so many before the lane becomes TCP.
  std::uint64_t doorbells = 0;
};
inline constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

/// Pure, as Sender is. Every method but maybe_readable() is called under the end's rx lock.
///
///     look() -> kRing, bytes        copy them, consume(n)
///               kRing, none         doorbells > 0: read that many away, doorbells_eaten(n); else
///               sleep kTcp, tcp_limit     recv() at most so many, tcp_received(n)
///
/// In the lane TCP with no end in sight (tcp_limit == kNoLimit) the peer may change lanes while the
/// caller reads the socket: read with MSG_PEEK, look() again, and take only what is still within
/// the limit.
template <IsmDevice Device = LoopbackDevice>
class Receiver {
 public:
  /// `rings` are this end's own: small, big.
  Receiver(EndControl& mine, EndControl& peer, const std::array<RemoteRing, kRings>& rings,
           Device device = {})
      : mine_(mine), peer_(peer), rings_(rings), device_(device) {}

  /// Once, before kFlagInputReady: `tcp_consumed` bytes were read from the socket so far.
  void start(std::uint64_t tcp_consumed);

  /// Follows the spans to the next bytes.
  [[nodiscard]] Input look();
  /// `count` bytes of look()'s are read: their room is the peer's again.
  void consume(std::size_t count);
  void tcp_received(std::uint64_t count);
  void doorbells_eaten(std::uint64_t count) { mine_.rx_tcp_consumed += count; }

  /// From any thread, without the lock: whether look() may find more than it did. Wrong only to
  /// the safe side. What lies in TCP the kernel tells.
  [[nodiscard]] bool maybe_readable() const;
  [[nodiscard]] Lane lane() const { return mine_.rx_lane; }
  /// Bytes in rings before the next TCP span; for FIONREAD.
  [[nodiscard]] std::uint64_t ring_bytes() const;

  /// Stops reading rings: the peer shall resend what is unread by TCP. Nothing to do if look() says
  /// kTcp.
  void want_fold();
  [[nodiscard]] bool is_folding() const {
    return (mine_.flags.load(std::memory_order_relaxed) & kFlagFoldWanted) != 0;
  }

 private:
  struct Next {
    bool exists = false;
    bool valid = true;
    std::uint64_t position = 0;
    std::uint64_t tcp_offset = 0;
    std::uint64_t lane = 0;
  };
  static std::size_t index(Lane ring) { return static_cast<std::size_t>(ring) - 1; }
  [[nodiscard]] Next next_span() const;
  [[nodiscard]] Next resent_span() const;
  void take(std::uint64_t spans, Lane lane);
  [[nodiscard]] Input look_folding();

  EndControl& mine_;
  EndControl& peer_;
  std::array<RemoteRing, kRings> rings_;
  [[no_unique_address]] Device device_;
};

// ---------------------------------------------------------------------------------------------

template <IsmDevice Device>
void Receiver<Device>::start(std::uint64_t tcp_consumed) {
  mine_.rx_lane = Lane::kTcp;
  mine_.rx_position = tcp_consumed;
  mine_.rx_tcp_consumed = tcp_consumed;
}

template <IsmDevice Device>
typename Receiver<Device>::Next Receiver<Device>::next_span() const {
  Next next;
  const std::uint64_t ahead = mine_.spans.load(std::memory_order_acquire) - mine_.rx_spans_taken;
  if (ahead == 0) return next;
  const SpanRecord& record = mine_.span_log[mine_.rx_spans_taken % kSpanSlots];
  const std::uint64_t word = record.tcp_offset_and_lane.load(std::memory_order_acquire);
  next.exists = true;
  next.position = record.position.load(std::memory_order_acquire);
  next.tcp_offset = word >> 2U;
  next.lane = word & 3U;
  next.valid = ahead <= kSpanSlots && next.position >= mine_.rx_position && next.lane != kResent;
  return next;
}

template <IsmDevice Device>
void Receiver<Device>::take(std::uint64_t spans, Lane lane) {
  mine_.rx_spans_taken = spans;
  mine_.rx_lane = lane;
  device_.post(peer_.spans_taken, spans);
}

template <IsmDevice Device>
Input Receiver<Device>::look() {
  if (is_folding()) return look_folding();
  // Each round takes a record, and there are not more than the log holds.
  for (std::size_t round = 0; round <= kSpanSlots; ++round) {
    const Next next = next_span();  // Before the cursor: what it ends is all visible then.
    if (!next.valid) return {Input::Kind::kBroken};
    if (mine_.rx_lane == Lane::kTcp) {
      if (!next.exists) return {Input::Kind::kTcp, {}, kNoLimit};
      if (next.lane == 0 || next.tcp_offset < mine_.rx_tcp_consumed) return {Input::Kind::kBroken};
      const std::uint64_t left = next.tcp_offset - mine_.rx_tcp_consumed;
      if (left != next.position - mine_.rx_position) return {Input::Kind::kBroken};
      if (left != 0) return {Input::Kind::kTcp, {}, left};
      take(mine_.rx_spans_taken + 1, static_cast<Lane>(next.lane));
      continue;
    }
    const std::size_t i = index(mine_.rx_lane);
    if (i >= kRings) return {Input::Kind::kBroken};
    const std::uint64_t produced = mine_.produced[i].load(std::memory_order_acquire);
    std::uint64_t available = produced - mine_.rx_consumed[i];
    if (available > rings_[i].size) return {Input::Kind::kBroken};
    const bool to_tcp = next.exists && next.lane == 0;
    if (to_tcp && next.tcp_offset < mine_.rx_tcp_consumed) return {Input::Kind::kBroken};
    const std::uint64_t doorbells = to_tcp ? next.tcp_offset - mine_.rx_tcp_consumed : kNoLimit;
    if (next.exists && next.position - mine_.rx_position < available) {
      available = next.position - mine_.rx_position;
    }
    if (available != 0) {
      return {Input::Kind::kRing,
              LoopbackDevice::window(rings_[i], mine_.rx_consumed[i], available), 0, doorbells};
    }
    if (!next.exists) return {Input::Kind::kRing, {}, 0, kNoLimit};
    // The span ends where its bytes do.
    if (next.position != mine_.rx_position) return {Input::Kind::kBroken};
    if (to_tcp && doorbells != 0) return {Input::Kind::kRing, {}, 0, doorbells};
    take(mine_.rx_spans_taken + 1, static_cast<Lane>(next.lane));
  }
  return {Input::Kind::kBroken};
}

template <IsmDevice Device>
typename Receiver<Device>::Next Receiver<Device>::resent_span() const {
  const std::uint64_t spans = mine_.spans.load(std::memory_order_acquire);
  Next next;
  if (spans == mine_.rx_spans_taken) return next;
  const SpanRecord& record = mine_.span_log[(spans - 1) % kSpanSlots];
  const std::uint64_t word = record.tcp_offset_and_lane.load(std::memory_order_acquire);
  next.exists = (word & 3U) == kResent;
  next.position = record.position.load(std::memory_order_acquire);
  next.tcp_offset = word >> 2U;
  return next;
}

// Frozen: nothing is read until the peer says from where on TCP has it.
template <IsmDevice Device>
Input Receiver<Device>::look_folding() {
  const Next next = resent_span();
  if (!next.exists) return {Input::Kind::kRing, {}, 0, 0};
  if (next.position != mine_.rx_position || next.tcp_offset < mine_.rx_tcp_consumed) {
    return {Input::Kind::kBroken};
  }
  const std::uint64_t doorbells = next.tcp_offset - mine_.rx_tcp_consumed;
  if (doorbells != 0) return {Input::Kind::kRing, {}, 0, doorbells};
  take(mine_.spans.load(std::memory_order_acquire), Lane::kTcp);
  mine_.flags.fetch_and(~(kFlagFoldWanted | kFlagInputReady), std::memory_order_acq_rel);
  return {Input::Kind::kTcp, {}, kNoLimit};
}

template <IsmDevice Device>
void Receiver<Device>::consume(std::size_t count) {
  const std::size_t i = index(mine_.rx_lane);
  mine_.rx_position += count;
  mine_.rx_consumed[i] += count;
  device_.post(peer_.consumed[i], mine_.rx_consumed[i]);
}

template <IsmDevice Device>
void Receiver<Device>::tcp_received(std::uint64_t count) {
  mine_.rx_position += count;
  mine_.rx_tcp_consumed += count;
}

template <IsmDevice Device>
bool Receiver<Device>::maybe_readable() const {
  if (mine_.spans.load(std::memory_order_acquire) != mine_.rx_spans_taken) return true;
  if (mine_.rx_lane == Lane::kTcp) return false;
  const std::size_t i = index(mine_.rx_lane) % kRings;
  return mine_.produced[i].load(std::memory_order_acquire) != mine_.rx_consumed[i];
}

template <IsmDevice Device>
std::uint64_t Receiver<Device>::ring_bytes() const {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kRings; ++i) {
    const std::uint64_t gap =
        mine_.produced[i].load(std::memory_order_acquire) - mine_.rx_consumed[i];
    sum += gap <= rings_[i].size ? gap : 0;
  }
  return sum;
}

template <IsmDevice Device>
void Receiver<Device>::want_fold() {
  mine_.flags.fetch_or(kFlagFoldWanted, std::memory_order_acq_rel);
}

}  // namespace leat::smc
