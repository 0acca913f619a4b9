// The numbered rules of a loop's life and end, docs/event-loop.md; those of channels stand in
// channel_test.cc.
#include <atomic>
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
  explicit AtEnd(LoopTask action) : action_(std::move(action)) {}
  AtEnd(AtEnd&&) noexcept = default;
  AtEnd& operator=(AtEnd&&) = delete;
  AtEnd(const AtEnd&) = delete;
  AtEnd& operator=(const AtEnd&) = delete;
  ~AtEnd() {
    if (action_) action_();
  }

 private:
  LoopTask action_;
};

TEST(EventLoopEnd, L8ExitCallbacksRunLastOneFirst) {
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

TEST(EventLoopEnd, L9PendingWorkIsDestroyedUnrun) {
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

TEST(EventLoopEnd, L10DroppedWorkMayUseTheLoopOneLastTime) {
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
  EXPECT_EQ(loop->poller().name(), test::default_poller_is_uring() ? "io_uring" : "epoll");
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

TEST(EventLoopEnd, L2TheLoopMayEndDuringACallOfAnotherThread) {
  // quit(), queue_in_loop() and run_in_loop() must not touch the loop after it has heard of them.
  for (int i = 0; i < 500; ++i) {
    std::atomic<EventLoop*> shared = nullptr;
    std::thread owner([&shared] {
      auto mortal = EventLoop::create().value();
      shared.store(mortal.get());
      shared.notify_one();
      EXPECT_TRUE(mortal->loop());
    });
    shared.wait(nullptr);
    EventLoop& mortal = *shared.load();
    const auto quit = [&mortal] { mortal.quit(); };
    if (i % 3 == 0) quit();
    if (i % 3 == 1) mortal.queue_in_loop(quit);
    if (i % 3 == 2) mortal.run_in_loop(quit);
    owner.join();
  }
}

TEST(LoopHandle, L3OfADeadLoopRefusesAndDestroysTheTask) {
  auto loop = EventLoop::create().value();
  const LoopHandle handle = loop->handle();
  EXPECT_TRUE(handle.is_in_loop_thread());
  loop.reset();
  auto object = std::make_shared<int>(1);
  EXPECT_FALSE(handle.queue([object] { ADD_FAILURE() << "ran on a dead loop"; }));
  EXPECT_EQ(object.use_count(), 1);
  EXPECT_FALSE(handle.is_in_loop_thread());
}

TEST(LoopHandle, L3AnEmptyOneRefuses) {
  EXPECT_FALSE(LoopHandle().queue([] {}));
  EXPECT_FALSE(LoopHandle().is_in_loop_thread());
}

TEST(LoopHandle, L3SendersRaceWithTheLoopsEnd) {
  // Every accepted task is run or destroyed, every refused one destroyed: none leaks.
  auto object = std::make_shared<int>(0);
  std::atomic<bool> stop = false;
  std::atomic<int> accepted = 0;
  auto loop = EventLoop::create().value();
  std::vector<std::thread> senders;
  for (int i = 0; i < 3; ++i) {
    senders.emplace_back([&, handle = loop->handle()] {
      while (!stop.load()) {
        if (handle.queue([object] {})) accepted.fetch_add(1);
      }
    });
  }
  while (accepted.load() < 1000) {
    loop->quit();
    EXPECT_TRUE(loop->loop());
  }
  loop.reset();
  stop.store(true);
  for (std::thread& sender : senders) sender.join();
  EXPECT_EQ(object.use_count(), 1);
}

// What a broken precondition does where assertions are on.
#if defined(LEAT_ASSERTIONS) && LEAT_ASSERTIONS
TEST(EventLoopDeathTest, L1TheLoopIsUsedOnItsOwnThread) {
  const std::vector<void (*)(EventLoop&)> calls{
      [](EventLoop& loop) { loop.loop().value(); },
      [](EventLoop& loop) { loop.run_after(1s, [] {}); },
      [](EventLoop& loop) { loop.run_every(1s, [] {}); },
      [](EventLoop& loop) { loop.cancel(TimerId{}); },
      [](EventLoop& loop) { loop.release_later(nullptr); },
      [](EventLoop& loop) { loop.at_iteration_end([] {}); },
      [](EventLoop& loop) { loop.at_exit([] {}); },
      [](EventLoop& loop) { loop.cancel_at_exit(1); },
      [](EventLoop& loop) { Channel(loop, 0).enable_reading().value(); },
  };
  for (const auto call : calls) {
    EXPECT_DEATH(
        {
          const auto loop = EventLoop::create().value();
          std::thread([&] { call(*loop); }).join();
        },
        "thread other than the loop's");
  }
}

TEST(EventLoopDeathTest, L1TheLoopIsDestroyedOnItsOwnThread) {
  EXPECT_DEATH(
      {
        auto loop = EventLoop::create().value();
        std::thread([&] { loop.reset(); }).join();
      },
      "thread other than the loop's");
}

TEST(EventLoopDeathTest, L1TheLoopIsNotDestroyedByItsOwnCallback) {
  EXPECT_DEATH(
      {
        auto loop = EventLoop::create().value();
        loop->queue_in_loop([&] { loop.reset(); });
        loop->loop().value();
      },
      "destroyed by one of its own callbacks");
}
#endif

}  // namespace
}  // namespace leat
