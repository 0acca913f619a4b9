#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <thread>

#include <gtest/gtest.h>

#include "tests/reactor/loop_test.h"

namespace leat {
namespace {

using namespace std::chrono_literals;

/// Makes epoll_pwait2() fail in this thread, as a container's older seccomp profile does.
bool deny_epoll_pwait2() {
  std::array<sock_filter, 4> filter{{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_epoll_pwait2, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog program{.len = filter.size(), .filter = filter.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

TEST(EpollPoller, TimersWorkWhereEpollPwait2IsDenied) {
  bool denied = false;
  // The filter stays with its thread.
  std::thread([&denied] {
    denied = deny_epoll_pwait2();
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
