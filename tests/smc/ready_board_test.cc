// The board by which senders tell a sleeper of its connections.

#include "leat/smc/ready_board.h"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace leat::smc {
namespace {

constexpr std::uint32_t kBoard = 3;

std::uint32_t code(std::uint32_t word, std::uint32_t bit) {
  return BoardPlace{kBoard, word, bit}.code();
}

TEST(BoardPlace, ComesBackAsItWas) {
  for (std::uint32_t board : {0U, 5U, BoardPage::kBoards - 1}) {
    for (std::uint32_t bit : {0U, 62U}) {
      BoardPlace place;
      ASSERT_TRUE(BoardPlace::decode(BoardPlace{board, 6, bit}.code(), place));
      EXPECT_EQ(place.board, board);
      EXPECT_EQ(place.word, 6U);
      EXPECT_EQ(place.bit, bit);
    }
  }
}

TEST(BoardPlace, WhatAPeerMayWriteInstead) {
  BoardPlace place;
  EXPECT_FALSE(BoardPlace::decode(0, place));
  EXPECT_FALSE(BoardPlace::decode(5, place)) << "no board";
  EXPECT_FALSE(BoardPlace::decode((BoardPage::kBoards + 1) << 16U, place));
  EXPECT_FALSE(BoardPlace::decode(1U << 16U | ReadyBoard::kWords << 8U, place));
  EXPECT_FALSE(BoardPlace::decode(1U << 16U | ReadyBoard::kBits, place));
  EXPECT_FALSE(BoardPlace::decode(~0U, place));
}

TEST(ReadyBoard, OneDoorbellForAllThatComesToASleeper) {
  const auto page = std::make_unique<BoardPage>();
  auto& word = page->boards[kBoard].words[0];
  EXPECT_FALSE(tell_board(*page, code(0, 1))) << "nobody sleeps";
  EXPECT_EQ(word.exchange(ReadyBoard::kAsleep), 2U);
  EXPECT_TRUE(tell_board(*page, code(0, 7)));
  EXPECT_FALSE(tell_board(*page, code(0, 8)));
  EXPECT_FALSE(tell_board(*page, code(0, 7)));
  EXPECT_EQ(word.load(), (1U << 7U) | (1U << 8U));
}

TEST(ReadyBoard, ADoorbellThatASleeperWaitsForIsNotEaten) {
  const auto page = std::make_unique<BoardPage>();
  ReadyBoard& board = page->boards[kBoard];
  board.words[0].store(1);
  EXPECT_FALSE(board_awaits_doorbell(*page, code(0, 0))) << "nobody sleeps";
  board.sleepers.store(1);
  EXPECT_TRUE(board_awaits_doorbell(*page, code(0, 0)));
  board.words[0].store(0);
  EXPECT_FALSE(board_awaits_doorbell(*page, code(0, 0))) << "it has looked";
  EXPECT_EQ(board.words[0].load(), ReadyBoard::kAsleep) << "and the next one rings";
}

TEST(BoardPage, ABoardIsOneOwners) {
  const auto page = std::make_unique<BoardPage>();
  page->boards[0].words[2].store(5);
  page->boards[0].sleepers.store(5);
  for (std::uint32_t i = 0; i < BoardPage::kBoards; ++i) EXPECT_EQ(page->claim(7), i);
  EXPECT_EQ(page->claim(7), BoardPage::kBoards);
  EXPECT_EQ(page->boards[0].words[2].load(), 0U) << "of the owner before";
  EXPECT_EQ(page->boards[0].sleepers.load(), 0U);
  page->release(4);
  EXPECT_EQ(page->claim(8), 4U);
}

// Senders put a number up and tell; the sleeper sleeps only if it has seen all there is, and is
// then rung for. A wake-up that is lost stops everybody.
TEST(ReadyBoard, NoWakeUpIsLostBetweenThreads) {
  constexpr int kSenders = 3;
  constexpr std::uint64_t kEach = 20'000;
  const auto page = std::make_unique<BoardPage>();
  auto& word = page->boards[kBoard].words[0];
  std::atomic<std::uint64_t> sent[kSenders] = {};
  std::atomic<std::uint64_t> seen[kSenders] = {};
  std::atomic<std::uint32_t> doorbells{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kSenders; ++i) {
    threads.emplace_back([&, i] {
      const auto bit = static_cast<std::uint32_t>(i);
      for (std::uint64_t n = 1; n <= kEach; ++n) {
        sent[i].store(n, std::memory_order_release);
        if (tell_board(*page, code(0, bit))) {
          doorbells.fetch_add(1);
          doorbells.notify_one();
        }
        // Nobody goes far ahead, so that the sleeper has to sleep.
        while (seen[i].load(std::memory_order_acquire) + 2 < n) std::this_thread::yield();
      }
    });
  }
  std::uint32_t heard = 0;
  std::uint64_t all = 0;
  while (all < kSenders * kEach) {
    // Asleep first, then the look: as begin_sleep() and collect() do.
    word.fetch_or(ReadyBoard::kAsleep, std::memory_order_acq_rel);
    const std::uint64_t bits =
        word.exchange(ReadyBoard::kAsleep, std::memory_order_acq_rel) & ~ReadyBoard::kAsleep;
    if (bits == 0) {
      doorbells.wait(heard);
      heard = doorbells.load();
      continue;
    }
    all = 0;
    for (int i = 0; i < kSenders; ++i) {
      if ((bits >> static_cast<unsigned>(i) & 1U) != 0) {
        seen[i].store(sent[i].load(std::memory_order_acquire), std::memory_order_release);
      }
      all += seen[i].load(std::memory_order_relaxed);
    }
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace leat::smc
