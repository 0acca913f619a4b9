#include "leat/reactor/busy_poll.h"

#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "leat/reactor/event_loop.h"
#include "leat/reactor/event_loop_thread.h"
#include "leat/reactor/event_loop_thread_pool.h"

#include "tests/reactor/system_call_filter.h"

namespace leat {
namespace {

using namespace std::chrono_literals;

/// struct epoll_params of linux/eventpoll.h.
struct Params {
  std::uint32_t time;
  std::uint16_t budget;
  std::uint8_t prefer;
  std::uint8_t pad;
};
constexpr unsigned long kGetParams = _IOR(0x8A, 0x02, Params);

/// What the one epoll instance of this process has; the test made it. None where the kernel lacks
/// it.
std::optional<Params> params_of_only_epoll() {
  std::optional<Params> found;
  int instances = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (std::filesystem::read_symlink(entry, gone) != "anon_inode:[eventpoll]") continue;
    ++instances;
    Params params{};
    if (::ioctl(std::stoi(entry.path().filename()), kGetParams, &params) == 0) found = params;
  }
  EXPECT_EQ(instances, 1);
  return found;
}

/// On a thread of its own without any right, for the other tests to keep theirs.
void without_rights(const std::function<void()>& work) {
  std::thread([&work] {
    // Not the C library's, which changes all threads. Who has no right before has none after.
    static_cast<void>(::syscall(SYS_setresuid, 65534, 65534, 65534));
    work();
  }).join();
}

Result<std::unique_ptr<EventLoop>> make_loop(const BusyPollOptions& busy_poll) {
  return EventLoop::create({.poller = PollerKind::kEpoll, .busy_poll = busy_poll});
}

bool kernel_has_it() {
  return make_loop({.time = 1us}).has_value();
}

TEST(BusyPoll, IsOffByDefault) {
  if (!kernel_has_it()) GTEST_SKIP() << "needs Linux 6.9";
  const auto loop = make_loop({}).value();
  const auto params = params_of_only_epoll();
  ASSERT_TRUE(params);
  EXPECT_EQ(params->time, 0u);
  EXPECT_EQ(params->budget, 0u);
  EXPECT_EQ(params->prefer, 0u);
}

TEST(BusyPoll, ReachesEpoll) {
  if (!kernel_has_it()) GTEST_SKIP() << "needs Linux 6.9";
  const auto loop = make_loop({.time = 50us, .budget = 16, .prefer = true}).value();
  const auto params = params_of_only_epoll();
  ASSERT_TRUE(params);
  EXPECT_EQ(params->time, 50u);
  EXPECT_EQ(params->budget, 16u);
  EXPECT_EQ(params->prefer, 1u);
}

TEST(BusyPoll, ReachesTheLoopsOfThreads) {
  if (!kernel_has_it()) GTEST_SKIP() << "needs Linux 6.9";
  {
    EventLoopThread thread({.poller = PollerKind::kEpoll, .busy_poll = {.time = 60us}});
    ASSERT_TRUE(thread.start());
    EXPECT_EQ(params_of_only_epoll()->time, 60u);
  }
  EventLoopThread refused({.poller = PollerKind::kEpoll, .busy_poll = {.time = -1us}});
  const auto started = refused.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().number(), EINVAL);
  const auto loop = make_loop({}).value();
  EventLoopThreadPool pool(*loop,
                           {.count = 1, .poller = PollerKind::kEpoll, .busy_poll = {.time = -1us}});
  EXPECT_FALSE(pool.start());
}

TEST(BusyPoll, TheLoopWorksAsBefore) {
  if (!kernel_has_it()) GTEST_SKIP() << "needs Linux 6.9";
  const auto loop = make_loop({.time = 20us}).value();
  const MonotonicTime start = monotonic_now();
  loop->run_after(2ms, [&] { loop->quit(); });
  ASSERT_TRUE(loop->loop());
  EXPECT_GE(monotonic_now() - start, 2ms);
  std::thread waker([&] { loop->queue_in_loop([&] { loop->quit(); }); });
  ASSERT_TRUE(loop->loop());
  waker.join();
}

TEST(BusyPoll, OutOfRangeIsRefused) {
  EXPECT_EQ(make_loop({.time = -1us}).error().number(), EINVAL);
  EXPECT_EQ(make_loop({.time = 1h}).error().number(), EINVAL);
  EXPECT_EQ(make_loop({.time = 1us, .budget = -1}).error().number(), EINVAL);
  EXPECT_EQ(make_loop({.time = 1us, .budget = 65536}).error().number(), EINVAL);
}

TEST(BusyPoll, SaysWhichRightIsMissing) {
  if (!kernel_has_it()) GTEST_SKIP() << "needs Linux 6.9";
  without_rights([] {
    EXPECT_TRUE(make_loop({.time = 1us, .budget = 64}));
    const auto loop = make_loop({.time = 1us, .budget = 65});
    ASSERT_FALSE(loop);
    EXPECT_EQ(loop.error().number(), EPERM);
    EXPECT_NE(loop.error().message().find("CAP_NET_ADMIN"), std::string::npos);
  });
}

TEST(BusyPoll, SaysWhichKernelHasIt) {
  bool denied = false;
  std::thread([&denied] {
    // As a kernel before 6.9.
    denied = test::deny_system_calls({SYS_ioctl}, ENOTTY);
    if (!denied) return;
    EXPECT_TRUE(make_loop({})) << "who does not ask needs nothing";
    const auto loop = make_loop({.time = 1us});
    ASSERT_FALSE(loop);
    EXPECT_EQ(loop.error().number(), ENOTSUP);
    EXPECT_NE(loop.error().message().find("Linux 6.9"), std::string::npos);
  }).join();
  if (!denied) GTEST_SKIP() << "seccomp filters cannot be installed here";
}

/// struct io_uring_napi of linux/io_uring.h, as IORING_UNREGISTER_NAPI gives it back.
struct Napi {
  std::uint32_t time;
  std::uint8_t prefer;
  std::uint8_t pad[3];
  std::uint64_t reserved;
};

std::optional<Napi> napi_of_only_ring() {
  constexpr unsigned kUnregisterNapi = 28;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (std::filesystem::read_symlink(entry, gone) != "anon_inode:[io_uring]") continue;
    Napi napi{};
    const int fd = std::stoi(entry.path().filename());
    if (::syscall(SYS_io_uring_register, fd, kUnregisterNapi, &napi, 1) == 0) return napi;
  }
  return std::nullopt;
}

TEST(BusyPoll, ReachesIoUring) {
  std::string missing;
  // On a thread that ends: what the kernel does to end a ring interrupts the waits of its thread.
  std::thread([&missing] {
    const BusyPollOptions wanted{.time = 70us, .prefer = true};
    const auto loop = EventLoop::create({.poller = PollerKind::kUring, .busy_poll = wanted});
    if (!loop) {
      missing = loop.error().message();
      return;
    }
    const auto napi = napi_of_only_ring();
    ASSERT_TRUE(napi);
    EXPECT_EQ(napi->time, 70u);
    EXPECT_EQ(napi->prefer, 1u);
    const BusyPollOptions with_budget{.time = 1us, .budget = 8};
    const auto refused =
        EventLoop::create({.poller = PollerKind::kUring, .busy_poll = with_budget});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().number(), ENOTSUP);
    EXPECT_NE(refused.error().message().find("budget"), std::string::npos);
  }).join();
  if (!missing.empty()) GTEST_SKIP() << missing;
}

}  // namespace
}  // namespace leat
