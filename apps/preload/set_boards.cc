#include "apps/preload/set_boards.h"

#include <sys/syscall.h>

#include "leat/smc/internal/board_table.h"
#include "leat/smc/internal/raw_syscall.h"

namespace leat::preload {

using smc::ReadyBoard;
using smc::internal::BoardTable;

SetBoards::Board* SetBoards::board_with_room(smc::BoardPage* page, std::uint32_t sleepers) {
  Board* unused = nullptr;
  for (Board& board : boards_) {
    if (board.page == page && board.used < kPlaces) return &board;
    if (board.page == nullptr && unused == nullptr) unused = &board;
  }
  if (unused == nullptr) return nullptr;
  const auto process = static_cast<std::uint32_t>(smc::internal::raw_syscall(SYS_getpid));
  const std::uint32_t number = page->claim(process);
  if (number == smc::BoardPage::kBoards) return nullptr;
  *unused = Board{};
  unused->page = page;
  unused->number = number;
  BoardTable::hold_again(page);
  unused->shared().sleepers.store(sleepers, std::memory_order_seq_cst);
  const auto index = static_cast<std::uint32_t>(unused - boards_);
  if (index >= end_) end_ = index + 1;
  return unused;
}

SetBoards::Taken SetBoards::take(smc::BoardPage* page, std::uint32_t index,
                                 std::uint32_t sleepers) {
  Board* const board = board_with_room(page, sleepers);
  if (board == nullptr) return {};
  constexpr std::uint64_t kAll = ReadyBoard::kAsleep - 1;
  std::uint32_t w = 0;
  while (board->taken[w] == kAll) ++w;
  const auto bit = static_cast<std::uint32_t>(std::countr_one(board->taken[w]));
  board->taken[w] |= std::uint64_t{1} << bit;
  board->member[w * ReadyBoard::kBits + bit] = index;
  ++board->used;
  if (sleepers != 0) {
    board->shared().words[w].fetch_or(ReadyBoard::kAsleep, std::memory_order_acq_rel);
  }
  const auto which = static_cast<std::uint32_t>(board - boards_);
  return {(which + 1) << 16U | w << 8U | bit, smc::BoardPlace{board->number, w, bit}.code()};
}

void SetBoards::give(std::uint32_t place) {
  Board& board = boards_[(place >> 16U) - 1];
  const std::uint32_t w = (place >> 8U) & 0xffU;
  board.taken[w] &= ~(std::uint64_t{1} << (place & 0xffU));
  if (--board.used == 0) drop(board);
}

void SetBoards::drop(Board& board) {
  board.page->release(board.number);
  BoardTable::release(board.page);
  board = Board{};
  while (end_ != 0 && boards_[end_ - 1].page == nullptr) --end_;
}

bool SetBoards::any() const {
  for (std::uint32_t i = 0; i < end_; ++i) {
    const Board& board = boards_[i];
    if (board.page == nullptr) continue;
    for (std::uint32_t w = 0; w < ReadyBoard::kWords; ++w) {
      if (board.taken[w] == 0) continue;
      const std::uint64_t bits = board.shared().words[w].load(std::memory_order_relaxed);
      if ((bits & board.taken[w]) != 0) return true;
    }
  }
  return false;
}

void SetBoards::set_sleepers(std::uint32_t count) {
  for (std::uint32_t i = 0; i < end_; ++i) {
    Board& board = boards_[i];
    if (board.page == nullptr) continue;
    board.shared().sleepers.store(count, std::memory_order_seq_cst);
    for (std::uint32_t w = 0; w < ReadyBoard::kWords; ++w) {
      if (board.taken[w] == 0) continue;
      std::atomic<std::uint64_t>& word = board.shared().words[w];
      if (count != 0) {
        word.fetch_or(ReadyBoard::kAsleep, std::memory_order_acq_rel);
      } else {
        word.fetch_and(~ReadyBoard::kAsleep, std::memory_order_acq_rel);
      }
    }
  }
}

void SetBoards::clear() {
  for (Board& board : boards_) {
    if (board.page != nullptr) drop(board);
  }
}

}  // namespace leat::preload
