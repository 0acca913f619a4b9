#include <sys/syscall.h>

#include <cerrno>
#include <thread>

#include <gtest/gtest.h>

#include "tests/reactor/loop_test.h"
#include "tests/reactor/system_call_filter.h"

namespace leat {
namespace {

using namespace std::chrono_literals;

TEST(EpollPoller, TimersWorkWhereEpollPwait2IsDenied) {
  bool denied = false;
  // The filter stays with its thread.
  std::thread([&denied] {
    // As a container's older seccomp profile does.
    denied = test::deny_system_calls({SYS_epoll_pwait2}, EPERM);
    if (!denied) return;
    auto loop = EventLoop::create().value();
    const MonotonicTime start = monotonic_now();
    loop->run_after(2500us, [&loop] { loop->quit(); });
    EXPECT_TRUE(loop->loop());
    EXPECT_GE(monotonic_now() - start, 2500us);
    EXPECT_LE(loop->counters().iterations.load(), 2u) << "the wait was rounded down, and spun";
    // Waiting for ever, and not at all, as before.
    std::thread waker([&loop] { loop->quit(); });
    EXPECT_TRUE(loop->loop());
    waker.join();
  }).join();
  if (!denied) GTEST_SKIP() << "seccomp filters cannot be installed here";
}

TEST(EpollPoller, AnUnknownKindIsRefused) {
  const auto poller = Poller::create(static_cast<PollerKind>(99));
  ASSERT_FALSE(poller);
  EXPECT_EQ(poller.error().number(), EINVAL);
}

}  // namespace
}  // namespace leat
