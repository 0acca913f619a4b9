#include "leat/reactor/timer_queue.h"

#include <chrono>
#include <memory>
#include <stdexcept>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace leat {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr MonotonicTime kStart{Duration{1'000'000'000'000}};
constexpr Duration kTick = TimerQueue::kTick;

/// Fires as a loop would: sleeps until next_deadline(), expires. Counts the rounds.
struct Rounds {
  int rounds = 0;
  MonotonicTime last;
};
Rounds run_until_empty(TimerQueue& queue) {
  Rounds result;
  while (const auto deadline = queue.next_deadline()) {
    result.last = std::max(result.last, *deadline);
    queue.expire(result.last);
    ++result.rounds;
  }
  return result;
}

class TimerQueueTest : public testing::Test {
 protected:
  LoopTask note(int number) {
    return [this, number] { fired.push_back(number); };
  }

  TimerQueue queue{kStart};
  std::vector<int> fired;
};

TEST_F(TimerQueueTest, AnEmptyQueueHasNoDeadline) {
  EXPECT_EQ(queue.next_deadline(), std::nullopt);
  EXPECT_EQ(queue.expire(kStart + 1h), 0u);
  EXPECT_EQ(queue.size(), 0u);
}

TEST_F(TimerQueueTest, FiresInOrderOfDeadlineAndThenOfArming) {
  queue.add(kStart + 3 * kTick, note(3));
  queue.add(kStart + 1 * kTick, note(1));
  queue.add(kStart + 300 * kTick, note(5));
  queue.add(kStart + 3 * kTick, note(4));
  queue.add(kStart + 2 * kTick, note(2));
  EXPECT_EQ(queue.expire(kStart + 300 * kTick), 5u);
  EXPECT_THAT(fired, ElementsAre(1, 2, 3, 4, 5));
}

TEST_F(TimerQueueTest, OrderOfArmingSurvivesTheLevels) {
  // The first lies on level 2, the others are armed for its tick when that is nearer.
  const MonotonicTime deadline = kStart + 5000 * kTick;
  queue.add(deadline, note(1));
  queue.expire(kStart + 4990 * kTick);
  queue.add(deadline, note(2));
  queue.expire(kStart + 4999 * kTick);
  queue.add(deadline, note(3));
  queue.expire(deadline);
  EXPECT_THAT(fired, ElementsAre(1, 2, 3));
}

TEST_F(TimerQueueTest, NeverEarlyAndAtMostOneTickLate) {
  for (const Duration delay : {1ns, 65'535ns, 65'536ns, 65'537ns, 1'000'000ns, 123'456'789ns}) {
    TimerQueue own(kStart);
    bool done = false;
    own.add(kStart + delay, [&] { done = true; });
    own.expire(kStart + delay - 1ns);
    EXPECT_FALSE(done) << delay.count();
    const auto deadline = own.next_deadline();
    ASSERT_TRUE(deadline.has_value());
    EXPECT_GE(*deadline, kStart + delay);
    EXPECT_LT(*deadline, kStart + delay + kTick);
    own.expire(*deadline);
    EXPECT_TRUE(done) << delay.count();
  }
}

TEST_F(TimerQueueTest, OneTimerNeedsOneWakeUpHoweverFar) {
  for (const Duration delay : {Duration(1ns), Duration(10s), Duration(1h), Duration(24h * 3650)}) {
    TimerQueue own(kStart);
    own.add(kStart + delay, [] {});
    EXPECT_EQ(run_until_empty(own).rounds, 1) << delay.count();
    EXPECT_LE(own.moves(), 8u);
  }
}

TEST_F(TimerQueueTest, ACancelledEarliestCostsAFewWakeUpsAtMost) {
  const TimerId first = queue.add(kStart + 10s, note(1));
  queue.add(kStart + 15s, note(2));
  queue.cancel(first);
  const Rounds rounds = run_until_empty(queue);
  EXPECT_LE(rounds.rounds, 4);
  EXPECT_THAT(fired, ElementsAre(2));
}

TEST_F(TimerQueueTest, CancelTellsWhetherThereWasSomethingToCancel) {
  const TimerId timer = queue.add(kStart + 1s, note(1));
  EXPECT_TRUE(timer.is_valid());
  EXPECT_TRUE(queue.cancel(timer));
  EXPECT_FALSE(queue.cancel(timer));
  EXPECT_FALSE(queue.cancel(TimerId{}));
  EXPECT_EQ(queue.next_deadline(), std::nullopt);
  const TimerId other = queue.add(kStart, note(2));
  EXPECT_NE(other, timer);
  EXPECT_FALSE(queue.cancel(timer)) << "the slot's new timer was hit";
  queue.expire(kStart);
  EXPECT_FALSE(queue.cancel(other));
  EXPECT_THAT(fired, ElementsAre(2));
}

TEST_F(TimerQueueTest, CancelDestroysTheCallback) {
  auto object = std::make_shared<int>(1);
  const TimerId timer = queue.add(kStart + 1s, [object] {});
  EXPECT_EQ(object.use_count(), 2);
  queue.cancel(timer);
  EXPECT_EQ(object.use_count(), 1);
}

TEST_F(TimerQueueTest, APastDeadlineFiresAtTheNextCall) {
  queue.expire(kStart + 1s);
  queue.add(kStart, note(1));
  queue.add(MonotonicTime::min(), note(2));
  ASSERT_TRUE(queue.next_deadline().has_value());
  EXPECT_LE(*queue.next_deadline(), kStart + 1s);
  queue.expire(kStart + 1s);
  EXPECT_THAT(fired, ElementsAre(1, 2));
}

TEST_F(TimerQueueTest, TimeThatGoesBackFiresNothingTwice) {
  queue.expire(kStart + 1s);
  queue.add(kStart + 2s, note(1));
  EXPECT_EQ(queue.expire(kStart), 0u);
  EXPECT_EQ(queue.expire(kStart - 1h), 0u);
  EXPECT_EQ(queue.expire(kStart + 2s + kTick), 1u);
}

TEST_F(TimerQueueTest, WhatACallbackArmsForNowWaitsForTheNextCall) {
  queue.add(kStart, [this] {
    fired.push_back(1);
    queue.add(kStart, note(2));
    queue.add(kStart + 5 * kTick, note(3));
  });
  EXPECT_EQ(queue.expire(kStart + 10 * kTick), 1u);
  EXPECT_LE(*queue.next_deadline(), kStart + 10 * kTick);
  EXPECT_EQ(queue.expire(kStart + 10 * kTick), 2u);
  EXPECT_THAT(fired, ElementsAre(1, 2, 3));
}

TEST_F(TimerQueueTest, ACallbackMayCancelWhatIsDueWithIt) {
  TimerId second;
  queue.add(kStart, [&] {
    fired.push_back(1);
    EXPECT_TRUE(queue.cancel(second));
  });
  second = queue.add(kStart, note(2));
  queue.add(kStart + kTick, note(3));
  EXPECT_EQ(queue.expire(kStart + kTick), 2u);
  EXPECT_THAT(fired, ElementsAre(1, 3));
}

TEST_F(TimerQueueTest, AOneShotCannotCancelItself) {
  TimerId self;
  self = queue.add(kStart, [&] { EXPECT_FALSE(queue.cancel(self)); });
  EXPECT_EQ(queue.expire(kStart), 1u);
}

TEST_F(TimerQueueTest, ARepeatingTimerKeepsItsPaceAndSkipsWhatItMissed) {
  const TimerId timer = queue.add(kStart + 10ms, note(1), 10ms);
  queue.expire(kStart + 10ms + kTick);
  // Late by half an interval: the next is still at 20 ms, not at 25.
  queue.expire(kStart + 25ms);
  EXPECT_EQ(fired.size(), 2u);
  EXPECT_LT(*queue.next_deadline(), kStart + 30ms + kTick);
  EXPECT_GE(*queue.next_deadline(), kStart + 30ms);
  // A long stop: fires once, not ten times.
  EXPECT_EQ(queue.expire(kStart + 135ms), 1u);
  EXPECT_GE(*queue.next_deadline(), kStart + 140ms);
  EXPECT_TRUE(queue.cancel(timer));
  EXPECT_EQ(queue.size(), 0u);
}

TEST_F(TimerQueueTest, ARepeatingTimerMayCancelItself) {
  TimerId timer;
  auto object = std::make_shared<int>(0);
  timer = queue.add(
      kStart, [this, &timer, object] { EXPECT_EQ(queue.cancel(timer), ++*object == 1); }, 1s);
  queue.expire(kStart);
  EXPECT_EQ(*object, 1);
  EXPECT_EQ(object.use_count(), 1);
  EXPECT_EQ(queue.size(), 0u);
}

TEST_F(TimerQueueTest, AnIntervalBelowATickFiresOnceACall) {
  queue.add(kStart, note(1), 1ns);
  for (int i = 1; i <= 3; ++i) EXPECT_EQ(queue.expire(kStart + i * kTick), 1u);
}

TEST_F(TimerQueueTest, TheEndOfTimeIsADeadline) {
  queue.add(MonotonicTime::max(), note(2));
  queue.add(kStart + 24h * 365 * 100, note(1), Duration::max());
  queue.expire(kStart + 24h * 365 * 100 + kTick);
  EXPECT_THAT(fired, ElementsAre(1));
  EXPECT_EQ(queue.next_deadline(), MonotonicTime::max());
  queue.expire(MonotonicTime::max() - 1s);
  EXPECT_EQ(fired.size(), 1u);
  EXPECT_EQ(queue.size(), 2u);
}

TEST_F(TimerQueueTest, AnExceptionLeavesTheRestForTheNextCall) {
  queue.add(kStart, note(1));
  queue.add(kStart, [] { throw std::runtime_error("out of a timer"); });
  queue.add(kStart, note(2));
  queue.add(kStart + kTick, note(3));
  EXPECT_THROW(queue.expire(kStart), std::runtime_error);
  EXPECT_THAT(fired, ElementsAre(1));
  EXPECT_EQ(queue.size(), 2u);
  EXPECT_LE(*queue.next_deadline(), kStart);
  EXPECT_EQ(queue.fired(), 2u);
  EXPECT_EQ(queue.expire(kStart + kTick), 2u);
  EXPECT_THAT(fired, ElementsAre(1, 2, 3));
}

TEST_F(TimerQueueTest, TheRestOfAnExceptionCanBeCancelled) {
  queue.add(kStart, [] { throw std::runtime_error("out of a timer"); });
  const TimerId rest = queue.add(kStart, note(1));
  EXPECT_THROW(queue.expire(kStart), std::runtime_error);
  EXPECT_TRUE(queue.cancel(rest));
  EXPECT_EQ(queue.next_deadline(), std::nullopt);
}

TEST_F(TimerQueueTest, ARepeatingTimerThatThrowsStaysArmed) {
  int calls = 0;
  queue.add(
      kStart,
      [&calls] {
        if (++calls == 1) throw std::runtime_error("first time");
      },
      1s);
  EXPECT_THROW(queue.expire(kStart), std::runtime_error);
  EXPECT_EQ(queue.expire(kStart + 1s + kTick), 1u);
  EXPECT_EQ(calls, 2);
}

/// Uses the queue when it is destroyed, as captured objects do.
class UsesQueueAtTheEnd {
 public:
  UsesQueueAtTheEnd(TimerQueue& queue, int again) : queue_(&queue), again_(again) {}
  UsesQueueAtTheEnd(UsesQueueAtTheEnd&& other) noexcept
      : queue_(std::exchange(other.queue_, nullptr)), again_(other.again_) {}
  UsesQueueAtTheEnd(const UsesQueueAtTheEnd&) = delete;
  UsesQueueAtTheEnd& operator=(const UsesQueueAtTheEnd&) = delete;
  ~UsesQueueAtTheEnd() {
    if (queue_ == nullptr) return;
    for (std::uint64_t key = 0; key < 64; ++key) queue_->cancel(TimerId{key});
    if (again_ > 0) queue_->add(kStart + 1h, [end = UsesQueueAtTheEnd(*queue_, again_ - 1)] {});
  }

 private:
  TimerQueue* queue_;
  int again_;
};

TEST_F(TimerQueueTest, DestructionOfCallbacksMayUseTheQueue) {
  {
    TimerQueue own(kStart);
    for (int i = 0; i < 10; ++i) own.add(kStart + 1s, [end = UsesQueueAtTheEnd(own, 3)] {});
  }
  for (int i = 0; i < 10; ++i) queue.add(kStart + 1s, [end = UsesQueueAtTheEnd(queue, 3)] {});
  queue.clear();
  EXPECT_EQ(queue.size(), 0u);
  EXPECT_EQ(queue.next_deadline(), std::nullopt);
  EXPECT_THAT(fired, IsEmpty());
}

TEST(TimerQueueCost, AMillionTimersCostAsManyMovesEachAsAThousand) {
  // Counted, not timed: insertions into slots, at most one a level.
  for (const std::uint64_t count : {1'000u, 1'000'000u}) {
    TimerQueue queue(kStart);
    std::vector<TimerId> timers;
    timers.reserve(count);
    std::uint64_t random = 12345;
    std::uint64_t fired = 0;
    const auto next_delay = [&random] {
      random = random * 6364136223846793005u + 1442695040888963407u;
      return Duration(static_cast<std::int64_t>((random >> 33) % 60'000'000) * 1000);
    };
    for (std::uint64_t i = 0; i < count; ++i) {
      timers.push_back(queue.add(kStart + next_delay(), [&fired] { ++fired; }));
    }
    EXPECT_EQ(queue.moves(), count);
    for (std::uint64_t i = 0; i < count; i += 2) ASSERT_TRUE(queue.cancel(timers[i]));
    EXPECT_EQ(queue.moves(), count) << "cancelling moves nothing";
    EXPECT_EQ(queue.size(), count / 2);
    for (Duration passed{0}; passed <= 61s; passed += 1ms) queue.expire(kStart + passed);
    EXPECT_EQ(fired, count / 2);
    // 60 s are 2^19.8 ticks: four digits, so three moves down at most.
    EXPECT_LE(queue.moves(), count + 3 * count / 2);
    EXPECT_EQ(queue.next_deadline(), std::nullopt);
  }
}

}  // namespace
}  // namespace leat
