#include "leat/reactor/signal_watcher.h"

#include <pthread.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <stdexcept>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "leat/reactor/event_loop_thread.h"

#include "tests/reactor/loop_test.h"

namespace leat {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::UnorderedElementsAre;

bool is_blocked(int signal) {
  sigset_t mask;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  return sigismember(&mask, signal) == 1;
}

class SignalWatcherTest : public test::LoopTest {
 protected:
  SignalWatcher::Callback note_and_quit_after(std::size_t count) {
    return [this, count](int signal, const signalfd_siginfo& info) {
      EXPECT_EQ(info.ssi_pid, static_cast<std::uint32_t>(::getpid()));
      signals.push_back(signal);
      if (signals.size() == count) loop.quit();
    };
  }
  std::vector<int> signals;
};

TEST_F(SignalWatcherTest, DeliversSignalsOfTheProcessThroughTheLoop) {
  auto watcher = SignalWatcher::create(loop, {SIGUSR1, SIGUSR2}, note_and_quit_after(2)).value();
  ASSERT_EQ(::kill(::getpid(), SIGUSR1), 0);
  ASSERT_EQ(::kill(::getpid(), SIGUSR2), 0);
  EXPECT_TRUE(signals.empty()) << "called from the loop, not from a handler";
  run();
  EXPECT_THAT(signals, UnorderedElementsAre(SIGUSR1, SIGUSR2));
}

TEST_F(SignalWatcherTest, L11TheLibrarysThreadsLeaveSignalsToTheWatcher) {
  // The thread is older than the watcher, and SIGUSR1 would end the process in it.
  EventLoopThread thread;
  ASSERT_TRUE(thread.start());
  auto watcher = SignalWatcher::create(loop, {SIGUSR1}, note_and_quit_after(1)).value();
  ASSERT_EQ(::kill(::getpid(), SIGUSR1), 0);
  run();
  EXPECT_THAT(signals, ElementsAre(SIGUSR1));
}

TEST_F(SignalWatcherTest, BlocksWhileItLivesAndRestoresOnlyItsOwn) {
  sigset_t own;
  sigemptyset(&own);
  sigaddset(&own, SIGUSR2);
  ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, &own, nullptr), 0);
  ASSERT_FALSE(is_blocked(SIGUSR1));
  auto watcher = SignalWatcher::create(loop, {SIGUSR1, SIGUSR2}, note_and_quit_after(1)).value();
  EXPECT_TRUE(is_blocked(SIGUSR1));
  EXPECT_TRUE(is_blocked(SIGUSR2));
  watcher.reset();
  EXPECT_FALSE(is_blocked(SIGUSR1));
  EXPECT_TRUE(is_blocked(SIGUSR2)) << "it was blocked before";
  ASSERT_EQ(::pthread_sigmask(SIG_UNBLOCK, &own, nullptr), 0);
}

TEST_F(SignalWatcherTest, MayBeDestroyedByItsOwnCallback) {
  std::unique_ptr<SignalWatcher> watcher;
  int calls = 0;
  watcher = SignalWatcher::create(loop, {SIGUSR1, SIGRTMIN}, [&](int, const signalfd_siginfo&) {
              ++calls;
              watcher.reset();
              loop.quit();
            }).value();
  ASSERT_EQ(::kill(::getpid(), SIGUSR1), 0);
  run();
  EXPECT_EQ(calls, 1);
  EXPECT_FALSE(is_blocked(SIGUSR1));
}

TEST_F(SignalWatcherTest, AnExceptionLosesNoSignal) {
  bool thrown = false;
  auto watcher =
      SignalWatcher::create(loop, {SIGUSR1, SIGUSR2}, [&](int signal, const signalfd_siginfo&) {
        signals.push_back(signal);
        if (!std::exchange(thrown, true)) {
          throw std::runtime_error("in a signal's callback");
        }
        loop.quit();
      }).value();
  ASSERT_EQ(::kill(::getpid(), SIGUSR1), 0);
  ASSERT_EQ(::kill(::getpid(), SIGUSR2), 0);
  EXPECT_THROW(static_cast<void>(loop.loop()), std::runtime_error);
  EXPECT_EQ(signals.size(), 1u);
  run();
  EXPECT_THAT(signals, UnorderedElementsAre(SIGUSR1, SIGUSR2));
}

TEST_F(SignalWatcherTest, AFloodLeavesRoomForOthers) {
  // More than one iteration may take.
  constexpr int kSignals = 100;
  auto watcher = SignalWatcher::create(loop, {SIGRTMIN}, note_and_quit_after(kSignals)).value();
  for (int i = 0; i < kSignals; ++i) ASSERT_EQ(::kill(::getpid(), SIGRTMIN), 0);
  iterate();
  EXPECT_LT(signals.size(), std::size_t{kSignals});
  run();
  EXPECT_EQ(signals.size(), std::size_t{kSignals});
}

TEST_F(SignalWatcherTest, RefusesWhatCannotBeWatched) {
  const auto refused = [this](std::initializer_list<int> list) {
    const auto watcher = SignalWatcher::create(loop, list, [](int, const signalfd_siginfo&) {});
    return !watcher && watcher.error().number() == EINVAL;
  };
  EXPECT_TRUE(refused({}));
  EXPECT_TRUE(refused({SIGUSR1, SIGKILL}));
  EXPECT_TRUE(refused({SIGSTOP}));
  EXPECT_TRUE(refused({0}));
  EXPECT_TRUE(refused({1000}));
  EXPECT_FALSE(is_blocked(SIGUSR1));
}

#if defined(LEAT_ASSERTIONS) && LEAT_ASSERTIONS
TEST(SignalWatcherDeathTest, BelongsToItsLoopsThread) {
  const auto ignore = [](int, const signalfd_siginfo&) {};
  EXPECT_DEATH(
      {
        const auto loop = EventLoop::create().value();
        std::thread([&] {
          static_cast<void>(SignalWatcher::create(*loop, {SIGUSR1}, ignore));
        }).join();
      },
      "thread other than the loop's");
  EXPECT_DEATH(
      {
        const auto loop = EventLoop::create().value();
        auto watcher = SignalWatcher::create(*loop, {SIGUSR1}, ignore).value();
        std::thread([&] { watcher.reset(); }).join();
      },
      "thread other than the loop's");
}
#endif

}  // namespace
}  // namespace leat
