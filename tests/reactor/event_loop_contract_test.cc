// The numbered steps of an iteration, docs/event-loop.md: one test or more for each number.
#include <sys/epoll.h>

#include <array>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/reactor/loop_test.h"

namespace leat {
namespace {

using namespace std::chrono_literals;
using test::Ends;
using testing::ElementsAre;

class EventLoopContract : public test::LoopTest {
 protected:
  LoopTask note(std::string what) {
    return [this, what = std::move(what)] { order.push_back(what); };
  }
  [[nodiscard]] std::uint64_t iterations() const { return loop.counters().iterations.load(); }

  std::vector<std::string> order;
  std::uint64_t first_iteration = 0;
};

TEST_F(EventLoopContract, AllStepsInOrder) {
  Ends ends = Ends::pipe();
  test::write_to(ends.b, "x");
  Channel channel(loop, ends.a.get());
  channel.on_read([&](Timestamp) {
    channel.remove();
    order.push_back("3 channel");
    loop.release_later(std::shared_ptr<void>(nullptr, [this](void*) {
      order.push_back("7 release");
      loop.queue_in_loop(note("next iteration"));
    }));
    loop.at_iteration_end(note("6 end"));
    loop.queue_in_loop(note("5 task"));
    loop.run_at(MonotonicTime(), note("4 timer"));
    loop.quit();
  });
  ASSERT_TRUE(channel.enable_reading());
  run();
  EXPECT_THAT(order, ElementsAre("3 channel", "4 timer", "5 task", "6 end", "7 release"));
  EXPECT_EQ(iterations(), 1u);
}

TEST_F(EventLoopContract, Step1WaitsForAChannel) {
  Ends ends = Ends::pipe();
  Channel channel(loop, ends.a.get());
  channel.on_read([&](Timestamp) { loop.quit(); });
  ASSERT_TRUE(channel.enable_reading());
  std::thread writer([&] { test::write_to(ends.b, "x"); });
  run();
  writer.join();
  EXPECT_LE(iterations(), 2u);
}

TEST_F(EventLoopContract, Step1WaitsForATimerAndWakesUpForNothingElse) {
  // Far enough to lie on the third level of the wheel.
  loop.run_after(400ms, [this] { loop.quit(); });
  const MonotonicTime start = monotonic_now();
  run();
  EXPECT_GE(monotonic_now() - start, 400ms);
  EXPECT_EQ(iterations(), 1u);
  EXPECT_EQ(loop.counters().empty_polls.load(), 0u);
  EXPECT_EQ(loop.counters().timers_fired.load(), 1u);
}

TEST_F(EventLoopContract, Step1AWaitThatFoundNothingIsCounted) {
  // The cancelled one was the earliest of its slot, so the loop looks once in vain.
  const TimerId first = loop.run_after(300ms, [] {});
  loop.run_after(330ms, [this] { loop.quit(); });
  loop.cancel(first);
  run();
  EXPECT_LE(loop.counters().empty_polls.load(), 2u);
  EXPECT_EQ(iterations(), 1u + loop.counters().empty_polls.load());
}

TEST_F(EventLoopContract, Step1DoesNotWaitForQueuedTasks) {
  loop.queue_in_loop([this] { loop.queue_in_loop([this] { loop.quit(); }); });
  run();
  EXPECT_EQ(iterations(), 2u);
  EXPECT_EQ(loop.counters().empty_polls.load(), 0u);
}

TEST_F(EventLoopContract, Step1DoesNotWaitWhileObjectsWaitToBeFreed) {
  loop.release_later(std::shared_ptr<void>(nullptr, [this](void*) { order.push_back("freed"); }));
  loop.at_iteration_end([this] {
    EXPECT_TRUE(order.empty());
    loop.quit();
  });
  run();
  EXPECT_THAT(order, ElementsAre("freed"));
}

TEST_F(EventLoopContract, Step1DoesNotWaitForEndActions) {
  loop.at_iteration_end([this] { loop.quit(); });
  run();
  EXPECT_EQ(iterations(), 1u);
}

TEST_F(EventLoopContract, Step1DoesNotWaitAfterQuit) {
  loop.quit();
  run();
  EXPECT_EQ(iterations(), 1u);
}

TEST_F(EventLoopContract, Step2TheClocksStandStill) {
  MonotonicTime in_task;
  Timestamp date_in_task;
  loop.queue_in_loop([&] {
    in_task = loop.now();
    date_in_task = loop.poll_return_time();
    while (monotonic_now() - in_task < 2ms) std::this_thread::yield();
    EXPECT_EQ(loop.now(), in_task);
    loop.at_iteration_end([&] {
      EXPECT_EQ(loop.now(), in_task);
      EXPECT_EQ(loop.poll_return_time(), date_in_task);
    });
  });
  iterate();
  iterate();
  EXPECT_GE(loop.now() - in_task, 2ms);
  EXPECT_GT(loop.poll_return_time(), date_in_task - 1s);
}

TEST_F(EventLoopContract, Step2ReadCallbacksGetThePollsReturnTime) {
  Ends ends = Ends::pipe();
  test::write_to(ends.b, "x");
  Channel channel(loop, ends.a.get());
  Timestamp received;
  channel.on_read([&](Timestamp time) { received = time; });
  ASSERT_TRUE(channel.enable_reading());
  iterate();
  EXPECT_EQ(received, loop.poll_return_time());
  EXPECT_LT(received, Timestamp::now() + 1s);
  EXPECT_GT(received, Timestamp::now() - 60s);
}

TEST_F(EventLoopContract, Step3CallsEveryReadyChannelOnce) {
  std::vector<Ends> pipes;
  std::vector<std::unique_ptr<Channel>> channels;
  int calls = 0;
  // More than the poller takes in its first call.
  for (int i = 0; i < 200; ++i) {
    pipes.push_back(Ends::pipe());
    test::write_to(pipes.back().b, "x");
    channels.push_back(std::make_unique<Channel>(loop, pipes.back().a.get()));
    channels.back()->on_read([&calls, channel = channels.back().get()](Timestamp) {
      ++calls;
      channel->remove();
    });
    ASSERT_TRUE(channels.back()->enable_reading());
  }
  for (int i = 0; i < 4; ++i) iterate();
  EXPECT_EQ(calls, 200);
  EXPECT_EQ(loop.counters().events.load(), 200u);
}

TEST_F(EventLoopContract, Step3CallsTheChannelsInTheOrderThatThePollerReported) {
  constexpr int kPipes = 31;
  // The kernel reports in the order of becoming ready, so a second epoll tells the poller's order.
  const UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  std::vector<Ends> pipes;
  pipes.reserve(kPipes);
  std::vector<std::unique_ptr<Channel>> channels;
  std::vector<int> called;
  for (int i = 0; i < kPipes; ++i) {
    pipes.push_back(Ends::pipe());
    const int fd = pipes.back().a.get();
    channels.push_back(std::make_unique<Channel>(loop, fd));
    channels.back()->on_read([&called, fd, &end = pipes.back().a](Timestamp) {
      called.push_back(fd);
      test::drain(end);
    });
    ASSERT_TRUE(channels.back()->enable_reading());
    epoll_event wanted{};
    wanted.events = EPOLLIN;
    wanted.data.fd = fd;
    ASSERT_EQ(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &wanted), 0);
  }
  iterate();
  // Neither the order of watching nor its reverse.
  for (int i = 0; i < kPipes; ++i) {
    test::write_to(pipes[static_cast<std::size_t>(i * 12 % kPipes)].b, "x");
  }
  std::array<epoll_event, kPipes> ready{};
  ASSERT_EQ(::epoll_wait(epoll.get(), ready.data(), kPipes, 0), kPipes);
  // A poller may report a part first; what was called is not ready any more.
  for (int i = 0; i < 4 && called.size() < kPipes; ++i) iterate();
  std::vector<int> reported;
  for (const epoll_event& event : ready) reported.push_back(event.data.fd);
  EXPECT_EQ(called, reported);
}

TEST_F(EventLoopContract, Step4FiresInOrderOfDeadline) {
  const MonotonicTime now = monotonic_now();
  loop.run_at(MonotonicTime(2ms), note("a"));
  loop.run_at(MonotonicTime(1ms), note("b"));
  loop.run_at(now + 1ms, note("d"));
  loop.run_at(now + 500us, note("c"));
  loop.run_at(now + 2ms, [this] { loop.quit(); });
  run();
  EXPECT_THAT(order, ElementsAre("a", "b", "c", "d")) << "past deadlines count as now";
}

TEST_F(EventLoopContract, Step4ATimerArmedByATimerWaitsForTheNextIteration) {
  loop.run_after(0ns, [this] {
    loop.run_after(-1s, [this] {
      EXPECT_EQ(iterations(), first_iteration + 1);
      loop.quit();
    });
    first_iteration = iterations();
  });
  run();
}

TEST_F(EventLoopContract, Step5RunsOnlyWhatWasQueuedBefore) {
  loop.queue_in_loop([this] {
    order.push_back("first");
    loop.queue_in_loop(note("of the next iteration"));
  });
  loop.queue_in_loop(note("second"));
  iterate();
  EXPECT_THAT(order, ElementsAre("first", "second"));
  iterate();
  EXPECT_THAT(order, ElementsAre("first", "second", "of the next iteration"));
  EXPECT_EQ(loop.counters().tasks_run.load(), 3u);
}

TEST_F(EventLoopContract, Step6ActionsOfStep6WaitForTheNextIteration) {
  loop.at_iteration_end([this] {
    order.push_back("first");
    loop.at_iteration_end(note("next"));
  });
  loop.at_iteration_end(note("second"));
  iterate();
  EXPECT_THAT(order, ElementsAre("first", "second"));
  iterate();
  EXPECT_THAT(order, ElementsAre("first", "second", "next"));
}

TEST_F(EventLoopContract, Step7FreesAfterAllCallbacks) {
  auto object = std::make_shared<int>(7);
  const std::weak_ptr<int> watch = object;
  loop.queue_in_loop([&] {
    loop.release_later(std::move(object));
    loop.queue_in_loop([&] { EXPECT_TRUE(watch.expired()); });
    loop.at_iteration_end([&] { EXPECT_FALSE(watch.expired()); });
    EXPECT_FALSE(watch.expired());
  });
  iterate();
  EXPECT_TRUE(watch.expired());
  iterate();
}

TEST_F(EventLoopContract, Step7WhatADestructorReleasesIsForTheNextIteration) {
  loop.release_later(std::shared_ptr<void>(nullptr, [this](void*) {
    order.push_back("outer");
    loop.release_later(std::shared_ptr<void>(nullptr, [this](void*) { order.push_back("inner"); }));
  }));
  iterate();
  EXPECT_THAT(order, ElementsAre("outer"));
  iterate();
  EXPECT_THAT(order, ElementsAre("outer", "inner"));
}

TEST_F(EventLoopContract, Step8EachLoopConsumesOneQuit) {
  loop.quit();
  loop.quit();
  run();
  EXPECT_EQ(iterations(), 1u);
  loop.run_after(1ms, [this] { loop.quit(); });
  run();
  EXPECT_EQ(loop.counters().timers_fired.load(), 1u) << "a consumed request ended the loop again";
}

TEST_F(EventLoopContract, Step8QuitFinishesTheIteration) {
  loop.queue_in_loop([this] {
    loop.quit();
    loop.at_iteration_end(note("end"));
  });
  loop.queue_in_loop(note("task"));
  run();
  EXPECT_THAT(order, ElementsAre("task", "end"));
}

TEST_F(EventLoopContract, Step8QuitCountsFromWhereverItWas) {
  const auto quit = [this] { loop.quit(); };
  loop.run_at(MonotonicTime(), quit);
  run();
  loop.at_iteration_end(quit);
  run();
  loop.release_later(std::shared_ptr<void>(nullptr, [quit](void*) { quit(); }));
  run();
  EXPECT_EQ(iterations(), 3u);
}

}  // namespace
}  // namespace leat
