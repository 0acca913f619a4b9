// What docs/contracts.md promises of the reactor as a whole.
#include <sys/syscall.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "leat/reactor/blocking_pool.h"
#include "leat/reactor/event_loop_thread_pool.h"
#include "leat/reactor/signal_watcher.h"

#include "tests/reactor/loop_test.h"
#include "tests/reactor/system_call_filter.h"

namespace leat {
namespace {

using namespace std::chrono_literals;
using test::Ends;
using testing::ElementsAre;
using testing::UnorderedElementsAre;

class ContractsTest : public test::LoopTest {
 protected:
  /// A callback that notes its name, and ends the loop after the last of them.
  std::function<void()> note(std::string name) {
    ++expected;
    return [this, name = std::move(name)] {
      told.push_back(name);
      if (told.size() == expected) loop.quit();
    };
  }

  std::vector<std::string> told;
  std::size_t expected = 0;
};

TEST_F(ContractsTest, NoCallCallsBackBeforeItHasReturned) {
  // All of it could be called at once.
  Ends ends = Ends::pipe();
  test::write_to(ends.b, "x");
  Channel channel(loop, ends.a.get());
  channel.on_read([&channel, tell = note("channel")](Timestamp) {
    tell();
    channel.remove();
  });
  ASSERT_TRUE(channel.enable_reading());

  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGUSR2);
  ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, &signals, nullptr), 0);
  ASSERT_EQ(::raise(SIGUSR2), 0);
  const auto watcher = SignalWatcher::create(
      loop, {SIGUSR2}, [tell = note("signal")](int, const signalfd_siginfo&) { tell(); });
  ASSERT_TRUE(watcher);

  BlockingPool pool;
  ASSERT_TRUE(pool.run(loop, [] {}, note("result")));
  while (pool.counters().finished == 0) std::this_thread::yield();

  loop.run_at(MonotonicTime(), note("timer"));
  loop.run_after(-1s, note("another timer"));
  loop.queue_in_loop(note("task"));
  EXPECT_TRUE(loop.handle().queue(note("handle")));
  loop.at_iteration_end(note("end action"));
  const auto released = note("release");
  loop.release_later(std::shared_ptr<void>(nullptr, [&released](void*) { released(); }));
  loop.at_exit([] {});
  EXPECT_TRUE(told.empty());
  run();
  EXPECT_THAT(told, UnorderedElementsAre("channel", "signal", "result", "timer", "another timer",
                                         "task", "handle", "end action", "release"));
  ASSERT_EQ(::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr), 0);
}

TEST_F(ContractsTest, ACallThatHasFailedNeverCallsBack) {
  auto object = std::make_shared<int>(0);
  const UniqueFd file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  Channel channel(loop, file.get());
  channel.on_read([](Timestamp) { ADD_FAILURE() << "a regular file cannot be watched"; });
  EXPECT_FALSE(channel.enable_reading());
  EXPECT_FALSE(SignalWatcher::create(loop, {SIGUSR1, SIGKILL},
                                     [object](int, const signalfd_siginfo&) { ADD_FAILURE(); }));
  EventLoopThread thread(
      {.cpus = CpuSet::of(CpuSet::kMaxCpus - 1),
       .on_start = [](EventLoop&) { ADD_FAILURE() << "on_start"; },
       .on_exception = [](EventLoop&, const std::exception_ptr&) { ADD_FAILURE(); }});
  EXPECT_FALSE(thread.start());
  iterate();
  EXPECT_EQ(object.use_count(), 1);
}

TEST_F(ContractsTest, ThreadsThatCannotBeMadeAreAnError) {
  bool denied = false;
  BlockingPool busy;
  std::atomic<bool> go_on = false;
  ASSERT_TRUE(busy.run(loop, [&go_on] { go_on.wait(false); }, note("first")));
  // The filter stays with its thread.
  std::thread([&] {
    const auto home = EventLoop::create().value();
    denied = test::deny_system_calls({SYS_clone, SYS_clone3}, EAGAIN);
    if (!denied) return;
    EventLoopThread thread({.on_start = [](EventLoop&) { ADD_FAILURE(); }});
    const Result<EventLoop*> started = thread.start();
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().number(), EAGAIN);
    EventLoopThreadPool threads(*home, {.count = 2});
    const Result<void> all = threads.start();
    ASSERT_FALSE(all);
    EXPECT_EQ(all.error().number(), EAGAIN);
    EXPECT_THAT(threads.loops(), ElementsAre(home.get()));

    BlockingPool pool;
    const Result<void> refused = pool.run(*home, [] { ADD_FAILURE(); }, [] { ADD_FAILURE(); });
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().number(), EAGAIN);
    EXPECT_EQ(pool.counters().refused, 1u);
    EXPECT_TRUE(busy.run(loop, [] {}, note("second"))) << "fewer threads than wished are enough";
    EXPECT_EQ(busy.counters().threads, 1u);
  }).join();
  go_on.store(true);
  go_on.notify_all();
  run();
  if (!denied) GTEST_SKIP() << "seccomp filters cannot be installed here";
  EXPECT_THAT(told, ElementsAre("first", "second"));
}

TEST(Contracts, ABrokenPipeIsAnErrorOnTheThreadOfEveryLoop) {
  // Its default would end the process.
  std::thread([] {
    sigset_t broken_pipe;
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    ::pthread_sigmask(SIG_UNBLOCK, &broken_pipe, nullptr);
    const auto loop = EventLoop::create().value();
    Ends ends = Ends::pipe();
    ends.a.reset();
    EXPECT_EQ(::write(ends.b.get(), "x", 1), -1);
    EXPECT_EQ(errno, EPIPE);
  }).join();
}

TEST(Contracts, TheBoundsThatAreOnByDefault) {
  EXPECT_EQ(BlockingPoolOptions{}.max_queued, 1024u);
}

/// What a destructor must not do.
struct ThrowsAtEnd {
  ThrowsAtEnd() = default;
  ThrowsAtEnd(ThrowsAtEnd&& other) noexcept : armed(std::exchange(other.armed, false)) {}
  ThrowsAtEnd& operator=(ThrowsAtEnd&&) = delete;
  ThrowsAtEnd(const ThrowsAtEnd&) = delete;
  ThrowsAtEnd& operator=(const ThrowsAtEnd&) = delete;
  ~ThrowsAtEnd() noexcept(false) {
    if (armed) throw std::runtime_error("out of a destructor");
  }
  bool armed = true;
};

TEST(ContractsDeathTest, AnExceptionOutOfADestructorEndsTheProcess) {
  const std::vector<void (*)(EventLoop&)> givers{
      [](EventLoop& loop) { loop.queue_in_loop([end = ThrowsAtEnd()] {}); },
      [](EventLoop& loop) { loop.run_at(MonotonicTime(), [end = ThrowsAtEnd()] {}); },
      [](EventLoop& loop) { loop.at_iteration_end([end = ThrowsAtEnd()] {}); },
      [](EventLoop& loop) { loop.release_later(std::make_shared<ThrowsAtEnd>()); },
  };
  for (const auto give : givers) {
    const auto give_and_run = [give] {
      const auto loop = EventLoop::create().value();
      give(*loop);
      loop->quit();
      try {
        loop->loop().value();
      } catch (const std::runtime_error&) {
        // That would be the way of an exception out of a callback.
      }
    };
    EXPECT_DEATH(give_and_run(), "out of a destructor");
  }
}

}  // namespace
}  // namespace leat
