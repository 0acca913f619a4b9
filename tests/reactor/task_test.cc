// What a task is: begun by an await, ended by a result or an exception, and flat on the stack.
#include "leat/reactor/task.h"

#include <pthread.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "leat/reactor/sleep.h"
#include "leat/reactor/spawn.h"

#include "tests/reactor/task_test_support.h"

namespace leat {
namespace {

using namespace std::chrono_literals;
using test::LiveObjects;
using test::nothing;

class TaskTest : public test::TaskLoopTest {};

Task<int> plus_one(int number) {
  co_return number + 1;
}

TEST_F(TaskTest, NothingRunsBeforeTheAwait) {
  std::vector<std::string> said;
  const auto callee = [&]() -> Task<> {
    said.push_back("callee");
    co_return;
  };
  const auto caller = [&]() -> Task<> {
    Task<> task = callee();
    said.push_back("caller");
    co_await std::move(task);
    said.push_back("after");
  };
  run_task(caller());
  EXPECT_EQ(said, (std::vector<std::string>{"caller", "callee", "after"}));
}

TEST_F(TaskTest, ATaskThatWasNeverBegunIsDestroyedWithItsParameters) {
  {
    const auto keep = [](LiveObjects::One) -> Task<> { co_return; };
    Task<> task = keep({});
    EXPECT_EQ(LiveObjects::count(), 1);
    Task<> moved = std::move(task);
    EXPECT_FALSE(task);
    task = std::move(moved);
    EXPECT_TRUE(task);
    EXPECT_EQ(LiveObjects::count(), 1);
  }
  EXPECT_EQ(LiveObjects::count(), 0);
}

TEST_F(TaskTest, YieldsWhatIsReturned) {
  int number = 0;
  std::unique_ptr<int> owned;
  int* same = nullptr;
  const auto moved = []() -> Task<std::unique_ptr<int>> { co_return std::make_unique<int>(7); };
  const auto reference = [&number]() -> Task<int&> { co_return number; };
  const auto error = []() -> Task<Result<int>> { co_return Error::from_errno(EBADF, "test"); };
  int errno_value = 0;
  run_task([&]() -> Task<> {
    number = co_await plus_one(co_await plus_one(1));
    owned = co_await moved();
    same = &co_await reference();
    errno_value = (co_await error()).error().number();
  });
  EXPECT_EQ(number, 3);
  EXPECT_EQ(*owned, 7);
  EXPECT_EQ(same, &number);
  EXPECT_EQ(errno_value, EBADF);
}

TEST_F(TaskTest, AnExceptionComesOutOfTheAwait) {
  const auto fail = []() -> Task<int> {
    static_cast<void>(co_await yield());
    throw std::runtime_error("meant");
  };
  const auto pass = [&]() -> Task<int> {
    const LiveObjects::One local;
    co_return co_await fail();
  };
  std::string caught;
  run_task([&]() -> Task<> {
    try {
      co_await pass();
    } catch (const std::runtime_error& e) {
      caught = e.what();
    }
    EXPECT_EQ(co_await plus_one(1), 2);
  });
  EXPECT_EQ(caught, "meant");
  EXPECT_EQ(LiveObjects::count(), 0);
}

TEST_F(TaskTest, TemporariesOfAnAwaitAreDestroyedOnceAndAfterIt) {
  const auto count = [](const LiveObjects::One&, LiveObjects::One, std::string) -> Task<int> {
    static_cast<void>(co_await yield());
    co_return LiveObjects::count();
  };
  int alive = 0;
  run_task([&]() -> Task<> {
    alive = co_await count(LiveObjects::One(), LiveObjects::One(), std::string(100, 'x'));
    EXPECT_EQ(LiveObjects::count(), 0);
#ifdef __clang__
    // GCC 12 destroys such a closure twice: docs/coroutines.md.
    alive += co_await
        [&, one = LiveObjects::One()]() -> Task<int> { co_return co_await count(one, one, {}); }();
    EXPECT_EQ(LiveObjects::count(), 0);
#endif
  });
  EXPECT_GE(alive, 2);
}

TEST_F(TaskTest, KnowsItsLoop) {
  EventLoop* found = nullptr;
  run_task([&]() -> Task<> { found = &co_await current_loop(); });
  EXPECT_EQ(found, &loop);
}

// The machine's stack. In every build, so also without tail calls.

constexpr int kMany = 1'000'000;
constexpr int kDeep = 100'000;
constexpr std::size_t kSmallStack = 256 * 1024;

/// Runs `body` on a thread with little stack.
template <typename Body>
void on_small_stack(Body body) {
  pthread_attr_t attributes;
  ASSERT_EQ(::pthread_attr_init(&attributes), 0);
  ASSERT_EQ(::pthread_attr_setstacksize(&attributes, kSmallStack), 0);
  pthread_t thread{};
  const auto entry = [](void* argument) -> void* {
    (*static_cast<Body*>(argument))();
    return nullptr;
  };
  ASSERT_EQ(::pthread_create(&thread, &attributes, entry, &body), 0);
  ASSERT_EQ(::pthread_join(thread, nullptr), 0);
  ::pthread_attr_destroy(&attributes);
}

/// On a small stack, with a loop of its own: until `task` has ended.
void run_on_small_stack(Task<> (*task)(int&), int& result) {
  on_small_stack([&] {
    const auto loop = EventLoop::create().value();
    spawn(*loop, [&]() -> Task<> {
      co_await task(result);
      loop->quit();
    });
    EXPECT_TRUE(loop->loop());
  });
}

TEST(TaskStackTest, AMillionAwaitsOfTasksThatEndAtOnce) {
  int sum = 0;
  run_on_small_stack(
      [](int& result) -> Task<> {
        for (int i = 0; i < kMany; ++i) result = co_await plus_one(result);
      },
      sum);
  EXPECT_EQ(sum, kMany);
}

TEST(TaskStackTest, AMillionAwaitsOfWhatIsReady) {
  int sum = 0;
  run_on_small_stack(
      [](int& result) -> Task<> {
        const TaskHandle ended;
        TaskEvent event;
        event.set();
        for (int i = 0; i < kMany; ++i) {
          if (!co_await is_cancelled() && co_await event.wait()) ++result;
        }
      },
      sum);
  EXPECT_EQ(sum, kMany);
}

Task<int> depth(int left) {
  if (left == 0) {
    static_cast<void>(co_await yield());
    co_return 0;
  }
  co_return 1 + co_await depth(left - 1);
}

TEST(TaskStackTest, AChainOfAHundredThousand) {
  int reached = 0;
  run_on_small_stack([](int& result) -> Task<> { result = co_await depth(kDeep); }, reached);
  EXPECT_EQ(reached, kDeep);
}

TEST(TaskStackTest, AnExceptionThroughAChain) {
  int caught = 0;
  static constexpr auto kFail = [](auto self, int left) -> Task<> {
    if (left == 0) throw std::runtime_error("meant");
    co_await self(self, left - 1);
  };
  run_on_small_stack(
      [](int& result) -> Task<> {
        try {
          co_await kFail(kFail, kDeep / 10);
        } catch (const std::runtime_error&) {
          result = 1;
        }
      },
      caught);
  EXPECT_EQ(caught, 1);
}

Task<> deep_wait(int left) {
  const LiveObjects::One local;
  if (left > 0) co_return co_await deep_wait(left - 1);
  static_cast<void>(co_await sleep(1h));
}

TEST(TaskStackTest, AChainThatIsDestroyedWhereItWaits) {
  on_small_stack([] {
    const auto loop = EventLoop::create().value();
    spawn(*loop, deep_wait(kDeep));
    loop->quit();
    EXPECT_TRUE(loop->loop());
    EXPECT_EQ(LiveObjects::count(), kDeep + 1);
  });
  EXPECT_EQ(LiveObjects::count(), 0);
}

TEST(TaskStackTest, AChainThatIsCancelled) {
  on_small_stack([] {
    const auto loop = EventLoop::create().value();
    TaskHandle task = spawn(*loop, deep_wait(kDeep));
    loop->quit();
    EXPECT_TRUE(loop->loop());
    task.cancel();
    loop->quit();
    EXPECT_TRUE(loop->loop());
    EXPECT_TRUE(task.is_done());
  });
  EXPECT_EQ(LiveObjects::count(), 0);
}

TEST(TaskStackTest, AHundredThousandTasksThatJoinEachOther) {
  on_small_stack([] {
    const auto loop = EventLoop::create().value();
    TaskHandle last = spawn(*loop, nothing());
    for (int i = 0; i < kDeep; ++i) {
      last = spawn(*loop,
                   [before = std::move(last)]() -> Task<> { (co_await before.join()).value(); });
    }
    while (!last.is_done()) {
      loop->quit();
      ASSERT_TRUE(loop->loop());
    }
  });
}

}  // namespace
}  // namespace leat
