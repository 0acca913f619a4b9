// Public: the receiving half of a connection over shared memory: where the next bytes are.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
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
  /// Bytes of the socket that are doorbells, to be read and thrown away now: exactly so many before
  /// the lane becomes TCP, or all that were there before this look() (kNoLimit).
  std::uint64_t doorbells = 0;
  std::span<const char> more = {};  ///< What follows `bytes` at the beginning of the same ring.
};
inline constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

/// Pure, as Sender is. Every method but maybe_readable(), lane() and is_folding() is called under
/// the end's rx lock.
///
///     look() -> kRing, bytes        copy them, consume(n)
///               kRing, none         doorbells > 0: read that many away, doorbells_eaten(n); else
///                                   sleep
///               kTcp, tcp_limit     recv() at most so many, tcp_received(n)
///
/// With no end in sight (tcp_limit or doorbells == kNoLimit) the peer may change lanes while the
/// caller reads the socket. So ask first what is there (recv() with MSG_PEEK, or SIOCINQ), look()
/// again, and take of that only what is still within the limit.
///
/// A holder may die between any two stores: who takes the lock from it calls recover() first.
template <IsmDevice Device = LoopbackDevice>
class Receiver {
 public:
  /// `rings` are this end's own: small, big.
  Receiver(EndControl& mine, EndControl& peer, const std::array<RemoteRing, kRings>& rings,
           Device device = {})
      : mine_(mine), peer_(peer), rings_(rings), device_(device) {}

  /// Once, before kFlagInputReady: `tcp_consumed` bytes were read from the socket so far.
  void start(std::uint64_t tcp_consumed);
  /// Completes what a holder that died has begun.
  void recover(std::uint64_t tcp_consumed);

  /// Follows the spans to the next bytes.
  [[nodiscard]] Input look();
  /// `count` bytes of look()'s are read: their room is the peer's again.
  void consume(std::size_t count);
  void tcp_received(std::uint64_t count) {
    device_.keep(mine_.rx_tcp_consumed, mine_.rx_tcp_consumed.load(kRelaxed) + count);
  }
  void doorbells_eaten(std::uint64_t count) { tcp_received(count); }

  /// From any thread, without the lock: whether look() may find more than it did. Wrong only to
  /// the safe side. What lies in TCP the kernel tells.
  [[nodiscard]] bool maybe_readable() const;
  [[nodiscard]] Lane lane() const { return lane_of(read_span(mine_)); }
  /// Bytes of the stream read so far.
  [[nodiscard]] std::uint64_t position() const { return read_position(mine_); }
  /// Bytes in rings before the next TCP span; for FIONREAD.
  [[nodiscard]] std::uint64_t ring_bytes() const {
    return read_span(mine_).lane.load(kRelaxed) == kResent ? 0 : unread(0) + unread(1);
  }

  /// What may be read now, over all spans, if the socket has `queued` bytes; asked of it before
  /// this call, for a doorbell among them has its span told first. For FIONREAD.
  [[nodiscard]] std::uint64_t readable(std::uint64_t queued) const;

  /// Reads no more rings: the peer shall resend what is unread by TCP. Wake it, and look() until it
  /// says kTcp without a limit: from there on everything comes by TCP. If it says kRing with bytes,
  /// these cannot be resent, for TCP bytes lie behind them: they must be read here.
  void want_fold();
  /// Folded: how many bytes of the socket it takes until all is there that was resent; 0: none was.
  [[nodiscard]] std::uint64_t resend_ends_at() const;
  /// The peer has gone (FIN, reset). If it had not answered, the rings are read as if nothing was.
  void give_up_fold();
  /// After the end of TCP: bytes that a peer which died had begun to resend, and had not. Read
  /// them, and consume().
  [[nodiscard]] std::span<const char> rest() const;
  [[nodiscard]] bool is_folding() const {
    return (mine_.flags.load(std::memory_order_relaxed) & kFlagFoldWanted) != 0;
  }

 protected:
  static constexpr auto kRelaxed = std::memory_order_relaxed;
  struct Record {
    std::uint64_t position = 0;
    std::uint64_t tcp_offset = 0;
    std::uint64_t lane = 0;
  };
  static std::size_t index(Lane ring) { return static_cast<std::size_t>(ring) - 1; }
  [[nodiscard]] Record record(std::uint64_t number) const;
  void take(std::uint64_t taken, const Record& next, std::uint64_t base);
  void take_ring_or_tcp(std::uint64_t taken, const Record& next);
  /// One look; nothing: a record was taken, look again.
  [[nodiscard]] std::optional<Input> step();
  [[nodiscard]] std::optional<Input> step_tcp(const OwnSpan& span);
  [[nodiscard]] std::optional<Input> step_ring(const OwnSpan& span, Lane ring);
  [[nodiscard]] std::optional<Input> step_folding();
  [[nodiscard]] Input resent_input(const Record& answer, std::uint64_t spans);
  void end_fold();
  [[nodiscard]] std::uint64_t unread(std::size_t ring) const;

  EndControl& mine_;
  EndControl& peer_;
  std::array<RemoteRing, kRings> rings_;
  [[no_unique_address]] Device device_;
};

// ---------------------------------------------------------------------------------------------

template <IsmDevice Device>
void Receiver<Device>::start(std::uint64_t tcp_consumed) {
  OwnSpan& first = mine_.rx_span[0];
  first.position.store(tcp_consumed, kRelaxed);
  first.base.store(tcp_consumed, kRelaxed);
  first.lane.store(static_cast<std::uint64_t>(Lane::kTcp), kRelaxed);
  mine_.rx_tcp_consumed.store(tcp_consumed, kRelaxed);
}

template <IsmDevice Device>
void Receiver<Device>::recover(std::uint64_t tcp_consumed) {
  // Never back: rest() counts on, past TCP's end.
  device_.keep(mine_.rx_tcp_consumed, std::max(tcp_consumed, mine_.rx_tcp_consumed.load(kRelaxed)));
  for (std::size_t i = 0; i < kRings; ++i) {
    device_.post(peer_.consumed[i], mine_.rx_consumed[i].load(kRelaxed));
  }
  const OwnSpan& span = read_span(mine_);
  device_.post(peer_.spans_taken, span.taken.load(kRelaxed));
  if (span.lane.load(kRelaxed) == kResent) end_fold();
}

template <IsmDevice Device>
typename Receiver<Device>::Record Receiver<Device>::record(std::uint64_t number) const {
  const SpanRecord& slot = mine_.span_log[number % kSpanSlots];
  const std::uint64_t word = device_.load(slot.tcp_offset_and_lane);
  return {device_.load(slot.position), word >> 2U, word & 3U};
}

template <IsmDevice Device>
void Receiver<Device>::take(std::uint64_t taken, const Record& next, std::uint64_t base) {
  const std::uint64_t spans = mine_.rx_spans.load(kRelaxed) + 1;
  OwnSpan& span = mine_.rx_span[spans % 2];
  device_.keep(span.position, next.position);
  device_.keep(span.base, base);
  device_.keep(span.lane, next.lane);
  device_.keep(span.taken, taken);  // Last, see maybe_readable().
  device_.keep(mine_.rx_spans, spans);
  device_.post(peer_.spans_taken, taken);
}

template <IsmDevice Device>
void Receiver<Device>::take_ring_or_tcp(std::uint64_t taken, const Record& next) {
  const Lane lane = static_cast<Lane>(next.lane);
  take(taken, next,
       lane == Lane::kTcp ? next.tcp_offset : mine_.rx_consumed[index(lane)].load(kRelaxed));
}

template <IsmDevice Device>
Input Receiver<Device>::look() {
  // Each round takes a record, and there are not more than the log holds.
  for (std::size_t round = 0; round <= kSpanSlots; ++round) {
    if (const std::optional<Input> input = is_folding() ? step_folding() : step()) return *input;
  }
  return {Input::Kind::kBroken};
}

template <IsmDevice Device>
std::optional<Input> Receiver<Device>::step() {
  const OwnSpan& span = read_span(mine_);
  const Lane lane = lane_of(span);
  return lane == Lane::kTcp ? step_tcp(span) : step_ring(span, lane);
}

template <IsmDevice Device>
std::optional<Input> Receiver<Device>::step_tcp(const OwnSpan& span) {
  const std::uint64_t taken = span.taken.load(kRelaxed);
  const std::uint64_t ahead = device_.load(mine_.spans) - taken;
  if (ahead == 0) return Input{Input::Kind::kTcp, {}, kNoLimit};
  if (ahead > kSpanSlots) return Input{Input::Kind::kBroken};
  const Record next = record(taken);
  if (next.lane == 0 || next.lane == kResent) return Input{Input::Kind::kBroken};
  const std::uint64_t consumed = mine_.rx_tcp_consumed.load(kRelaxed);
  const std::uint64_t left = next.tcp_offset - consumed;
  if (next.tcp_offset < consumed || left != next.position - position()) {
    return Input{Input::Kind::kBroken};
  }
  if (left != 0) return Input{Input::Kind::kTcp, {}, left};
  take_ring_or_tcp(taken + 1, next);
  return {};
}

template <IsmDevice Device>
std::optional<Input> Receiver<Device>::step_ring(const OwnSpan& span, Lane ring) {
  const std::size_t i = index(ring);
  // The cursor before the log: a span that comes before bytes of this cursor is then in the log.
  std::uint64_t produced = device_.load(mine_.produced[i]);
  const std::uint64_t taken = span.taken.load(kRelaxed);
  const std::uint64_t ahead = device_.load(mine_.spans) - taken;
  if (ahead > kSpanSlots) return Input{Input::Kind::kBroken};
  // And after it again, for all that lies before the span: the first one may be from before that.
  if (ahead != 0) produced = device_.load(mine_.produced[i]);
  const std::uint64_t consumed = mine_.rx_consumed[i].load(kRelaxed);
  std::uint64_t available = produced - consumed;
  if (available > rings_[i].size) return Input{Input::Kind::kBroken};
  std::uint64_t doorbells = kNoLimit;
  Record next;
  if (ahead != 0) {
    next = record(taken);
    const std::uint64_t tcp_consumed = mine_.rx_tcp_consumed.load(kRelaxed);
    const std::uint64_t left = next.position - position();
    if (left > available || next.lane == kResent) return Input{Input::Kind::kBroken};
    available = left;
    if (next.lane == 0) {
      if (next.tcp_offset < tcp_consumed) return Input{Input::Kind::kBroken};
      doorbells = next.tcp_offset - tcp_consumed;
    }
  }
  if (available != 0) {
    const auto bytes = LoopbackDevice::window(rings_[i], consumed, available);
    const std::uint64_t rest = available - bytes.size();
    return Input{Input::Kind::kRing, bytes, 0, doorbells,
                 LoopbackDevice::window(rings_[i], consumed + bytes.size(), rest)};
  }
  if (ahead == 0 || (next.lane == 0 && doorbells != 0)) {
    return Input{Input::Kind::kRing, {}, 0, doorbells};
  }
  take_ring_or_tcp(taken + 1, next);
  return {};
}

//     lane TCP, nothing ahead    folded: a sender that goes to a ring now sees the flag and stays
//     a TCP span is ahead        cannot be resent: reads on up to it
//     else                       frozen until the peer's answer, kResent, is the last of the log
template <IsmDevice Device>
std::optional<Input> Receiver<Device>::step_folding() {
  const OwnSpan& span = read_span(mine_);
  const std::uint64_t taken = span.taken.load(kRelaxed);
  const std::uint64_t spans = device_.load(mine_.spans);
  if (spans - taken > kSpanSlots) return Input{Input::Kind::kBroken};
  const bool in_tcp = lane_of(span) == Lane::kTcp;
  if (spans == taken) {
    if (!in_tcp) return Input{Input::Kind::kRing};
    if ((mine_.flags.load(kRelaxed) & kFlagInputReady) != 0) end_fold();
    return Input{Input::Kind::kTcp, {}, kNoLimit};
  }
  for (std::uint64_t i = taken; i != spans; ++i) {
    if (record(i).lane == 0) return step();
  }
  const Record answer = record(spans - 1);
  const bool answered = answer.lane == kResent;
  if (in_tcp) {
    const Record first = record(taken);
    const std::uint64_t consumed = mine_.rx_tcp_consumed.load(kRelaxed);
    if (first.tcp_offset < consumed) return Input{Input::Kind::kBroken};
    // No doorbell and no ring byte in between: TCP simply goes on.
    const bool goes_on = answered && answer.tcp_offset == first.tcp_offset;
    const std::uint64_t left = first.tcp_offset - consumed;
    if (left != first.position - position()) return Input{Input::Kind::kBroken};
    if (left != 0 && !goes_on) return Input{Input::Kind::kTcp, {}, left};
    if (goes_on && answer.position != first.position) return Input{Input::Kind::kBroken};
    if (goes_on) {
      take(spans, answer, answer.tcp_offset);
      end_fold();
      return Input{Input::Kind::kTcp, {}, kNoLimit};
    }
    if (first.lane == kResent) return Input{Input::Kind::kBroken};
    take_ring_or_tcp(taken + 1, first);  // From here on the socket has doorbells.
    return {};
  }
  if (!answered) return Input{Input::Kind::kRing};
  return resent_input(answer, spans);
}

template <IsmDevice Device>
Input Receiver<Device>::resent_input(const Record& answer, std::uint64_t spans) {
  const std::uint64_t consumed = mine_.rx_tcp_consumed.load(kRelaxed);
  if (answer.position != position() || answer.tcp_offset < consumed) {
    return {Input::Kind::kBroken};
  }
  const std::uint64_t doorbells = answer.tcp_offset - consumed;
  if (doorbells != 0) return {Input::Kind::kRing, {}, 0, doorbells};
  take(spans, answer, answer.tcp_offset);
  end_fold();
  return {Input::Kind::kTcp, {}, kNoLimit};
}

// kFlagFoldWanted stays: this end reads rings no more.
template <IsmDevice Device>
void Receiver<Device>::end_fold() {
  mine_.flags.fetch_and(~kFlagInputReady, std::memory_order_acq_rel);
}

template <IsmDevice Device>
std::uint64_t Receiver<Device>::resend_ends_at() const {
  const OwnSpan& span = read_span(mine_);
  if (span.lane.load(kRelaxed) != kResent) return 0;
  return span.base.load(kRelaxed) + unread(0) + unread(1);
}

template <IsmDevice Device>
void Receiver<Device>::give_up_fold() {
  const OwnSpan& span = read_span(mine_);
  const std::uint64_t spans = device_.load(mine_.spans);
  const bool answered = span.lane.load(kRelaxed) == kResent ||
                        (spans != span.taken.load(kRelaxed) && record(spans - 1).lane == kResent);
  if (!answered) mine_.flags.fetch_and(~kFlagFoldWanted, std::memory_order_acq_rel);
}

template <IsmDevice Device>
std::span<const char> Receiver<Device>::rest() const {
  const OwnSpan& span = read_span(mine_);
  if (span.lane.load(kRelaxed) != kResent) return {};
  std::uint64_t done = mine_.rx_tcp_consumed.load(kRelaxed) - span.base.load(kRelaxed);
  for (std::size_t i = 0; i < kRings; ++i) {
    const std::uint64_t left = unread(i);
    if (done < left) {
      return LoopbackDevice::window(rings_[i], mine_.rx_consumed[i].load(kRelaxed) + done,
                                    left - done);
    }
    done -= left;
  }
  return {};
}

template <IsmDevice Device>
void Receiver<Device>::consume(std::size_t count) {
  const Lane ring = lane();
  if (ring == Lane::kTcp) return tcp_received(count);  // Of rest().
  const std::size_t i = index(ring);
  const std::uint64_t consumed = mine_.rx_consumed[i].load(kRelaxed) + count;
  device_.keep(mine_.rx_consumed[i], consumed);
  device_.post(peer_.consumed[i], consumed);
}

// While another thread takes spans this may see a span half, `taken` of an older or the same one:
// older than `spans` then, which is true, or the same.
template <IsmDevice Device>
bool Receiver<Device>::maybe_readable() const {
  const std::uint64_t spans = device_.load(mine_.spans);
  const OwnSpan& span = read_span(mine_);
  if (spans != device_.load(span.taken)) return true;
  const Lane ring = lane_of(span);
  if (ring == Lane::kTcp) return false;
  const std::size_t i = index(ring);
  return device_.load(mine_.produced[i]) != device_.load(mine_.rx_consumed[i]);
}

template <IsmDevice Device>
std::uint64_t Receiver<Device>::unread(std::size_t ring) const {
  const std::uint64_t gap =
      device_.load(mine_.produced[ring]) - mine_.rx_consumed[ring].load(kRelaxed);
  return gap <= rings_[ring].size ? gap : 0;
}

template <IsmDevice Device>
std::uint64_t Receiver<Device>::readable(std::uint64_t queued) const {
  const OwnSpan& span = read_span(mine_);
  const std::uint64_t taken = span.taken.load(kRelaxed);
  const std::uint64_t ahead = device_.load(mine_.spans) - taken;
  if (ahead > kSpanSlots) return 0;
  std::uint64_t in_ring[kRings] = {unread(0), unread(1)};
  std::uint64_t tcp = mine_.rx_tcp_consumed.load(kRelaxed);
  const std::uint64_t tcp_end = tcp + queued;
  std::uint64_t at = position();
  Lane lane = lane_of(span);
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0;; ++i) {
    const bool is_last = i == ahead;
    const Record next = is_last ? Record{} : record(taken + i);
    const std::uint64_t length = is_last ? kNoLimit : next.position - at;
    const bool in_tcp = lane == Lane::kTcp;
    const std::uint64_t here = in_tcp ? tcp_end - tcp : in_ring[index(lane)];
    const std::uint64_t count = std::min(here, length);
    sum += count;
    if (is_last || count < length || next.lane == kResent) return sum;
    if (in_tcp) {
      tcp += count;
    } else {
      in_ring[index(lane)] -= count;
    }
    at = next.position;
    lane = static_cast<Lane>(next.lane);
    if (lane != Lane::kTcp) continue;
    if (next.tcp_offset < tcp || next.tcp_offset > tcp_end) return sum;  // Doorbells to come.
    tcp = next.tcp_offset;
  }
}

// A read-modify-write, as Sender::to_ring()'s look at the word is: either that sees the flag, or
// this end sees the span.
template <IsmDevice Device>
void Receiver<Device>::want_fold() {
  mine_.flags.fetch_or(kFlagFoldWanted, std::memory_order_acq_rel);
}

}  // namespace leat::smc
