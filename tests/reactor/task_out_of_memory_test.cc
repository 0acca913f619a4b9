// A task for which memory runs out, at each allocation in turn.
#include <new>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "leat/reactor/when_all.h"
#include "leat/reactor/when_any.h"
#include "leat/reactor/with_timeout.h"

#include "tests/reactor/failing_allocator.h"
#include "tests/reactor/task_test_support.h"

namespace leat {
namespace {

using namespace std::chrono_literals;
using test::FailingAllocation;
using test::LiveObjects;

Task<int> number(LiveObjects::One) {
  static_cast<void>(co_await sleep(0s));  // up to a tick of the loop's timers
  co_return 1;
}

Task<> everything(EventLoop& loop, bool& completed) {
  const LiveObjects::One local;
  static_cast<void>(co_await yield());
  const int one = co_await number({});
  std::vector<Task<int>> tasks;
  for (int i = 0; i < 3; ++i) tasks.push_back(number({}));
  const std::vector<int> all = co_await when_all(std::move(tasks));
  static_cast<void>(co_await when_any(number({}), number({})));
  static_cast<void>(co_await with_timeout(1h, number({})));
  TaskHandle child = spawn(loop, test::nothing());
  static_cast<void>(co_await child.join());
  completed = one == 1 && all.size() == 3;
}

TEST(TaskOutOfMemoryTest, BadAllocGoesToWhoAsked) {
  int failures = 0;
  bool happened = true;
  for (std::size_t nth = 1; happened && !HasFailure(); ++nth) {
    SCOPED_TRACE(nth);
    auto loop = EventLoop::create().value();
    bool completed = false;
    bool thrown = false;
    {
      const FailingAllocation failing(nth);
      try {
        TaskHandle task = spawn(*loop, everything(*loop, completed));
        for (int i = 0; i < 1'000'000 && !task.is_done(); ++i) {
          loop->quit();
          static_cast<void>(loop->loop());
        }
        task = {};
        loop->quit();
        static_cast<void>(loop->loop());
      } catch (const std::bad_alloc&) {
        thrown = true;
      }
      happened = FailingAllocation::happened();
    }
    // It came out of spawn(), of the task, or of the loop itself, which then still has the task.
    EXPECT_EQ(completed, !thrown);
    EXPECT_EQ(thrown, happened);
    loop.reset();
    EXPECT_EQ(LiveObjects::count(), 0);
    failures += thrown ? 1 : 0;
  }
  EXPECT_GT(failures, 15);
}

}  // namespace
}  // namespace leat
