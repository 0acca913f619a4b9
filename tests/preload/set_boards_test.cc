// The boards of one epoll set.

#include "apps/preload/set_boards.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "leat/smc/internal/board_table.h"

namespace leat::preload {
namespace {

using smc::BoardPage;
using smc::internal::BoardTable;

/// A page as the broker makes them.
BoardPage* new_page(std::uint64_t token) {
  const int fd = ::memfd_create("boards", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  EXPECT_EQ(::ftruncate(fd, sizeof(BoardPage)), 0);
  EXPECT_EQ(::fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
  return BoardTable::add(token, fd);
}

class SetBoardsTest : public ::testing::Test {
 protected:
  std::set<std::uint32_t> news(bool has_sleepers = false) {
    std::set<std::uint32_t> found;
    boards_.drain(has_sleepers,
                  [&](std::uint32_t index) { EXPECT_TRUE(found.insert(index).second); });
    return found;
  }

  BoardPage* page_ = new_page(11);
  SetBoards boards_;
};

TEST_F(SetBoardsTest, TellsOfThoseWithNewsOnce) {
  std::vector<SetBoards::Taken> taken;
  for (std::uint32_t i = 0; i < 200; ++i) taken.push_back(boards_.take(page_, 1000 + i, 0));
  EXPECT_FALSE(boards_.any());
  EXPECT_FALSE(smc::tell_board(*page_, taken[3].code));
  EXPECT_FALSE(smc::tell_board(*page_, taken[150].code));
  EXPECT_TRUE(boards_.any());
  EXPECT_EQ(news(), (std::set<std::uint32_t>{1003, 1150}));
  EXPECT_FALSE(boards_.any());
  EXPECT_TRUE(news().empty());
  boards_.clear();
}

TEST_F(SetBoardsTest, SleepersAreRungOncePerWord) {
  std::vector<SetBoards::Taken> taken;
  for (std::uint32_t i = 0; i < 100; ++i) taken.push_back(boards_.take(page_, i, 0));
  boards_.set_sleepers(1);
  int doorbells = 0;
  for (const auto& one : taken) doorbells += smc::tell_board(*page_, one.code) ? 1 : 0;
  EXPECT_EQ(doorbells, 2) << "100 members are two words";
  EXPECT_EQ(news(true).size(), 100U);
  EXPECT_TRUE(smc::tell_board(*page_, taken[0].code)) << "draining has set the mark again";
  boards_.set_sleepers(0);
  EXPECT_FALSE(smc::tell_board(*page_, taken[1].code));
  boards_.clear();
}

TEST_F(SetBoardsTest, AMemberThatJoinsWhileOthersSleepRings) {
  const auto taken = boards_.take(page_, 1, 2);
  EXPECT_TRUE(smc::tell_board(*page_, taken.code));
  boards_.clear();
}

TEST_F(SetBoardsTest, APlaceThatWasGivenBackTellsOfNobody) {
  const auto first = boards_.take(page_, 1, 0);
  const auto second = boards_.take(page_, 2, 0);
  boards_.give(first.place);
  smc::tell_board(*page_, first.code);
  smc::tell_board(*page_, second.code);
  EXPECT_EQ(news(), std::set<std::uint32_t>{2});
  EXPECT_EQ(boards_.take(page_, 3, 0).code, first.code);
  boards_.clear();
}

TEST_F(SetBoardsTest, AFullBoardIsFollowedByAnotherAndEightAreTheMost) {
  std::set<std::uint32_t> codes;
  constexpr std::uint32_t kOnOne = smc::ReadyBoard::kWords * smc::ReadyBoard::kBits;
  std::uint32_t places = 0;
  for (;; ++places) {
    const auto taken = boards_.take(page_, places, 0);
    if (taken.place == 0) break;
    ASSERT_TRUE(codes.insert(taken.code).second);
  }
  EXPECT_EQ(places, SetBoards::kMost * kOnOne);
  for (const std::uint32_t code : codes) smc::tell_board(*page_, code);
  EXPECT_EQ(news().size(), places);
  boards_.clear();
  EXPECT_TRUE(boards_.is_empty());
  EXPECT_EQ(page_->claim(1), 0U) << "all were given back";
}

TEST_F(SetBoardsTest, APageIsKeptAsLongAsSomebodyIsOnIt) {
  const auto taken = boards_.take(page_, 1, 0);
  BoardTable::release(page_);
  EXPECT_EQ(BoardTable::hold(11), page_);
  BoardTable::release(page_);
  boards_.give(taken.place);
  EXPECT_EQ(BoardTable::hold(11), nullptr);
}

}  // namespace
}  // namespace leat::preload
