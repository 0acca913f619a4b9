// Cancelling and destroying a task at each of its suspensions.
#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "leat/reactor/when_all.h"
#include "leat/reactor/when_any.h"
#include "leat/reactor/with_timeout.h"

#include "tests/reactor/task_test_support.h"

namespace leat {
namespace {

using namespace std::chrono_literals;
using test::LiveObjects;
using test::TaskLoopTest;

enum class Blow { kCancel, kCancelTwice, kDrop, kLoopEnds, kCancelAndDrop, kCancelAndLoopEnds };

/// A loop on which one task is run for some iterations and then hit.
class Scene {
 public:
  using Make = std::function<Task<>(Scene&)>;

  explicit Scene(const Make& make)
      : owned_(EventLoop::create().value()), task(spawn(*owned_, make(*this))) {}

  /// Runs one iteration.
  void iterate() {
    owned_->quit();
    EXPECT_TRUE(owned_->loop());
  }
  [[nodiscard]] EventLoop& loop() { return *owned_; }
  void end_loop() { owned_.reset(); }

 private:
  std::unique_ptr<EventLoop> owned_;

 public:
  TaskEvent event;
  TaskHandle task;
};

void strike(Scene& scene, Blow blow) {
  switch (blow) {
    case Blow::kCancelTwice:
      scene.task.cancel();
      scene.iterate();
      scene.task.cancel();
      break;
    case Blow::kCancel:
      scene.task.cancel();
      break;
    case Blow::kCancelAndDrop:
      scene.task.cancel();
      scene.task.drop();
      break;
    case Blow::kDrop:
      scene.task.drop();
      break;
    case Blow::kCancelAndLoopEnds:
      scene.task.cancel();
      scene.end_loop();
      return;
    case Blow::kLoopEnds:
      scene.end_loop();
      return;
  }
  for (int i = 0; i < 100000 && !scene.task.is_done(); ++i) scene.iterate();
  EXPECT_EQ(scene.loop().timer_count(), 0u);
  // What it had spawned goes on alone.
  scene.iterate();
  scene.iterate();
}

/// Hits the task after 0, 1, 2 ... iterations, until it ends by itself.
void strike_everywhere(const Scene::Make& make) {
  for (const Blow blow : {Blow::kCancel, Blow::kCancelTwice, Blow::kDrop, Blow::kLoopEnds,
                          Blow::kCancelAndDrop, Blow::kCancelAndLoopEnds}) {
    bool ended_by_itself = false;
    for (int before = 0; !ended_by_itself && !testing::Test::HasFailure(); ++before) {
      SCOPED_TRACE(testing::Message() << "blow " << static_cast<int>(blow) << " after " << before);
      Scene scene(make);
      for (int i = 0; i < before; ++i) scene.iterate();
      ended_by_itself = scene.task.is_done();
      strike(scene, blow);
      EXPECT_TRUE(scene.task.is_done());
      EXPECT_EQ(LiveObjects::count(), 0);
      ASSERT_LT(before, 100000);
    }
  }
}

Task<> each_kind_of_wait(Scene& scene, LiveObjects::One) {
  const LiveObjects::One local;
  static_cast<void>(co_await sleep(0s));
  static_cast<void>(co_await yield());
  scene.loop().queue_in_loop([&scene] { scene.event.set(); });
  static_cast<void>(co_await scene.event.wait());
  scene.event.reset();
  TaskHandle child = spawn(scene.loop(), []() -> Task<> {
    const LiveObjects::One of_child;
    static_cast<void>(co_await yield());
  });
  static_cast<void>(co_await child.join());
}

Task<> calls(Scene& scene, int depth) {
  const LiveObjects::One local;
  if (depth > 0) {
    co_await calls(scene, depth - 1);
  } else {
    co_await each_kind_of_wait(scene, {});
  }
  static_cast<void>(co_await yield());
}

Task<Result<int>> number(Scene& scene) {
  const LiveObjects::One local;
  co_await each_kind_of_wait(scene, {});
  co_return 1;
}

Task<> forever() {
  const LiveObjects::One local;
  static_cast<void>(co_await sleep(24h));
}

TEST(TaskCancelTest, EachKindOfWait) {
  strike_everywhere([](Scene& scene) { return each_kind_of_wait(scene, {}); });
}

TEST(TaskCancelTest, ACallInACall) {
  strike_everywhere([](Scene& scene) { return calls(scene, 5); });
}

TEST(TaskCancelTest, Groups) {
  strike_everywhere([](Scene& scene) -> Task<> {
    const LiveObjects::One local;
    static_cast<void>(co_await when_all(calls(scene, 1), number(scene), test::nothing()));
    static_cast<void>(co_await when_any(calls(scene, 1), forever(), number(scene)));
    static_cast<void>(co_await with_timeout(24h, number(scene)));
    static_cast<void>(co_await with_timeout(0s, forever()));
    co_await shield(calls(scene, 1));
  });
}

TEST(TaskCancelTest, GroupsInGroups) {
  static constexpr auto kTree = [](auto self, Scene& scene, int depth) -> Task<> {
    const LiveObjects::One local;
    if (depth == 0) co_return co_await each_kind_of_wait(scene, {});
    std::vector<Task<>> tasks;
    for (int i = 0; i < 3; ++i) tasks.push_back(self(self, scene, depth - 1));
    if (depth % 2 == 0) {
      co_await when_all(std::move(tasks));
    } else {
      static_cast<void>(co_await when_any(std::move(tasks)));
    }
  };
  strike_everywhere([](Scene& scene) { return kTree(kTree, scene, 3); });
}

// What cancelling means.

class CancelTest : public TaskLoopTest {};

TEST_F(CancelTest, TheWaitEndsLaterAndAllThatFollow) {
  std::vector<int> numbers;
  bool goes_on = false;
  TaskHandle task = spawn(loop, [&]() -> Task<> {
    TaskEvent event;
    const auto note = [&](const Result<void>& result) {
      goes_on = true;
      numbers.push_back(result ? 0 : result.error().number());
    };
    note(co_await sleep(24h));
    note(co_await sleep(0s));
    note(co_await yield());
    note(co_await event.wait());
    event.set();
    note(co_await event.wait());
  });
  iterate();
  task.cancel();
  EXPECT_FALSE(goes_on);  // not inside the call
  EXPECT_FALSE(task.is_done());
  EXPECT_EQ(loop.timer_count(), 1u);
  iterate_until_done(task);
  EXPECT_EQ(numbers, std::vector<int>(5, ECANCELED));
}

TEST_F(CancelTest, ATaskThatIgnoresItHoldsNeitherTheLoopNorItsEnd) {
  TaskHandle task = spawn(loop, []() -> Task<> {
    const LiveObjects::One local;
    for (;;) static_cast<void>(co_await sleep(24h));
  });
  iterate();
  task.cancel();
  for (int i = 0; i < 100; ++i) iterate();
  EXPECT_FALSE(task.is_done());
  owned_loop.reset();
  EXPECT_EQ(LiveObjects::count(), 0);
}

TEST_F(CancelTest, WhatHasComeIsNotTakenBack) {
  TaskEvent event;
  std::vector<bool> results;
  TaskHandle task = spawn(loop, [&]() -> Task<> {
    results.push_back((co_await event.wait()).has_value());
    results.push_back((co_await event.wait()).has_value());
  });
  iterate();
  event.set();
  task.cancel();
  iterate_until_done(task);
  EXPECT_EQ(results, (std::vector<bool>{true, false}));
}

TEST_F(CancelTest, ATaskMayCancelItself) {
  TaskHandle task;
  bool slept = true;
  task = spawn(loop, [&]() -> Task<> {
    task.cancel();
    slept = (co_await sleep(0s)).has_value();
  });
  iterate_until_done(task);
  EXPECT_FALSE(slept);
}

TEST_F(CancelTest, ATaskMayDropAnother) {
  TaskHandle other = spawn(loop, forever());
  TaskHandle about_to_run = spawn(loop, [&]() -> Task<> { co_await forever(); });
  iterate();
  EXPECT_EQ(LiveObjects::count(), 2);
  about_to_run.cancel();
  run_task([&]() -> Task<> {
    other.drop();
    about_to_run.drop();
    EXPECT_EQ(LiveObjects::count(), 0);
    co_return;
  });
}

TEST_F(CancelTest, TheDropGoesFromTheTopDown) {
  std::vector<std::string> order;
  struct Named {
    std::vector<std::string>& order;
    std::string name;
    ~Named() { order.push_back(name); }
  };
  const auto inner = [&](const Named& outer) -> Task<> {
    const Named local{order, "inner of " + outer.name};
    static_cast<void>(co_await sleep(24h));
  };
  TaskHandle task = spawn(loop, [&]() -> Task<> {
    const Named local{order, "outer"};
    co_await inner(local);
  });
  iterate();
  task.drop();
  EXPECT_EQ(order, (std::vector<std::string>{"inner of outer", "outer"}));
}

}  // namespace
}  // namespace leat
