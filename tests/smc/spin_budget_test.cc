// When a spin is worth its time.

#include "leat/smc/spin_budget.h"

#include <gtest/gtest.h>

namespace leat::smc {
namespace {

constexpr SpinConditions kIdle{.allowed_cpus = 4};

/// Waits of a peer that answers after `answer` ns, one each `period`.
struct Tally {
  std::uint64_t spun = 0;
  int won = 0;
  int spins = 0;
};
Tally run(SpinBudget& budget, int waits, std::uint64_t answer, std::uint64_t period,
          std::uint64_t begin = 0) {
  Tally tally;
  for (int i = 0; i < waits; ++i) {
    const std::uint64_t now = begin + static_cast<std::uint64_t>(i) * period;
    const std::uint64_t length = budget.next(now, kIdle);
    if (length == 0) {
      budget.slept(answer + 5'000);
      continue;
    }
    ++tally.spins;
    tally.spun += answer < length ? answer : length;
    if (answer < length) {
      ++tally.won;
      budget.won(answer);
    } else {
      budget.lost(now + length, 0);
    }
  }
  return tally;
}

TEST(SpinBudget, SpinsForAPeerThatAnswersAtOnce) {
  SpinBudget budget;
  EXPECT_EQ(run(budget, 1000, 1'000, 2'000).won, 1000);
}

TEST(SpinBudget, LooksNoLongerThanItUsuallyTakes) {
  SpinBudget budget;
  run(budget, 1000, 1'000, 2'000);
  EXPECT_LT(budget.next(10'000'000, kIdle), 10'000u);
}

TEST(SpinBudget, GivesUpOnAPeerThatNeverAnswersInTime) {
  SpinBudget budget;
  // A minute of waits of one millisecond.
  const Tally tally = run(budget, 60'000, 1'000'000, 1'000'000);
  EXPECT_EQ(tally.won, 0);
  EXPECT_GT(tally.spins, 10);
  EXPECT_LT(tally.spun, 60'000'000'000 / 1000);
}

TEST(SpinBudget, FindsOutThatItPaysAgain) {
  SpinBudget budget;
  run(budget, 60'000, 1'000'000, 1'000'000);
  const std::uint64_t later = 60'000'000'000;
  EXPECT_GT(run(budget, 1000, 3'000, 10'000, later).won, 950);
}

TEST(SpinBudget, FindsOutByProbesAloneToo) {
  SpinBudget budget;
  run(budget, 60'000, 1'000'000, 1'000'000);
  int won = 0;
  for (std::uint64_t now = 60'000'000'000; now < 62'000'000'000; now += 10'000) {
    if (budget.next(now, kIdle) == 0) continue;
    budget.won(1'000);
    ++won;
  }
  EXPECT_GT(won, 100'000);
}

TEST(SpinBudget, MixedAnswersAreWorthItWhenTheyAreOften) {
  SpinBudget budget;
  int spins = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const std::uint64_t length = budget.next(i * 100'000, kIdle);
    if (length != 0) ++spins;
    if (i % 2 == 0) {
      length != 0 ? budget.won(2'000) : budget.slept(7'000);
    } else {
      length != 0 ? budget.lost(i * 100'000, 0) : budget.slept(100'000);
    }
  }
  EXPECT_GT(spins, 900);
}

TEST(SpinBudget, IsOffWithoutAnIdleCpu) {
  const SpinBudget budget;
  EXPECT_GT(budget.next(0, {.allowed_cpus = 2}), 0u);
  EXPECT_EQ(budget.next(0, {.allowed_cpus = 1}), 0u);
  EXPECT_EQ(budget.next(0, {.allowed_cpus = 2, .spinning = 1}), 0u);
  EXPECT_GT(budget.next(0, {.allowed_cpus = 3, .spinning = 1}), 0u);
  EXPECT_EQ(budget.next(0, {.allowed_cpus = 8, .quota_millicpus = 1500}), 0u);
  EXPECT_GT(budget.next(0, {.allowed_cpus = 8, .quota_millicpus = 4000}), 0u);
}

TEST(SpinBudget, MakesWayForWhoeverWantsTheCpu) {
  SpinBudget budget;
  run(budget, 100, 1'000, 2'000);
  budget.lost(1'000'000, 1);
  EXPECT_EQ(budget.next(2'000'000, kIdle), 0u);
  EXPECT_GT(budget.next(20'000'000, kIdle), 0u);
}

TEST(SpinBudget, ZeroTurnsItOff) {
  SpinBudget budget(0);
  EXPECT_EQ(run(budget, 100, 0, 1'000).spins, 0);
}

TEST(SpinBudget, NoSpinIsLongerThanAllowed) {
  SpinBudget budget(20'000);
  for (std::uint64_t now = 0; now < 1'000'000; now += 10'000) {
    EXPECT_LE(budget.next(now, kIdle), 20'000u);
    budget.slept(19'999);
  }
}

}  // namespace
}  // namespace leat::smc
