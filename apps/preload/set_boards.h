// Internal: the boards on which the members of one epoll set have places.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "leat/smc/ready_board.h"

namespace leat::preload {

/// A board for each family that the set has connections to. One thread at a time: the set's lock.
/// Knows members by their index in the MemberTable, and a place by a number of its own, 0: none.
class SetBoards {
 public:
  static constexpr std::size_t kMost = 8;

  struct Taken {
    std::uint32_t place = 0;  ///< For give().
    std::uint32_t code = 0;   ///< For EndControl::board.
  };
  /// A place on a board of `page` for member `index`; none if all are taken. `sleepers`: threads
  /// that sleep on the set now.
  Taken take(smc::BoardPage* page, std::uint32_t index, std::uint32_t sleepers);
  void give(std::uint32_t place);
  [[nodiscard]] bool is_empty() const { return end_ == 0; }

  /// Whether there is news: a load for each 63 members.
  [[nodiscard]] bool any() const;
  /// Calls `found(index)` for each member with news. Afterwards whatever comes is news again, and
  /// rings if there are sleepers.
  template <typename Found>
  void drain(bool has_sleepers, Found found);
  /// The threads that sleep from now on: not 0 marks all words asleep, 0 takes the marks away.
  /// Follow the former with drain().
  void set_sleepers(std::uint32_t count);

  /// In a forked child, whose parent goes on using them.
  void forget() { *this = SetBoards{}; }
  void clear();

 private:
  static constexpr std::uint32_t kPlaces = smc::ReadyBoard::kWords * smc::ReadyBoard::kBits;
  struct Board {
    smc::BoardPage* page = nullptr;
    std::uint32_t number = 0;
    std::uint32_t used = 0;
    std::uint64_t taken[smc::ReadyBoard::kWords] = {};
    std::uint32_t member[kPlaces] = {};
    [[nodiscard]] smc::ReadyBoard& shared() const { return page->boards[number]; }
  };

  Board* board_with_room(smc::BoardPage* page, std::uint32_t sleepers);
  void drop(Board& board);

  Board boards_[kMost];
  std::uint32_t end_ = 0;  ///< Boards ever used.
};

template <typename Found>
void SetBoards::drain(bool has_sleepers, Found found) {
  const std::uint64_t rest = has_sleepers ? smc::ReadyBoard::kAsleep : 0;
  for (std::uint32_t i = 0; i < end_; ++i) {
    Board& board = boards_[i];
    if (board.page == nullptr) continue;
    for (std::uint32_t w = 0; w < smc::ReadyBoard::kWords; ++w) {
      if (board.taken[w] == 0) continue;
      std::atomic<std::uint64_t>& word = board.shared().words[w];
      if (word.load(std::memory_order_relaxed) == rest) continue;
      std::uint64_t bits = word.exchange(rest, std::memory_order_acq_rel) & board.taken[w];
      for (; bits != 0; bits &= bits - 1) {
        found(board.member[w * smc::ReadyBoard::kBits +
                           static_cast<std::uint32_t>(std::countr_zero(bits))]);
      }
    }
  }
}

}  // namespace leat::preload
