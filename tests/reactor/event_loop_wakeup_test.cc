// The numbered rules of waking a loop, docs/event-loop.md.
#include <array>
#include <atomic>
#include <future>
#include <memory>
#include <numeric>
#include <string>
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

TEST_F(EventLoopWakeUp, W1ATaskQueuedBeforeTheLoopRuns) {
  loop.queue_in_loop([this] { loop.quit(); });
  run();
  EXPECT_EQ(loop.counters().iterations.load(), 1u);
}

TEST_F(EventLoopWakeUp, W1ATaskOfAnotherThreadQueuedBeforeTheLoopRuns) {
  std::thread([this] { loop.queue_in_loop([this] { loop.quit(); }); }).join();
  run();
  EXPECT_EQ(loop.counters().iterations.load(), 1u);
}

TEST_F(EventLoopWakeUp, W1ATaskFromAnotherThread) {
  run_beside([this] { loop.queue_in_loop([this] { loop.quit(); }); });
}

TEST_F(EventLoopWakeUp, W1ATaskThroughAHandle) {
  run_beside([this, handle = loop.handle()] {
    EXPECT_FALSE(handle.is_in_loop_thread());
    EXPECT_TRUE(handle.queue([this, handle] {
      EXPECT_TRUE(handle.is_in_loop_thread());
      loop.quit();
    }));
  });
}

TEST_F(EventLoopWakeUp, W2QuitFromAnotherThread) {
  run_beside([this] { loop.quit(); });
}

TEST_F(EventLoopWakeUp, W2QuitBeforeTheLoopRunsIsNotForgotten) {
  loop.quit();
  run();
  EXPECT_EQ(loop.counters().iterations.load(), 1u);
  std::thread([this] { loop.quit(); }).join();
  run();
  EXPECT_EQ(loop.counters().iterations.load(), 2u);
}

TEST_F(EventLoopWakeUp, W3RequestsUntilTheLoopReturnsAreOne) {
  loop.quit();
  loop.queue_in_loop([this] { loop.quit(); });
  loop.at_iteration_end([this] { std::thread([this] { loop.quit(); }).join(); });
  run();
  EXPECT_EQ(loop.counters().iterations.load(), 1u);
  loop.run_after(2ms, [this] { loop.quit(); });
  run();
  EXPECT_EQ(loop.counters().timers_fired.load(), 1u) << "one of them ended the second loop()";
}

TEST_F(EventLoopWakeUp, W4ALoopThatDoesNotSleepIsNotWoken) {
  int ran = 0;
  const auto from_another_thread = [&] {
    std::thread([&] {
      for (int i = 0; i < 10; ++i) loop.queue_in_loop([&ran] { ++ran; });
    }).join();
  };
  from_another_thread();
  loop.queue_in_loop(from_another_thread);
  loop.queue_in_loop([&] { loop.queue_in_loop([&ran] { ++ran; }); });
  for (int i = 0; i < 3; ++i) iterate();
  EXPECT_EQ(ran, 21);
  EXPECT_EQ(loop.counters().wake_ups.load(), 0u);
}

TEST_F(EventLoopWakeUp, W1ATaskFromInsideEveryCallback) {
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
        loop.release_later(std::shared_ptr<void>(nullptr, [&](void*) {
          loop.queue_in_loop([&] { loop.queue_in_loop([&] { loop.quit(); }); });
        }));
      });
    });
  });
  ASSERT_TRUE(channel.enable_reading());
  run();
  EXPECT_EQ(steps, 3);
}

TEST_F(EventLoopWakeUp, W7RunInLoopRunsAtOnceOnTheLoopsThread) {
  bool ran = false;
  loop.run_in_loop([&] { ran = true; });
  EXPECT_TRUE(ran);
  ran = false;
  std::thread([&] {
    loop.run_in_loop([&] {
      EXPECT_TRUE(loop.is_in_loop_thread());
      ran = true;
      loop.quit();
    });
  }).join();
  EXPECT_FALSE(ran) << "another thread's waits for the loop";
  run();
  EXPECT_TRUE(ran);
}

TEST_F(EventLoopWakeUp, W6EachThreadsTasksKeepTheirOrder) {
  constexpr int kTasks = 3000;
  // The last one is the loop's own thread, by both ways that it has.
  std::array<std::vector<int>, 3> order;
  const LoopHandle handle = loop.handle();
  std::vector<std::thread> senders;
  for (std::size_t s = 0; s < 2; ++s) {
    senders.emplace_back([&, s] {
      for (int i = 0; i < kTasks; ++i) {
        EXPECT_TRUE(handle.queue([&, s, i] { order[s].push_back(i); }));
      }
    });
  }
  for (int i = 0; i < kTasks; ++i) {
    const auto task = [&, i] { order[2].push_back(i); };
    if (i % 2 == 0) {
      loop.queue_in_loop(task);
    } else {
      EXPECT_TRUE(handle.queue(task));
    }
    if (i % 100 == 0) iterate();
  }
  for (std::thread& sender : senders) sender.join();
  iterate();
  std::vector<int> expected(kTasks);
  std::iota(expected.begin(), expected.end(), 0);
  for (const std::vector<int>& each : order) EXPECT_EQ(each, expected);
}

TEST_F(EventLoopWakeUp, W6ATaskRunsBehindThoseThatItsThreadKnewOf) {
  std::string order;
  const auto note = [&](char letter) { return [&order, letter] { order += letter; }; };
  const auto elsewhere = [&](char letter) {
    std::thread([&] { loop.queue_in_loop(note(letter)); }).join();
  };
  loop.queue_in_loop(note('a'));
  elsewhere('b');
  loop.queue_in_loop(note('c'));
  elsewhere('d');
  EXPECT_TRUE(loop.handle().queue(note('e')));
  iterate();
  loop.queue_in_loop(note('f'));
  elsewhere('g');
  iterate();
  EXPECT_EQ(order, "abcdefg");
}

TEST_F(EventLoopWakeUp, W6ATaskOfTheLoopIsBeforeThoseOfWhoeverItTold) {
  std::string order;
  std::promise<void> queued;
  std::thread told([&] {
    queued.get_future().wait();
    loop.queue_in_loop([&] { order += '2'; });
  });
  loop.queue_in_loop([&] {
    loop.queue_in_loop([&] { order += '1'; });
    queued.set_value();
    told.join();
  });
  iterate();
  iterate();
  EXPECT_EQ(order, "12");
}

TEST_F(EventLoopWakeUp, W5NoneIsLostAmongManySenders) {
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

}  // namespace
}  // namespace leat
