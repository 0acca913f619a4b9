// Public: the shared memory of one connection, as both ends see it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace leat::smc {

/// How a span of the stream travels.
enum class Lane : std::uint8_t { kTcp = 0, kSmall = 1, kBig = 2 };

inline constexpr std::size_t kRings = 2;
inline constexpr std::size_t kSpanSlots = 8;
/// Apart by two lines, for processors that fetch lines in pairs.
inline constexpr std::size_t kLine = 128;

inline constexpr std::uint32_t kSmallRing = 64U << 10U;
inline constexpr std::uint32_t kDefaultBigRing = 4U << 20U;

/// One record of the span log: from stream `position` on the bytes travel by `lane`. `tcp_offset`
/// is the count of bytes ever written to the TCP socket, doorbells included, at which the span
/// begins (lane kTcp) or the span before it ended (a ring after kTcp).
struct SpanRecord {
  std::atomic<std::uint64_t> position;
  std::atomic<std::uint64_t> tcp_offset_and_lane;  ///< offset << 2 | lane, or kResent for lane.
};
/// In a record's place for the lane: the answer to kFlagFoldWanted. The records before it that were
/// not taken are void, and everything from `position` on comes by TCP.
inline constexpr std::uint64_t kResent = 3;

/// Where an end stands with the other.
enum class EndState : std::uint32_t { kAbsent = 0, kAttached = 1, kConfirmed = 2 };

/// Marks of a receiver that may sleep; the sender takes them away and wakes (EndControl::wait).
inline constexpr std::uint32_t kWaitDoorbell = 1;  ///< In the kernel, on the TCP socket.
inline constexpr std::uint32_t kWaitFutex = 2;     ///< On the word itself.
/// Above the marks the word counts arms: who takes its own mark back sees whether another thread
/// of the end has armed since.
inline constexpr std::uint32_t kWaitArmed = 4;

/// Flags that an end publishes (EndControl::flags).
inline constexpr std::uint32_t kFlagInputReady = 1;  ///< May be sent to by ring.
inline constexpr std::uint32_t kFlagWriteShut = 2;   ///< Has called shutdown(SHUT_WR).
inline constexpr std::uint32_t kFlagFoldWanted = 4;  ///< Has stopped reading rings: resend by TCP.
inline constexpr std::uint32_t kFlagFoldOutput = 8;  ///< Sends by TCP only, from now on.
inline constexpr std::uint32_t kFlagReset = 16;      ///< Closes with a reset (SO_LINGER of 0).
/// Held by processes that do not share a page (exec, SCM_RIGHTS): they cannot count each other's
/// sleepers, so this end stays armed.
inline constexpr std::uint32_t kFlagManyFamilies = 32;
/// Has not found out that the peer is what it says (Link::challenge_peer).
inline constexpr std::uint32_t kFlagNoProof = 64;
/// All that send for this end write news to the peer's board (ready_board.h).
inline constexpr std::uint32_t kFlagBoards = 128;

/// A span as its own end keeps it. There are two, used in turn: the one not in use is filled, then
/// the count of spans goes up by one store, so a death in between leaves the old one whole.
struct OwnSpan {
  std::atomic<std::uint64_t> position;        ///< In the stream, where it begins.
  std::atomic<std::uint64_t> base;            ///< There: bytes of the socket, or the ring's cursor.
  std::atomic<std::uint64_t> lane;            ///< A Lane, or kResent, which goes by TCP.
  std::atomic<std::uint64_t> taken;           ///< Receiver: records of the log behind it.
  std::atomic<std::uint64_t> resend[kRings];  ///< Sender, kResent: ring bytes that go by TCP first.
};

/// The control block of one end. As SMC has it, each end only ever reads what the *other* wrote
/// into its own block, and writes into the other's, with these exceptions, which loopback memory
/// allows: `wait` and `space_wait` are exchanged by both, and the `own_` lines are shared by the
/// processes that hold this end (fork, exec, SCM_RIGHTS), under its locks.
///
///     +----------------------+ written by      read by
///     | produced, spans      | peer's sender   my receiver
///     | span log             | peer's sender   my receiver
///     | consumed, taken      | peer's receiver my sender
///     | challenge            | peer            me
///     | wait, space_wait     | both            both
///     | board                | me              peer
///     | state, flags         | me              peer          (the exception: lies in my block)
///     | own sender           | me, tx lock     me
///     | own receiver         | me, rx lock     me
///     +----------------------+
///
/// What the peer wrote is data from outside: read once, bounded, see Receiver and Sender.
struct alignas(kLine) EndControl {
  // The peer as my sender.
  alignas(kLine) std::atomic<std::uint64_t> produced[kRings];
  std::atomic<std::uint64_t> spans;  ///< Records ever written.
  alignas(kLine) SpanRecord span_log[kSpanSlots];

  // The peer as the receiver of what I send.
  alignas(kLine) std::atomic<std::uint64_t> consumed[kRings];
  std::atomic<std::uint64_t> spans_taken;

  // Between network namespaces, until both are confirmed: what the peer challenges me to. Whole if
  // the word is the same before and after `challenge_from` was read.
  alignas(kLine) std::atomic<std::uint64_t> challenge;
  std::atomic<std::uint64_t> challenge_from;

  // My sleep as a receiver; and, `space_wait`, as a sender that waits for room.
  alignas(kLine) std::atomic<std::uint32_t> wait;
  std::atomic<std::uint32_t>
      native_waiters;                ///< Threads of this end asleep in the kernel, at least.
  std::atomic<std::uint32_t> board;  ///< My place on a board (BoardPlace::code()); 0: none.
  alignas(kLine) std::atomic<std::uint32_t> space_wait;

  alignas(kLine) std::atomic<EndState> state;
  std::atomic<std::uint32_t> flags;

  // Mine alone, but for all processes that hold this end. A position in the stream is that of the
  // span and what its lane's cursor has moved since: one store moves it on.
  alignas(kLine) std::atomic<std::uint32_t> tx_lock;  ///< See DirectionLock.
  std::atomic<std::uint64_t> tx_spans;                ///< Records written; the span is the odd or
                                                      ///< even one of tx_span.
  std::atomic<std::uint64_t> tx_produced[kRings];     ///< What I wrote to the peer's `produced`.
  std::atomic<std::uint64_t> tx_resent;               ///< Of OwnSpan::resend, what has gone by TCP.
  std::uint64_t tx_messages;     ///< Sends that went by ring. These counts are for the tools.
  std::uint64_t tx_doorbells;    ///< Wake-ups sent by TCP,
  std::uint64_t tx_futex_wakes;  ///< and by futex.
  std::uint64_t tx_ring_full;    ///< Sends that found no room and went by TCP.
  OwnSpan tx_span[2];
  alignas(kLine) std::atomic<std::uint32_t> rx_lock;
  std::atomic<std::uint64_t> rx_spans;         ///< Spans gone through, which may leave out records.
  std::atomic<std::uint64_t> rx_tcp_consumed;  ///< Of the socket's bytes, doorbells included.
  std::atomic<std::uint64_t> rx_consumed[kRings];
  std::uint64_t rx_messages;
  std::uint64_t rx_spins_won;
  std::uint64_t rx_spins_lost;
  OwnSpan rx_span[2];
};

/// The spans that the holders of this end send in and read in now; for Sender, Receiver and tools.
[[nodiscard]] inline const OwnSpan& sent_span(const EndControl& end) {
  return end.tx_span[end.tx_spans.load(std::memory_order_acquire) % 2];
}
[[nodiscard]] inline const OwnSpan& read_span(const EndControl& end) {
  return end.rx_span[end.rx_spans.load(std::memory_order_acquire) % 2];
}
/// Nonsense is TCP, for it indexes nothing.
[[nodiscard]] inline Lane lane_of(const OwnSpan& span) {
  const std::uint64_t lane = span.lane.load(std::memory_order_relaxed);
  return lane == 1 ? Lane::kSmall : lane == 2 ? Lane::kBig : Lane::kTcp;
}

/// Bytes of the stream read so far.
[[nodiscard]] inline std::uint64_t read_position(const EndControl& end) {
  const OwnSpan& span = read_span(end);
  const Lane lane = lane_of(span);
  const std::atomic<std::uint64_t>& cursor =
      lane == Lane::kTcp ? end.rx_tcp_consumed : end.rx_consumed[lane == Lane::kBig ? 1 : 0];
  return span.position.load(std::memory_order_relaxed) + cursor.load(std::memory_order_relaxed) -
         span.base.load(std::memory_order_relaxed);
}
/// Bytes of the stream sent so far; where the lane is TCP, up to its span's begin.
[[nodiscard]] inline std::uint64_t sent_position(const EndControl& end) {
  const OwnSpan& span = sent_span(end);
  const Lane lane = lane_of(span);
  const std::uint64_t begin = span.position.load(std::memory_order_relaxed);
  if (lane == Lane::kTcp) return begin;
  return begin + end.tx_produced[lane == Lane::kBig ? 1 : 0].load(std::memory_order_relaxed) -
         span.base.load(std::memory_order_relaxed);
}

/// The first page, written by the broker before anybody maps the file, and never again.
struct SegmentHeader {
  static constexpr std::uint64_t kMagic = 0x31304341'4d534c45ULL;  // "ELSMAC01"
  std::uint64_t magic;
  std::uint32_t header_size;  ///< sizeof(EndControl), a check that both were built alike.
  std::uint32_t big_ring[2];  ///< Bytes, a power of two; of the ring that end 0, 1 receives in.
  std::uint64_t cookie[2];    ///< SO_COOKIE of the two sockets.
  std::uint32_t uid[2];
  std::uint64_t token;   ///< Random, unguessable; names the segment to people.
  std::uint32_t across;  ///< 1: the ends lie in two network namespaces, names prove nothing.
};

/// Where things lie in the file.
///
///     0      4K          12K         20K            84K            148K        148K + big[0]
///     +------+-----------+-----------+--------------+--------------+-----------+-----------+
///     |header| control 0 | control 1 | small ring 0 | small ring 1 | big ring 0| big ring 1|
///     +------+-----------+-----------+--------------+--------------+-----------+-----------+
struct SegmentLayout {
  static constexpr std::size_t kPage = 4096;
  static constexpr std::size_t kControlBytes = 2 * kPage;
  static_assert(sizeof(SegmentHeader) <= kPage);
  static_assert(sizeof(EndControl) <= kControlBytes);
  static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

  [[nodiscard]] static constexpr std::size_t control(unsigned end) {
    return kPage + end * kControlBytes;
  }
  [[nodiscard]] static constexpr std::size_t small_ring(unsigned end) {
    return kPage + 2 * kControlBytes + end * std::size_t{kSmallRing};
  }
  [[nodiscard]] static constexpr std::size_t big_ring(unsigned end, std::uint32_t first_big) {
    return small_ring(2) + (end == 0 ? 0 : std::size_t{first_big});
  }
  [[nodiscard]] static constexpr std::size_t size(std::uint32_t big0, std::uint32_t big1) {
    return small_ring(2) + std::size_t{big0} + big1;
  }
};

}  // namespace leat::smc
