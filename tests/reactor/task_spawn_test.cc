// Who owns a task that was spawned, and where its exception goes.
#include <cerrno>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "leat/reactor/event_loop_thread.h"
#include "leat/reactor/spawn.h"

#include "tests/reactor/task_test_support.h"

namespace leat {
namespace {

using namespace std::chrono_literals;
using test::LiveObjects;
using test::nothing;

class SpawnTest : public test::TaskLoopTest {
 protected:
  static Task<> wait_for_ever(LiveObjects::One = {}) { static_cast<void>(co_await sleep(24h)); }
  static Task<> fail(std::string what) {
    static_cast<void>(co_await yield());
    throw std::runtime_error(what);
  }
  /// Runs one iteration; what left the loop.
  std::string thrown_by_iteration() {
    loop.quit();
    try {
      EXPECT_TRUE(loop.loop());
    } catch (const std::runtime_error& e) {
      return e.what();
    }
    return "";
  }
};

TEST_F(SpawnTest, Step5ACoroutineBeginsThereAndNotInsideTheCall) {
  std::vector<std::string> order;
  loop.queue_in_loop([&] {
    order.push_back("task");
    spawn(loop, [&]() -> Task<> {
      order.push_back("coroutine");
      co_return;
    });
    order.push_back("after spawn");
  });
  loop.at_iteration_end([&] { order.push_back("end of iteration"); });
  iterate();
  EXPECT_EQ(order,
            (std::vector<std::string>{"task", "after spawn", "coroutine", "end of iteration"}));
}

TEST_F(SpawnTest, GoesOnWithoutItsHandle) {
  int steps = 0;
  spawn(loop, [&]() -> Task<> {
    const LiveObjects::One local;
    while (++steps < 3) static_cast<void>(co_await yield());
    loop.quit();
  });
  run();
  EXPECT_EQ(steps, 3);
  EXPECT_EQ(LiveObjects::count(), 0);
}

TEST_F(SpawnTest, KeepsTheCapturesOfALambda) {
  std::optional<int> found;
  {
    auto owned = std::make_unique<int>(7);
    spawn(loop, [owned = std::move(owned), one = LiveObjects::One(), &found]() -> Task<> {
      static_cast<void>(co_await yield());
      found = *owned;
    });
  }
  EXPECT_EQ(LiveObjects::count(), 1);
  iterate();
  iterate();
  EXPECT_EQ(found, 7);
  EXPECT_EQ(LiveObjects::count(), 0);
}

TEST_F(SpawnTest, L8TheLoopsEndDropsWhatStillWaits) {
  TaskHandle kept = spawn(loop, wait_for_ever());
  spawn(loop, wait_for_ever());
  spawn(loop, [&]() -> Task<> { static_cast<void>(co_await kept.join()); });
  iterate();
  spawn(loop, wait_for_ever());  // not yet begun
  EXPECT_EQ(LiveObjects::count(), 3);
  EXPECT_FALSE(kept.is_done());
  owned_loop.reset();
  EXPECT_EQ(LiveObjects::count(), 0);
  EXPECT_TRUE(kept.is_done());
  kept.cancel();
  kept.drop();
}

TEST_F(SpawnTest, AfterTheLoopsEndBeganNothingIsSpawned) {
  bool ran = false;
  bool done = false;
  loop.at_exit([&] {
    const TaskHandle late = spawn(loop, [&, one = LiveObjects::One()]() -> Task<> {
      ran = true;
      co_return;
    });
    done = late.is_done();
  });
  owned_loop.reset();
  EXPECT_FALSE(ran);
  EXPECT_TRUE(done);
  EXPECT_EQ(LiveObjects::count(), 0);
}

TEST_F(SpawnTest, LocalsOfADroppedTaskMayUseTheLoopOneLastTime) {
  struct Owner {
    EventLoop& loop;
    TaskHandle other;
    ~Owner() {
      other.cancel();
      spawn(loop, nothing());
      loop.queue_in_loop([] { ADD_FAILURE() << "ran"; });
    }
  };
  spawn(loop, [this]() -> Task<> {
    const Owner owner{loop, spawn(loop, wait_for_ever())};
    static_cast<void>(co_await sleep(24h));
  });
  iterate();
  iterate();
  owned_loop.reset();
  EXPECT_EQ(LiveObjects::count(), 0);
}

TEST_F(SpawnTest, JoinWaitsForTheEnd) {
  TaskEvent event;
  TaskHandle first = spawn(loop, [&]() -> Task<> { (co_await event.wait()).value(); });
  int joined = 0;
  for (int i = 0; i < 2; ++i) {
    spawn(loop, [&]() -> Task<> {
      (co_await first.join()).value();
      ++joined;
    });
  }
  for (int i = 0; i < 3; ++i) iterate();
  EXPECT_EQ(joined, 0);
  event.set();
  iterate();
  EXPECT_EQ(joined, 2);
  run_task([&]() -> Task<> { EXPECT_TRUE(co_await first.join()); });
}

TEST_F(SpawnTest, JoinOutlivesTheHandle) {
  bool joined = false;
  auto handle = std::make_unique<TaskHandle>(spawn(loop, [this]() -> Task<> {
    while (loop.counters().iterations.load() < 5) static_cast<void>(co_await yield());
  }));
  TaskHandle joiner = spawn(loop, [&]() -> Task<> {
    (co_await handle->join()).value();
    joined = true;
  });
  iterate();
  iterate();
  handle.reset();
  iterate_until_done(joiner);
  EXPECT_TRUE(joined);
}

TEST_F(SpawnTest, JoinGetsTheException) {
  TaskHandle task = spawn(loop, fail("meant"));
  std::string caught;
  run_task([&]() -> Task<> {
    try {
      (co_await task.join()).value();
    } catch (const std::runtime_error& e) {
      caught = e.what();
    }
  });
  EXPECT_EQ(caught, "meant");
  task = {};
  EXPECT_EQ(thrown_by_iteration(), "");
}

TEST_F(SpawnTest, JoinOfADroppedTaskFails) {
  TaskHandle task = spawn(loop, wait_for_ever());
  int number = 0;
  TaskHandle joiner =
      spawn(loop, [&]() -> Task<> { number = (co_await task.join()).error().number(); });
  iterate();
  task.drop();
  EXPECT_EQ(LiveObjects::count(), 0);
  EXPECT_EQ(number, 0);
  iterate();
  EXPECT_EQ(number, ECANCELED);
  EXPECT_TRUE(joiner.is_done());
}

TEST_F(SpawnTest, AnExceptionThatNobodyJoinsLeavesTheLoop) {
  spawn(loop, fail("first"));
  spawn(loop, fail("second"));
  EXPECT_EQ(thrown_by_iteration(), "");
  EXPECT_EQ(thrown_by_iteration(), "first");
  EXPECT_EQ(thrown_by_iteration(), "second");
  EXPECT_EQ(thrown_by_iteration(), "");
}

TEST_F(SpawnTest, AnExceptionWaitsForTheHandle) {
  TaskHandle task = spawn(loop, fail("meant"));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(thrown_by_iteration(), "");
  EXPECT_TRUE(task.is_done());
  task = {};
  EXPECT_EQ(thrown_by_iteration(), "meant");
}

TEST_F(SpawnTest, AnExceptionBesideOthersLosesNothing) {
  int steps = 0;
  spawn(loop, fail("meant"));
  spawn(loop, [&]() -> Task<> {
    for (;;) {
      ++steps;
      static_cast<void>(co_await yield());
    }
  });
  EXPECT_EQ(thrown_by_iteration(), "");
  EXPECT_EQ(thrown_by_iteration(), "meant");
  EXPECT_EQ(steps, 2);
  EXPECT_EQ(thrown_by_iteration(), "");
  EXPECT_EQ(steps, 3);
}

TEST_F(SpawnTest, AnExceptionThatTheLoopsEndFindsIsGone) {
  TaskHandle task = spawn(loop, fail("meant"));
  iterate();
  iterate();
  EXPECT_TRUE(task.is_done());
  owned_loop.reset();
}

TEST(SpawnThreadTest, AnExceptionGoesToOnExceptionOfTheThread) {
  std::atomic<bool> told{false};
  EventLoopThread thread({.on_exception = [&](EventLoop&, const std::exception_ptr&) {
    told = true;
    told.notify_all();
  }});
  EventLoop& loop = *thread.start().value();
  loop.queue_in_loop([&loop] {
    spawn(loop, []() -> Task<> {
      static_cast<void>(co_await yield());
      throw std::runtime_error("meant");
    });
  });
  told.wait(false);
}

TEST_F(SpawnTest, Step5CoroutinesThatMakeEachOtherGoOnDoNotHoldTheLoop) {
  TaskEvent ping;
  TaskEvent pong;
  const auto play = [](TaskEvent& mine, TaskEvent& other) -> Task<> {
    while (co_await mine.wait()) {
      mine.reset();
      other.set();
    }
  };
  TaskHandle a = spawn(loop, play(ping, pong));
  TaskHandle b = spawn(loop, play(pong, ping));
  ping.set();
  for (int i = 0; i < 100; ++i) iterate();  // each of which ends
  a.drop();
  b.drop();
}

TEST_F(SpawnTest, AnEventThatIsDestroyedLetsItsWaitersGo) {
  auto event = std::make_unique<TaskEvent>();
  int number = 0;
  TaskHandle task =
      spawn(loop, [&]() -> Task<> { number = (co_await event->wait()).error().number(); });
  iterate();
  event.reset();
  iterate_until_done(task);
  EXPECT_EQ(number, ECANCELED);
}

#if LEAT_ASSERTIONS
using SpawnDeathTest = SpawnTest;

TEST_F(SpawnDeathTest, ATaskDoesNotDropItself) {
  TaskHandle task;
  task = spawn(loop, [&]() -> Task<> {
    task.drop();
    co_return;
  });
  EXPECT_DEATH(iterate(), "destroyed by itself");
}

TEST_F(SpawnDeathTest, ATaskIsAwaitedOnce) {
  spawn(loop, []() -> Task<> {
    Task<> task = nothing();
    co_await std::move(task);
    co_await std::move(task);
  });
  EXPECT_DEATH(iterate(), "awaited twice");
}

TEST_F(SpawnDeathTest, SpawnIsForTheLoopsThread) {
  EXPECT_DEATH(std::thread([this] { spawn(loop, nothing()); }).join(), "other than the loop's");
}
#endif

}  // namespace
}  // namespace leat
