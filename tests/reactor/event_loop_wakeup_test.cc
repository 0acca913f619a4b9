// Who wakes the loop, and when.
#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/reactor/loop_test.h"

namespace leat {
namespace {

using namespace std::chrono_literals;

class EventLoopWakeUp : public test::LoopTest {
 protected:
  /// Runs `act` on another thread once the loop waits, or is about to: what the poll then does is
  /// up to the wake-up rule.
  template <typename F>
  void run_beside(F act) {
    std::thread other([&] {
      while (loop.counters().iterations.load() == 0) std::this_thread::yield();
      act();
    });
    loop.queue_in_loop([] {});
    run();
    other.join();
  }
};

TEST_F(EventLoopWakeUp, ATaskQueuedBeforeTheLoopRuns) {
  loop.queue_in_loop([this] { loop.quit(); });
  run();
  EXPECT_EQ(loop.counters().iterations.load(), 1u);
}

TEST_F(EventLoopWakeUp, ATaskQueuedByAnotherThreadBeforeTheLoopRuns) {
  std::thread([this] { loop.queue_in_loop([this] { loop.quit(); }); }).join();
  run();
  EXPECT_EQ(loop.counters().iterations.load(), 1u);
  EXPECT_EQ(loop.counters().wake_ups.load(), 0u) << "nobody slept, nobody had to be woken";
}

TEST_F(EventLoopWakeUp, ATaskFromAnotherThread) {
  run_beside([this] { loop.queue_in_loop([this] { loop.quit(); }); });
}

TEST_F(EventLoopWakeUp, ATaskThroughAHandle) {
  run_beside([this, handle = loop.handle()] {
    EXPECT_FALSE(handle.is_in_loop_thread());
    EXPECT_TRUE(handle.queue([this, handle] {
      EXPECT_TRUE(handle.is_in_loop_thread());
      loop.quit();
    }));
  });
}

TEST_F(EventLoopWakeUp, QuitFromAnotherThread) {
  run_beside([this] { loop.quit(); });
}

TEST_F(EventLoopWakeUp, QuitFromAnotherThreadBeforeTheLoopRuns) {
  std::thread([this] { loop.quit(); }).join();
  run();
  loop.run_after(2ms, [this] { loop.quit(); });
  run();
  EXPECT_EQ(loop.counters().timers_fired.load(), 1u);
}

TEST_F(EventLoopWakeUp, ATaskFromInsideEveryCallback) {
  test::Ends ends = test::Ends::pipe();
  test::write_to(ends.b, "x");
  Channel channel(loop, ends.a.get());
  int steps = 0;
  const auto step = [&] { ++steps; };
  channel.on_read([&](Timestamp) {
    channel.remove();
    loop.queue_in_loop(step);
    loop.run_after(0ns, [&] {
      loop.queue_in_loop(step);
      loop.at_iteration_end([&] {
        loop.queue_in_loop(step);
        loop.queue_in_loop([&] { loop.quit(); });
      });
    });
  });
  ASSERT_TRUE(channel.enable_reading());
  run();
  EXPECT_EQ(steps, 3);
}

TEST_F(EventLoopWakeUp, RunInLoopRunsAtOnceOnTheLoopsThread) {
  bool ran = false;
  loop.run_in_loop([&] { ran = true; });
  EXPECT_TRUE(ran);
  std::thread([this] { loop.run_in_loop([this] { loop.quit(); }); }).join();
  run();
}

TEST_F(EventLoopWakeUp, NoneIsLostAmongManySenders) {
  // Each sender waits until its task has run before it sends the next, so one lost wake-up would
  // leave it and the loop waiting for each other.
  constexpr int kSenders = 4;
  constexpr int kTasks = 3000;
  int left = kSenders;
  std::vector<std::thread> senders;
  for (int i = 0; i < kSenders; ++i) {
    senders.emplace_back([&] {
      const LoopHandle handle = loop.handle();
      std::atomic<int> done = 0;
      for (int task = 1; task <= kTasks; ++task) {
        ASSERT_TRUE(handle.queue([&done] {
          done.fetch_add(1);
          done.notify_one();
        }));
        for (int seen = done.load(); seen < task; seen = done.load()) done.wait(seen);
      }
      // `done` is destroyed only after the last notify_one() has returned.
      std::atomic<bool> gone = false;
      ASSERT_TRUE(handle.queue([&] {
        if (--left == 0) loop.quit();
        gone.store(true);
      }));
      while (!gone.load()) std::this_thread::yield();
    });
  }
  run();
  for (std::thread& sender : senders) sender.join();
  EXPECT_EQ(loop.counters().tasks_run.load(), kSenders * (kTasks + 1));
}

TEST_F(EventLoopWakeUp, TheLoopMayDieWhileQuitReturns) {
  // quit() and queue_in_loop() must not touch the loop after it has heard of them.
  for (int i = 0; i < 500; ++i) {
    std::atomic<EventLoop*> shared = nullptr;
    std::thread owner([&shared] {
      auto mortal = EventLoop::create().value();
      shared.store(mortal.get());
      shared.notify_one();
      EXPECT_TRUE(mortal->loop());
    });
    shared.wait(nullptr);
    EventLoop& mortal = *shared.load();
    if (i % 2 == 0) {
      mortal.quit();
    } else {
      mortal.queue_in_loop([&mortal] { mortal.quit(); });
    }
    owner.join();
  }
}

TEST(LoopHandle, OfADeadLoopRefusesAndDestroysTheTask) {
  auto loop = EventLoop::create().value();
  const LoopHandle handle = loop->handle();
  EXPECT_TRUE(handle.is_in_loop_thread());
  loop.reset();
  auto object = std::make_shared<int>(1);
  EXPECT_FALSE(handle.queue([object] { ADD_FAILURE() << "ran on a dead loop"; }));
  EXPECT_EQ(object.use_count(), 1);
  EXPECT_FALSE(handle.is_in_loop_thread());
}

TEST(LoopHandle, AnEmptyOneRefuses) {
  EXPECT_FALSE(LoopHandle().queue([] {}));
  EXPECT_FALSE(LoopHandle().is_in_loop_thread());
}

TEST(LoopHandle, SendersRaceWithTheLoopsEnd) {
  // Every accepted task is run or destroyed, every refused one destroyed: none leaks.
  auto object = std::make_shared<int>(0);
  std::atomic<bool> stop = false;
  std::atomic<int> accepted = 0;
  auto loop = EventLoop::create().value();
  std::vector<std::thread> senders;
  for (int i = 0; i < 3; ++i) {
    senders.emplace_back([&, handle = loop->handle()] {
      while (!stop.load()) {
        if (handle.queue([object] {})) accepted.fetch_add(1);
      }
    });
  }
  while (accepted.load() < 1000) {
    loop->quit();
    EXPECT_TRUE(loop->loop());
  }
  loop.reset();
  stop.store(true);
  for (std::thread& sender : senders) sender.join();
  EXPECT_EQ(object.use_count(), 1);
}

}  // namespace
}  // namespace leat
