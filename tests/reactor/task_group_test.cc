// Tasks beside each other: when_all, when_any, with_timeout, shield.
#include <cerrno>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "leat/reactor/when_all.h"
#include "leat/reactor/when_any.h"
#include "leat/reactor/with_timeout.h"

#include "tests/reactor/task_test_support.h"

namespace leat {
namespace {

using namespace std::chrono_literals;
using test::LiveObjects;
using test::nothing;

class TaskGroupTest : public test::TaskLoopTest {
 protected:
  Task<int> after(int turns, int number) {
    said.push_back("begin " + std::to_string(number));
    for (int i = 0; i < turns; ++i) {
      if (!co_await yield()) {
        said.push_back("cancelled " + std::to_string(number));
        co_return -number;
      }
    }
    said.push_back("end " + std::to_string(number));
    co_return number;
  }
  Task<int> fail_after(int turns) {
    for (int i = 0; i < turns; ++i) static_cast<void>(co_await yield());
    throw std::runtime_error("after " + std::to_string(turns));
  }
  /// Takes some turns to end once it is cancelled.
  Task<> lingering(bool& ended) {
    const LiveObjects::One local;
    static_cast<void>(co_await sleep(24h));
    for (int i = 0; i < 3; ++i) static_cast<void>(co_await yield());
    ended = true;
  }
  static Task<> forever() { static_cast<void>(co_await sleep(24h)); }
  static Task<Result<int>> forever_with_result() {
    const Result<void> slept = co_await sleep(24h);
    if (!slept) co_return slept.error();
    co_return 1;
  }

  std::vector<std::string> said;
};

TEST_F(TaskGroupTest, AllBeginInOrderAndYieldInOrder) {
  std::tuple<int, std::unique_ptr<int>, std::monostate> results;
  const auto owned = []() -> Task<std::unique_ptr<int>> { co_return std::make_unique<int>(5); };
  run_task([&]() -> Task<> {
    results = co_await when_all(after(2, 1), owned(), nothing());
    const auto [a, b] = co_await when_all(after(1, 2), after(0, 3));
    EXPECT_EQ(a + b, 5);
  });
  EXPECT_EQ(std::get<0>(results), 1);
  EXPECT_EQ(*std::get<1>(results), 5);
  EXPECT_EQ(said,
            (std::vector<std::string>{"begin 1", "end 1", "begin 2", "begin 3", "end 3", "end 2"}));
}

TEST_F(TaskGroupTest, AllOfAVector) {
  run_task([&]() -> Task<> {
    std::vector<Task<int>> tasks;
    for (int i = 0; i < 100; ++i) tasks.push_back(after(i % 3, i));
    const std::vector<int> results = co_await when_all(std::move(tasks));
    EXPECT_EQ(results.size(), 100u);
    EXPECT_EQ(results[42], 42);
    EXPECT_TRUE((co_await when_all(std::vector<Task<int>>())).empty());
    std::vector<Task<>> without;
    without.push_back(nothing());
    co_await when_all(std::move(without));
  });
}

TEST_F(TaskGroupTest, AnExceptionCancelsTheOthersAndWaitsForThem) {
  bool ended = false;
  std::string caught;
  run_task([&]() -> Task<> {
    try {
      co_await when_all(fail_after(1), lingering(ended), fail_after(2));
    } catch (const std::runtime_error& e) {
      caught = e.what();
      EXPECT_TRUE(ended);
      EXPECT_EQ(LiveObjects::count(), 0);
    }
  });
  EXPECT_EQ(caught, "after 1");
}

TEST_F(TaskGroupTest, AnyYieldsTheFirstAndWaitsForTheOthers) {
  bool ended = false;
  run_task([&]() -> Task<> {
    const auto first = co_await when_any(lingering(ended), after(1, 7), after(5, 8));
    EXPECT_EQ(first.index(), 1u);
    EXPECT_EQ(std::get<1>(first), 7);
    EXPECT_TRUE(ended);
    EXPECT_EQ(said.back(), "cancelled 8");
    // None of them waits.
    EXPECT_EQ((co_await when_any(nothing(), nothing())).index(), 0u);
  });
  EXPECT_EQ(LiveObjects::count(), 0);
  EXPECT_EQ(loop.timer_count(), 1u);
}

TEST_F(TaskGroupTest, AnyOfAVector) {
  run_task([&]() -> Task<> {
    std::vector<Task<int>> tasks;
    for (int i = 10; i > 0; --i) tasks.push_back(after(i, i));
    const WhenAnyResult<int> first = co_await when_any(std::move(tasks));
    EXPECT_EQ(first.index, 9u);
    EXPECT_EQ(first.value, 1);
    std::vector<Task<>> without;
    without.push_back(forever());
    without.push_back(nothing());
    EXPECT_EQ(co_await when_any(std::move(without)), 1u);
  });
}

TEST_F(TaskGroupTest, AnExceptionOfALoserIsNotLost) {
  std::string caught;
  const auto fail_when_cancelled = []() -> Task<> {
    if (!co_await sleep(24h)) throw std::runtime_error("cancelled");
  };
  run_task([&]() -> Task<> {
    try {
      static_cast<void>(co_await when_any(nothing(), fail_when_cancelled()));
    } catch (const std::runtime_error& e) {
      caught = e.what();
    }
  });
  EXPECT_EQ(caught, "cancelled");
}

TEST_F(TaskGroupTest, LosersCostNoTurnOfTheLoop) {
  std::uint64_t before = 0;
  std::uint64_t after_any = 0;
  run_task([&]() -> Task<> {
    before = loop.counters().iterations.load();
    static_cast<void>(co_await when_any(forever(), forever(), nothing()));
    after_any = loop.counters().iterations.load();
  });
  EXPECT_EQ(before, after_any);
}

TEST_F(TaskGroupTest, ATimeLimitCancels) {
  run_task([&]() -> Task<> {
    bool ended = false;
    const Result<void> limited = co_await with_timeout(1ms, lingering(ended));
    EXPECT_EQ(limited.error().number(), ETIMEDOUT);
    EXPECT_TRUE(ended);
    const Result<int> result = co_await with_timeout(1ms, forever_with_result());
    EXPECT_EQ(result.error().number(), ETIMEDOUT);
    const Result<int> number = co_await with_timeout(1ms, after(1'000'000'000, 1));
    EXPECT_EQ(number.error().number(), ETIMEDOUT);
  });
  EXPECT_EQ(loop.timer_count(), 1u);
}

TEST_F(TaskGroupTest, ATimeLimitLosesNoResult) {
  const auto makes_the_best_of_it = []() -> Task<Result<int>> {
    co_return co_await sleep(24h) ? 1 : 2;
  };
  const auto fails_otherwise = []() -> Task<Result<int>> {
    static_cast<void>(co_await sleep(24h));
    co_return Error::from_errno(EPIPE, "test");
  };
  run_task([&]() -> Task<> {
    EXPECT_EQ((co_await with_timeout(1h, after(2, 3))).value(), 3);
    EXPECT_TRUE(co_await with_timeout(1h, nothing()));
    EXPECT_EQ((co_await with_timeout(1ms, makes_the_best_of_it())).value(), 2);
    EXPECT_EQ((co_await with_timeout(1ms, fails_otherwise())).error().number(), EPIPE);
    bool caught = false;
    try {
      static_cast<void>(co_await with_timeout(1h, fail_after(1)));
    } catch (const std::runtime_error&) {
      caught = true;
    }
    EXPECT_TRUE(caught);
  });
  EXPECT_EQ(loop.timer_count(), 1u);
}

TEST_F(TaskGroupTest, CancellationIsNotATimeout) {
  int number = 0;
  TaskHandle task = spawn(loop, [&]() -> Task<> {
    number = (co_await with_timeout(24h, forever_with_result())).error().number();
  });
  iterate();
  task.cancel();
  iterate_until_done(task);
  EXPECT_EQ(number, ECANCELED);
}

TEST_F(TaskGroupTest, AShieldedTaskIsNotCancelled) {
  bool before = false;
  bool after_cancel = false;
  TaskHandle task = spawn(loop, [&]() -> Task<> {
    const auto goodbye = [](bool& completed) -> Task<> {
      completed = co_await sleep(1ms) && !co_await is_cancelled();
    };
    co_await shield(goodbye(before));
    EXPECT_TRUE(co_await is_cancelled());
    EXPECT_FALSE(co_await sleep(24h));
    co_await shield(goodbye(after_cancel));
  });
  iterate();
  task.cancel();
  while (!task.is_done()) iterate();
  EXPECT_TRUE(before);
  EXPECT_TRUE(after_cancel);
}

TEST_F(TaskGroupTest, AGroupOfACancelledTaskBeginsCancelled) {
  std::vector<bool> cancelled;
  const auto look = [&]() -> Task<> { cancelled.push_back(co_await is_cancelled()); };
  TaskHandle task = spawn(loop, [&]() -> Task<> {
    static_cast<void>(co_await sleep(24h));
    co_await when_all(look(), look());
    static_cast<void>(co_await when_any(look(), forever()));
    static_cast<void>(co_await with_timeout(1h, look()));
  });
  iterate();
  task.cancel();
  iterate_until_done(task);
  EXPECT_EQ(cancelled, (std::vector<bool>(4, true)));
}

}  // namespace
}  // namespace leat
