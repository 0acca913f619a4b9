// Public: by what a sender tells a sleeper of which of its connections has bytes, and wakes it
// once.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace leat::smc {

/// One set of connections (an epoll set) of one family, as far as their peers are in one other
/// family. A connection has a bit in it; with that, who looks need not look at each connection's
/// ring, and who sleeps is woken by one doorbell for all of them.
///
///     word:  | asleep | 63 bits: connections that have had news since the word was last taken |
///
/// Sender: bytes, then its bit by a read-modify-write; if that has read `asleep`, one sender takes
/// it away and rings, on its own connection. Sleeper: sets `asleep` and takes the bits by one
/// exchange, looks at those connections, and sleeps. Of the two on one word one comes first: either
/// the sleeper sees the bit, or the sender sees the mark.
///
/// A bit is a hint, whoever has set it: the ring is looked at, and found as it is. What the other
/// family writes here can keep its own connections asleep, and no one else's.
struct alignas(128) ReadyBoard {
  static constexpr std::size_t kWords = 7;
  static constexpr std::uint32_t kBits = 63;
  static constexpr std::uint64_t kAsleep = std::uint64_t{1} << kBits;

  std::atomic<std::uint64_t> words[kWords];
  /// Threads that sleep on the set. Others must not eat a doorbell that one of them is to wake by.
  std::atomic<std::uint32_t> sleepers;
};

/// What two families share besides the segments of their connections; a sealed memory file, made by
/// the broker for the two of them. Zeros at first.
struct BoardPage {
  static constexpr std::uint32_t kBoards = 31;
  /// Process that uses a board, 0: free. As that process numbers itself.
  alignas(128) std::atomic<std::uint32_t> owner[kBoards + 1];
  ReadyBoard boards[kBoards];

  /// The number of a free board, now `process`'s; kBoards if there is none.
  std::uint32_t claim(std::uint32_t process) {
    for (std::uint32_t i = 0; i < kBoards; ++i) {
      std::uint32_t free = 0;
      if (!owner[i].compare_exchange_strong(free, process, std::memory_order_acq_rel)) continue;
      for (auto& word : boards[i].words) word.store(0, std::memory_order_relaxed);
      boards[i].sleepers.store(0, std::memory_order_relaxed);
      return i;
    }
    return kBoards;
  }
  void release(std::uint32_t board) { owner[board].store(0, std::memory_order_release); }
};
static_assert(sizeof(BoardPage) == 4096);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

/// A connection's bit, as EndControl::board has it: data from outside for the sender.
struct BoardPlace {
  std::uint32_t board = 0;
  std::uint32_t word = 0;
  std::uint32_t bit = 0;

  /// Never 0, which stands for "no place".
  [[nodiscard]] constexpr std::uint32_t code() const {
    return (board + 1) << 16U | word << 8U | bit;
  }
  /// False for 0, and for what no code() is.
  static constexpr bool decode(std::uint32_t code, BoardPlace& place) {
    place = {(code >> 16U) - 1, (code >> 8U) & 0xffU, code & 0xffU};
    return (code >> 16U) != 0 && place.board < BoardPage::kBoards &&
           place.word < ReadyBoard::kWords && place.bit < ReadyBoard::kBits;
  }
};

/// After bytes were put into the ring of the connection with this place. True: this sender has
/// taken the mark and must ring the doorbell; if it cannot, it puts the mark back by mark_asleep().
inline bool tell_board(BoardPage& page, std::uint32_t code) {
  BoardPlace place;
  if (!BoardPlace::decode(code, place)) return false;
  std::atomic<std::uint64_t>& word = page.boards[place.board].words[place.word];
  const std::uint64_t before =
      word.fetch_or(std::uint64_t{1} << place.bit, std::memory_order_acq_rel);
  if ((before & ReadyBoard::kAsleep) == 0) return false;
  return (word.fetch_and(~ReadyBoard::kAsleep, std::memory_order_acq_rel) & ReadyBoard::kAsleep) !=
         0;
}

/// One mark too many costs a doorbell, one too few a sleeper. Returns the bits that were there.
inline std::uint64_t mark_asleep(BoardPage& page, std::uint32_t code) {
  BoardPlace place;
  if (!BoardPlace::decode(code, place)) return 0;
  return page.boards[place.board].words[place.word].fetch_or(ReadyBoard::kAsleep,
                                                             std::memory_order_acq_rel) &
         ~ReadyBoard::kAsleep;
}

/// Whether a doorbell on this connection may be what wakes a sleeper that has not looked yet.
inline bool board_awaits_doorbell(BoardPage& page, std::uint32_t code) {
  BoardPlace place;
  if (!BoardPlace::decode(code, place)) return false;
  if (page.boards[place.board].sleepers.load(std::memory_order_seq_cst) == 0) return false;
  return mark_asleep(page, code) != 0;
}

}  // namespace leat::smc
