// What happens to pending work when the loop ends.
#include <memory>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/reactor/loop_test.h"

namespace leat {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

/// Does something to a loop when it is destroyed; moves like any capture.
class AtEnd {
 public:
  explicit AtEnd(Task action) : action_(std::move(action)) {}
  AtEnd(AtEnd&&) noexcept = default;
  AtEnd& operator=(AtEnd&&) = delete;
  AtEnd(const AtEnd&) = delete;
  AtEnd& operator=(const AtEnd&) = delete;
  ~AtEnd() {
    if (action_) action_();
  }

 private:
  Task action_;
};

TEST(EventLoopEnd, ExitCallbacksRunLastOneFirst) {
  std::vector<int> order;
  {
    const auto owner = EventLoop::create().value();
    EventLoop& loop = *owner;
    loop.at_exit([&] { order.push_back(1); });
    const EventLoop::ExitId second = loop.at_exit([&] { order.push_back(2); });
    loop.at_exit([&] {
      order.push_back(3);
      loop.at_exit([&] { order.push_back(4); });
      // The loop still works for those who leave.
      loop.queue_in_loop([] { ADD_FAILURE() << "a task ran after the loop's end"; });
      loop.cancel(loop.run_after(1s, [] {}));
    });
    loop.cancel_at_exit(second);
    loop.cancel_at_exit(second);
  }
  EXPECT_THAT(order, ElementsAre(3, 4, 1));
}

TEST(EventLoopEnd, PendingWorkIsDestroyedUnrun) {
  auto object = std::make_shared<int>(0);
  {
    const auto owner = EventLoop::create().value();
    EventLoop& loop = *owner;
    const auto never = [object] { ADD_FAILURE() << "ran"; };
    loop.queue_in_loop(never);
    loop.run_after(0ns, never);
    loop.run_every(1h, never);
    loop.at_iteration_end(never);
    loop.release_later(object);
    std::thread([&] { loop.queue_in_loop(never); }).join();
    EXPECT_GT(object.use_count(), 6);
  }
  EXPECT_EQ(object.use_count(), 1);
}

TEST(EventLoopEnd, DroppedWorkMayUseTheLoopOneLastTime) {
  int ends = 0;
  const test::Ends pipe = test::Ends::pipe();
  {
    const auto owner = EventLoop::create().value();
    EventLoop& loop = *owner;
    const auto use = [&loop, &ends](int fd) {
      return [&loop, &ends, fd] {
        ++ends;
        Channel channel(loop, fd);
        EXPECT_TRUE(channel.enable_reading());
        loop.assert_in_loop_thread();
        EXPECT_TRUE(loop.is_in_loop_thread());
        loop.queue_in_loop([end = AtEnd([&ends] { ++ends; })] {});
        loop.run_after(1s, [end = AtEnd([&ends] { ++ends; })] {});
        loop.at_iteration_end([end = AtEnd([&ends] { ++ends; })] {});
        loop.release_later(std::make_shared<AtEnd>([&ends] { ++ends; }));
        loop.at_exit([&ends] { ++ends; });
        EXPECT_FALSE(loop.handle().queue([] {}));
        EXPECT_FALSE(loop.cancel(TimerId{}));
      };
    };
    const int fd = pipe.a.get();
    loop.queue_in_loop([end = AtEnd(use(fd))] {});
    loop.run_after(1h, [end = AtEnd(use(fd))] {});
    loop.at_iteration_end([end = AtEnd(use(fd))] {});
    loop.release_later(std::make_shared<AtEnd>(use(fd)));
    std::thread([&] { loop.queue_in_loop([end = AtEnd(use(fd))] {}); }).join();
  }
  EXPECT_EQ(ends, 5 * 6);
}

TEST(EventLoopEnd, NamesAndQueries) {
  auto loop = EventLoop::create({.name = "a name"}).value();
  EXPECT_EQ(loop->name(), "a name");
  EXPECT_EQ(loop->poller().name(), "epoll");
  EXPECT_EQ(loop->scratch().size(), EventLoop::kScratchSize);
  EXPECT_EQ(loop->buffers().take().size(), EventLoop::kBlockSize);
  EXPECT_EQ(loop->timer_count(), 0u);
  loop->run_after(Duration::max(), [] {});
  loop->run_every(Duration::max(), [] {});
  EXPECT_EQ(loop->timer_count(), 2u);
  // A wait of three hundred years is one, and not an error of the kernel's.
  std::thread other([handle = loop->handle(), target = loop.get()] {
    while (target->counters().iterations.load() == 0) std::this_thread::yield();
    EXPECT_TRUE(handle.queue([target] { target->quit(); }));
  });
  loop->queue_in_loop([] {});
  EXPECT_TRUE(loop->loop());
  other.join();
}

TEST(EventLoopDeathTest, AForeignThreadIsABrokenPrecondition) {
#if defined(LEAT_ASSERTIONS) && LEAT_ASSERTIONS
  EXPECT_DEATH(
      {
        auto loop = EventLoop::create().value();
        std::thread([&] { loop->run_after(1s, [] {}); }).join();
      },
      "thread other than the loop's");
#else
  GTEST_SKIP() << "assertions are off in this build";
#endif
}

}  // namespace
}  // namespace leat
