#include "leat/reactor/blocking_pool.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "leat/reactor/event_loop_thread_pool.h"

#include "tests/reactor/loop_test.h"

namespace leat {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

/// Holds work until it is opened.
class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void await_waiting(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  int waiting_ = 0;
};

class BlockingPoolTest : public test::LoopTest {};

TEST_F(BlockingPoolTest, GivesTheResultBackToTheLoop) {
  BlockingPool pool;
  auto work = [this] {
    EXPECT_FALSE(loop.is_in_loop_thread());
    return std::make_unique<int>(7);
  };
  auto done = [this](std::unique_ptr<int> result) {
    EXPECT_TRUE(loop.is_in_loop_thread());
    EXPECT_EQ(*result, 7);
    loop.quit();
  };
  ASSERT_TRUE(pool.run(loop, work, done));
  run();
  const BlockingPoolCounters counters = pool.counters();
  EXPECT_EQ(counters.accepted, 1u);
  EXPECT_EQ(counters.finished, 1u);
  EXPECT_EQ(counters.threads, 1u);
  EXPECT_EQ(counters.queued, 0u);
  EXPECT_EQ(counters.undelivered, 0u);
}

TEST_F(BlockingPoolTest, WorkWithoutAResult) {
  BlockingPool pool;
  bool worked = false;
  ASSERT_TRUE(pool.run(
      loop.handle(), [&] { worked = true; },
      [&] {
        EXPECT_TRUE(worked);
        loop.quit();
      }));
  run();
}

TEST_F(BlockingPoolTest, AnErrorIsAResultLikeAnyOther) {
  BlockingPool pool;
  ASSERT_TRUE(pool.run(
      loop, []() -> Result<std::string> { return Error::from_errno(ENOENT, "open x"); },
      [&](Result<std::string> text) {
        EXPECT_EQ(text.error().number(), ENOENT);
        loop.quit();
      }));
  run();
}

TEST_F(BlockingPoolTest, AnExceptionLeavesTheHomeLoop) {
  BlockingPool pool;
  auto object = std::make_shared<int>(0);
  ASSERT_TRUE(pool.run(
      loop, []() -> int { throw std::runtime_error("in the work"); },
      [object](int) { ADD_FAILURE() << "there is no result"; }));
  EXPECT_THROW(static_cast<void>(loop.loop()), std::runtime_error);
  EXPECT_EQ(object.use_count(), 1);
  EXPECT_EQ(pool.counters().threw, 1u);
  EXPECT_EQ(pool.counters().finished, 1u);
  // Both go on.
  ASSERT_TRUE(pool.run(loop, [] { return 1; }, [&](int) { loop.quit(); }));
  run();
}

TEST_F(BlockingPoolTest, StartsInOrderOnOneThread) {
  BlockingPool pool({.threads = 1});
  std::vector<int> order;
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(pool.run(
        loop, [i] { return i; },
        [&](int number) {
          order.push_back(number);
          if (number == 4) loop.quit();
        }));
  }
  run();
  EXPECT_THAT(order, ElementsAre(0, 1, 2, 3, 4));
}

TEST_F(BlockingPoolTest, AFullQueueRefusesAndNeverCallsBack) {
  BlockingPool pool({.name = "cold", .threads = 1, .max_queued = 2});
  Gate gate;
  int delivered = 0;
  const auto submit = [&] {
    return pool.run(
        loop, [&] { gate.pass(); },
        [&] {
          if (++delivered == 3) loop.quit();
        });
  };
  ASSERT_TRUE(submit());
  gate.await_waiting(1);
  ASSERT_TRUE(submit());
  ASSERT_TRUE(submit());
  auto object = std::make_shared<int>(0);
  const Result<void> refused = pool.run(loop, [object] { ADD_FAILURE(); }, [object] {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().number(), EAGAIN);
  EXPECT_THAT(refused.error().message(), HasSubstr("cold"));
  EXPECT_EQ(object.use_count(), 1);
  EXPECT_EQ(pool.counters().refused, 1u);
  EXPECT_EQ(pool.counters().queued, 2u);
  gate.open();
  run();
  EXPECT_EQ(delivered, 3);
}

TEST_F(BlockingPoolTest, MakesThreadsOnDemandUpToTheLimit) {
  BlockingPool pool({.threads = 3});
  EXPECT_EQ(pool.counters().threads, 0u);
  Gate gate;
  int delivered = 0;
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(pool.run(
        loop, [&] { gate.pass(); },
        [&] {
          if (++delivered == 6) loop.quit();
        }));
  }
  gate.await_waiting(3);
  EXPECT_EQ(pool.counters().threads, 3u);
  EXPECT_EQ(pool.counters().queued, 3u);
  gate.open();
  run();
}

TEST_F(BlockingPoolTest, IdleThreadsEnd) {
  BlockingPool pool({.idle_time = 1ms});
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(pool.run(loop, [] {}, [&] { loop.quit(); }));
    run();
    while (pool.counters().threads != 0) std::this_thread::yield();
  }
  EXPECT_EQ(pool.counters().finished, 3u);
}

TEST_F(BlockingPoolTest, IdleTimeMayBeForEver) {
  BlockingPool pool({.idle_time = Duration::max()});
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(pool.run(loop, [] {}, [&] { loop.quit(); }));
    run();
  }
  // Two if the first was not yet idle; an overflow would have made it end at once.
  EXPECT_GE(pool.counters().threads, 1u);
}

TEST_F(BlockingPoolTest, AResultWhoseLoopIsGoneIsDestroyedAndCounted) {
  BlockingPool pool;
  Gate gate;
  auto object = std::make_shared<int>(0);
  {
    const auto mortal = EventLoop::create().value();
    ASSERT_TRUE(pool.run(
        *mortal,
        [&gate, object] {
          gate.pass();
          return object;
        },
        [object](const std::shared_ptr<int>&) { ADD_FAILURE() << "the loop is gone"; }));
    gate.await_waiting(1);
  }
  gate.open();
  while (pool.counters().undelivered != 1) std::this_thread::yield();
  EXPECT_EQ(object.use_count(), 1);
}

TEST_F(BlockingPoolTest, DestructionFinishesWhatRunsAndDropsTheRest) {
  Gate gate;
  int delivered = 0;
  auto object = std::make_shared<int>(0);
  std::thread opener;
  {
    BlockingPool pool({.threads = 1});
    ASSERT_TRUE(pool.run(
        loop,
        [&] {
          gate.pass();
          // Work that comes during the destruction is refused.
          Result<void> late;
          while (late) late = pool.run(loop, [] {}, [] { ADD_FAILURE(); });
          EXPECT_EQ(late.error().number(), ECANCELED);
        },
        [&] { ++delivered; }));
    gate.await_waiting(1);
    ASSERT_TRUE(pool.run(loop, [object] { ADD_FAILURE(); }, [object] { ADD_FAILURE(); }));
    // Opens only when the queue has been dropped, which is after the destruction began.
    opener = std::thread([&gate, watch = std::weak_ptr<int>(object)] {
      while (watch.use_count() > 1) std::this_thread::yield();
      gate.open();
    });
  }
  opener.join();
  EXPECT_EQ(object.use_count(), 1);
  iterate();
  EXPECT_EQ(delivered, 1) << "its result was delivered";
}

TEST_F(BlockingPoolTest, L11ItsThreadsBlockAsynchronousSignals) {
  BlockingPool pool;
  const auto mask_of_thread = [] {
    sigset_t mask;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    return mask;
  };
  const auto done = [&](const sigset_t& mask) {
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGUSR1}) {
      EXPECT_EQ(sigismember(&mask, signal), 1) << signal;
    }
    EXPECT_EQ(sigismember(&mask, SIGSEGV), 0);
    loop.quit();
  };
  ASSERT_TRUE(pool.run(loop, mask_of_thread, done));
  run();
}

TEST_F(BlockingPoolTest, ManyLoopsAndThreads) {
  constexpr int kLoops = 3;
  constexpr int kJobs = 1000;  // of each loop
  BlockingPool pool({.threads = 4, .max_queued = kLoops * kJobs, .idle_time = 1ms});
  EventLoopThreadPool homes(loop, {.count = kLoops});
  ASSERT_TRUE(homes.start());
  std::array<long long, kLoops> sums{};  // each of its loop's thread only
  std::atomic<int> left = kLoops * kJobs;
  std::vector<std::thread> senders;
  senders.reserve(kLoops);
  for (std::size_t s = 0; s < kLoops; ++s) {
    senders.emplace_back([&, s] {
      EventLoop* home = homes.loops()[s];
      for (int i = 0; i < kJobs; ++i) {
        const auto done = [&, s, home](int number) {
          EXPECT_TRUE(home->is_in_loop_thread());
          sums[s] += number;
          if (left.fetch_sub(1) == 1) loop.quit();
        };
        EXPECT_TRUE(pool.run(*home, [i] { return i; }, done));
        const auto counters = pool.counters();
        EXPECT_GE(counters.accepted, counters.finished);
      }
    });
  }
  for (std::thread& sender : senders) sender.join();
  run();
  homes.stop();
  for (const long long sum : sums) EXPECT_EQ(sum, kJobs * (kJobs - 1LL) / 2);
  EXPECT_EQ(pool.counters().finished, std::uint64_t{kLoops} * kJobs);
}

}  // namespace
}  // namespace leat
