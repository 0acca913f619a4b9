// std::bad_alloc at every single allocation in turn: what was accepted still happens, once.
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "leat/reactor/blocking_pool.h"
#include "leat/reactor/event_loop_thread_pool.h"
#include "leat/reactor/signal_watcher.h"

#include "tests/reactor/failing_allocator.h"
#include "tests/reactor/loop_test.h"

namespace leat {
namespace {

using namespace std::chrono_literals;
using test::FailingAllocation;

/// Gives a loop work in every way there is, and counts what it accepted and what happened.
class Scenario {
 public:
  Scenario() : pipe_(test::Ends::pipe()), channel_(loop_, pipe_.a.get()) {
    test::write_to(pipe_.b, "x");
    channel_.on_read([this](Timestamp) {
      test::drain(pipe_.a);
      ++happened_;
    });
  }

  void run() {
    for (int round = 0; round < 3; ++round) {
      for (int i = 0; i < 20; ++i) give_work();
      serve();
    }
    for (int i = 0; i < 5; ++i) serve();
    EXPECT_EQ(happened_, accepted_);
    EXPECT_EQ(object_.use_count(), 1);
    EXPECT_EQ(loop_.timer_count(), 0u);
  }
  [[nodiscard]] int refusals() const { return refusals_; }

 private:
  struct Counted {
    Counted(int& counter_in, std::shared_ptr<int> keep_in)
        : counter(counter_in), keep(std::move(keep_in)) {}
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    ~Counted() { ++counter; }
    int& counter;
    std::shared_ptr<int> keep;
  };

  template <typename F>
  void attempt(F give) {
    try {
      give();
      ++accepted_;
    } catch (const std::bad_alloc&) {
      ++refusals_;
    }
  }
  void give_work() {
    attempt([this] {
      const Result<void> enabled = channel_.enable_reading();
      EXPECT_TRUE(enabled);
      if (std::exchange(watched_, true)) --accepted_;
    });
    attempt([this] { loop_.queue_in_loop([this, keep = object_] { task(); }); });
    attempt([this] { EXPECT_TRUE(handle_.queue([this, keep = object_] { ++happened_; })); });
    attempt([this] { loop_.run_at(MonotonicTime(), [this, keep = object_] { ++happened_; }); });
    attempt([this] { loop_.at_iteration_end([this, keep = object_] { ++happened_; }); });
    attempt([this] {
      auto object = std::make_shared<Counted>(happened_, object_);
      const std::weak_ptr<void> watch = object;
      loop_.release_later(std::move(object));
      EXPECT_FALSE(watch.expired());
    });
  }
  void task() {
    ++happened_;
    attempt([this] { loop_.queue_in_loop([this, keep = object_] { ++happened_; }); });
  }
  void serve() {
    loop_.quit();
    try {
      EXPECT_TRUE(loop_.loop());
    } catch (const std::bad_alloc&) {
      ++refusals_;
      EXPECT_TRUE(loop_.loop());
    }
  }

  int accepted_ = 0;
  int happened_ = 0;
  int refusals_ = 0;
  bool watched_ = false;
  std::shared_ptr<int> object_ = std::make_shared<int>(0);
  std::unique_ptr<EventLoop> owner_ = EventLoop::create().value();
  EventLoop& loop_ = *owner_;
  LoopHandle handle_ = loop_.handle();
  test::Ends pipe_;
  Channel channel_;
};

TEST(OutOfMemory, NothingAcceptedIsLost) {
  bool happened = true;
  std::size_t nth = 0;
  int refusals = 0;
  while (happened && !testing::Test::HasFailure()) {
    Scenario scenario;
    {
      const FailingAllocation failing(++nth);
      scenario.run();
      happened = FailingAllocation::happened();
    }
    SCOPED_TRACE(nth);
    // 0 also where release_later() makes room for its next object, which can wait.
    EXPECT_LE(scenario.refusals(), happened ? 1 : 0);
    refusals += scenario.refusals();
  }
  EXPECT_GT(refusals, 50) << "the scenario allocates more often than that";
}

TEST(OutOfMemory, NoChannelIsForgotten) {
  bool happened = true;
  for (std::size_t nth = 1; happened && !testing::Test::HasFailure(); ++nth) {
    SCOPED_TRACE(nth);
    auto loop = EventLoop::create().value();
    const auto iterate = [&loop] {
      loop->quit();
      try {
        EXPECT_TRUE(loop->loop());
      } catch (const std::bad_alloc&) {
      }
    };
    constexpr std::size_t kCount = 20;
    std::vector<test::Ends> pipes(kCount);
    std::vector<int> calls(kCount);
    std::vector<std::unique_ptr<Channel>> channels;
    for (std::size_t i = 0; i < kCount; ++i) {
      pipes[i] = test::Ends::pipe();
      channels.push_back(std::make_unique<Channel>(*loop, pipes[i].a.get()));
      channels[i]->on_read([&calls, i](Timestamp) { ++calls[i]; });
      ASSERT_TRUE(channels[i]->enable_reading());
      // One after the other, so that nothing has seen all of them at once.
      iterate();
    }
    for (const test::Ends& pipe : pipes) test::write_to(pipe.b, "x");
    {
      const FailingAllocation failing(nth);
      for (int i = 0; i < 4; ++i) iterate();
      happened = FailingAllocation::happened();
    }
    std::fill(calls.begin(), calls.end(), 0);
    for (int i = 0; i < 4; ++i) iterate();
    for (std::size_t i = 0; i < kCount; ++i) EXPECT_GT(calls[i], 0) << "channel " << i;
  }
}

TEST(OutOfMemory, WhatIsToBeReleasedLaterIsNeverReleasedEarly) {
  // Whatever is never freed belongs to these, which the leak checker can reach to the very end.
  static auto& owners = *new std::vector<std::shared_ptr<int>>;
  const std::shared_ptr<int> owner = owners.emplace_back(std::make_shared<int>(0));
  constexpr long kHolders = 2;
  std::vector<std::shared_ptr<int>> objects(100);
  for (auto& object : objects) object = {owner, owner.get()};
  auto loop = EventLoop::create().value();
  {
    const FailingAllocation failing(1, 1000);
    for (auto& object : objects) loop->release_later(std::move(object));
  }
  EXPECT_EQ(owner.use_count(), kHolders + 100) << "one was released within the callback";
  loop->quit();
  ASSERT_TRUE(loop->loop());
  EXPECT_GT(owner.use_count(), kHolders) << "memory did not run out";
  EXPECT_LT(owner.use_count(), kHolders + 100);
}

TEST(OutOfMemory, ALoopThatCannotBeMadeLeavesNothingBehind) {
  bool happened = true;
  const int before = ::dup(0);
  ::close(before);
  for (std::size_t nth = 1; happened; ++nth) {
    try {
      const FailingAllocation failing(nth);
      const auto loop = EventLoop::create();
      happened = FailingAllocation::happened();
    } catch (const std::bad_alloc&) {
    }
  }
  const int after = ::dup(0);
  ::close(after);
  EXPECT_EQ(before, after) << "a descriptor was left open";
}

/// Calls `attempt` with each allocation of this thread in it failing in turn, the last time none;
/// `after` gets whether std::bad_alloc came out.
template <typename Attempt, typename After>
void with_each_allocation_failing(Attempt attempt, After after) {
  bool happened = true;
  for (std::size_t nth = 1; happened && !testing::Test::HasFailure(); ++nth) {
    SCOPED_TRACE(nth);
    bool thrown = false;
    {
      const FailingAllocation failing(nth);
      try {
        attempt();
      } catch (const std::bad_alloc&) {
        thrown = true;
      }
      happened = FailingAllocation::happened();
    }
    after(thrown);
  }
}

TEST(OutOfMemory, ABlockingPoolTakesWorkOrDoesNothing) {
  const auto loop = EventLoop::create().value();
  // One for each attempt, so that each has to make its first thread.
  std::unique_ptr<BlockingPool> pool;
  auto object = std::make_shared<int>(0);
  int done = 0;
  const auto fresh = [] {
    return std::make_unique<BlockingPool>(
        BlockingPoolOptions{.name = "a name that has to be allocated"});
  };
  const auto run = [&] {
    EXPECT_TRUE(pool->run(*loop, [keep = object] {}, [&done, keep = object] { ++done; }));
  };
  int accepted = 0;
  int refusals = 0;
  pool = fresh();
  with_each_allocation_failing(run, [&](bool thrown) {
    ++(thrown ? refusals : accepted);
    // It goes on working.
    run();
    ++accepted;
    while (done < accepted) {
      loop->quit();
      ASSERT_TRUE(loop->loop());
    }
    EXPECT_EQ(object.use_count(), 1);
    EXPECT_EQ(pool->counters().finished, thrown ? 1u : 2u);
    pool = fresh();
  });
  EXPECT_EQ(done, accepted);
  EXPECT_GE(refusals, 4) << "run() allocates more often than that";
}

TEST(OutOfMemory, AThreadOfALoopStartsOrDoesNot) {
  std::unique_ptr<EventLoopThread> thread = std::make_unique<EventLoopThread>();
  int refusals = 0;
  with_each_allocation_failing([&] { EXPECT_TRUE(thread->start()); },
                               [&](bool thrown) {
                                 if (thrown) ++refusals;
                                 EXPECT_TRUE(thread->start());
                                 thread = std::make_unique<EventLoopThread>();
                               });
  EXPECT_GE(refusals, 1);
}

TEST(OutOfMemory, ALoopThatItsThreadCannotMakeIsAnError) {
  int refusals = 0;
  for (std::size_t nth = 1; nth <= 12; ++nth) {
    SCOPED_TRACE(nth);
    EventLoopThread thread(
        {.name = "a name that has to be allocated",
         .on_exception = [](EventLoop&, const std::exception_ptr&) {}});  // of the running loop
    {
      const test::FailingAllocationOfNewThreads failing(nth);
      const Result<EventLoop*> started = thread.start();
      if (!started) {
        EXPECT_EQ(started.error().number(), ENOMEM);
        ++refusals;
      }
      thread.stop();
    }
    EXPECT_TRUE(thread.start()) << "it can be tried again";
  }
  EXPECT_GE(refusals, 5) << "a loop allocates more often than that";
}

TEST(OutOfMemory, AThreadPoolThatCannotStartIsAsBefore) {
  const auto base = EventLoop::create().value();
  EventLoopThreadPool pool(*base, {.count = 3});
  int refusals = 0;
  with_each_allocation_failing([&] { EXPECT_TRUE(pool.start()); },
                               [&](bool thrown) {
                                 if (thrown) {
                                   ++refusals;
                                   EXPECT_EQ(pool.loops(), std::vector<EventLoop*>{base.get()});
                                   EXPECT_EQ(&pool.next_loop(), base.get());
                                 }
                                 EXPECT_TRUE(pool.start());
                                 EXPECT_EQ(pool.loops().size(), 3u);
                                 pool.stop();
                               });
  EXPECT_GE(refusals, 6);
}

TEST(OutOfMemory, ASignalWatcherThatCannotBeMadeLeavesNothingBehind) {
  const auto loop = EventLoop::create().value();
  auto object = std::make_shared<int>(0);
  std::unique_ptr<SignalWatcher> watcher;
  const auto is_blocked = [] {
    sigset_t mask;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    return sigismember(&mask, SIGUSR2) == 1;
  };
  int refusals = 0;
  with_each_allocation_failing(
      [&] {
        watcher =
            SignalWatcher::create(*loop, {SIGUSR2}, [keep = object](int, const signalfd_siginfo&) {
            }).value();
      },
      [&](bool thrown) {
        EXPECT_EQ(is_blocked(), !thrown);
        if (!thrown) {
          watcher.reset();
          loop->quit();
          ASSERT_TRUE(loop->loop());
        }
        if (thrown) ++refusals;
        EXPECT_FALSE(is_blocked());
        EXPECT_EQ(object.use_count(), 1);
      });
  EXPECT_GE(refusals, 2);
}

}  // namespace
}  // namespace leat
