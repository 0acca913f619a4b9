#include "leat/reactor/event_loop_thread.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "leat/base/cpu_set.h"
#include "leat/base/unique_fd.h"
#include "leat/reactor/channel.h"
#include "leat/reactor/event_loop.h"

namespace leat {
namespace {

using namespace std::chrono_literals;

/// Runs `ask` on the loop's thread and waits for its answer.
template <typename F>
auto ask_loop(EventLoop& loop, F ask) {
  std::optional<decltype(ask())> answer;
  std::atomic<bool> done = false;
  loop.queue_in_loop([&] {
    answer = ask();
    done.store(true);
  });
  while (!done.load()) std::this_thread::yield();
  return *answer;
}

TEST(EventLoopThread, RunsALoopOnAThreadOfItsName) {
  EventLoopThread thread({.name = "a-name-too-long-for-the-kernel"});
  EventLoop* loop = thread.start().value();
  EXPECT_EQ(thread.start().value(), loop) << "start() is idempotent";
  EXPECT_EQ(loop->name(), "a-name-too-long-for-the-kernel");
  EXPECT_FALSE(loop->is_in_loop_thread());
  const std::string name = ask_loop(*loop, [] {
    std::array<char, 32> buffer{};
    ::pthread_getname_np(::pthread_self(), buffer.data(), buffer.size());
    return std::string(buffer.data());
  });
  EXPECT_EQ(name, "a-name-too-long");
}

TEST(EventLoopThread, OnStartHasRunWhenStartReturns) {
  std::atomic<EventLoop*> seen = nullptr;
  EventLoopThread thread({.on_start = [&](EventLoop& loop) {
    EXPECT_TRUE(loop.is_in_loop_thread());
    seen.store(&loop);
  }});
  EventLoop* loop = thread.start().value();
  EXPECT_EQ(seen.load(), loop);
}

TEST(EventLoopThread, PinsItself) {
  const CpuSet cpus = CpuSet::available().value();
  const CpuSet wanted = CpuSet::of(cpus.first());
  EventLoopThread thread({.cpus = wanted});
  EventLoop* loop = thread.start().value();
  const bool pinned = ask_loop(*loop, [&] { return CpuSet::available().value() == wanted; });
  EXPECT_TRUE(pinned);
  EXPECT_EQ(CpuSet::available().value(), cpus) << "the caller was moved";
}

TEST(EventLoopThread, ReportsThatItCannotBePinned) {
  std::atomic<bool> started = false;
  EventLoopThread thread({.cpus = CpuSet::of(CpuSet::kMaxCpus - 1),
                          .on_start = [&](EventLoop&) { started.store(true); }});
  const Result<EventLoop*> loop = thread.start();
  ASSERT_FALSE(loop);
  EXPECT_EQ(loop.error().number(), EINVAL);
  EXPECT_FALSE(started.load());
  thread.stop();
}

TEST(EventLoopThread, ReportsThatTheLoopCannotBeMade) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 0;
  EventLoopThread thread;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const Result<EventLoop*> failed = thread.start();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().number(), EMFILE);
  EXPECT_TRUE(thread.start()) << "it can be tried again";
}

TEST(EventLoopThread, StopDestroysTheLoopOnItsThread) {
  std::atomic<bool> gone_on_its_thread = false;
  EventLoopThread thread({.on_start = [&](EventLoop& loop) {
    loop.at_exit([&] { gone_on_its_thread.store(loop.is_in_loop_thread()); });
  }});
  EventLoop* loop = thread.start().value();
  const LoopHandle handle = loop->handle();
  std::atomic<int> ran = 0;
  for (int i = 0; i < 10; ++i) loop->queue_in_loop([&] { ran.fetch_add(1); });
  thread.stop();
  EXPECT_TRUE(gone_on_its_thread.load());
  EXPECT_EQ(ran.load(), 10) << "queued before stop()";
  EXPECT_FALSE(handle.queue([] {}));
  thread.stop();
  thread.quit();
  // And once more.
  ASSERT_TRUE(thread.start());
}

TEST(EventLoopThread, StopAfterTheLoopHasEndedByItself) {
  EventLoopThread thread;
  EventLoop* loop = thread.start().value();
  const LoopHandle handle = loop->handle();
  loop->quit();
  while (handle.queue([] {})) std::this_thread::yield();
  thread.quit();
  thread.stop();
}

TEST(EventLoopThread, L11BlocksAsynchronousSignals) {
  EventLoopThread thread;
  EventLoop* loop = thread.start().value();
  const sigset_t mask = ask_loop(*loop, [] {
    sigset_t now;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &now);
    return now;
  });
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGUSR1}) {
    EXPECT_EQ(sigismember(&mask, signal), 1) << signal;
  }
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGPROF}) {
    EXPECT_EQ(sigismember(&mask, signal), 0) << signal;
  }
}

TEST(EventLoopThread, OnExceptionTakesWhatLeavesTheLoopAndItGoesOn) {
  std::atomic<int> taken = 0;
  EventLoopThread thread({.on_start = [](EventLoop&) { throw std::runtime_error("in on_start"); },
                          .on_exception =
                              [&](EventLoop& loop, std::exception_ptr exception) {
                                EXPECT_TRUE(loop.is_in_loop_thread());
                                EXPECT_THROW(std::rethrow_exception(std::move(exception)),
                                             std::runtime_error);
                                taken.fetch_add(1);
                              }});
  EventLoop* loop = thread.start().value();
  EXPECT_EQ(taken.load(), 1);
  loop->queue_in_loop([] { throw std::runtime_error("in a task"); });
  EXPECT_EQ(ask_loop(*loop, [&] { return taken.load(); }), 2);
  loop->queue_in_loop([=] {
    loop->at_iteration_end([] { throw std::runtime_error("in an end action"); });
    loop->run_at(MonotonicTime(), [] { throw std::runtime_error("in a timer"); });
  });
  const UniqueFd event(::eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC));
  std::optional<Channel> channel;
  loop->queue_in_loop([&, loop] {
    channel.emplace(*loop, event.get());
    channel->on_read([&](Timestamp) {
      channel->remove();
      throw std::runtime_error("in a channel");
    });
    EXPECT_TRUE(channel->enable_reading());
  });
  while (taken.load() < 5) std::this_thread::yield();
}

TEST(EventLoopThreadDeathTest, WithoutAHandlerAnExceptionEndsTheProcess) {
  EXPECT_DEATH(
      {
        EventLoopThread thread;
        thread.start().value()->queue_in_loop([] { throw std::runtime_error("nobody's"); });
        thread.stop();
      },
      "nobody's");
}

}  // namespace
}  // namespace leat
