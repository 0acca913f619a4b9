// Internal: what the tests of coroutines share.
#pragma once

#include <utility>

#include <gtest/gtest.h>

#include "leat/base/assert.h"
#include "leat/reactor/sleep.h"
#include "leat/reactor/spawn.h"
#include "leat/reactor/task.h"
#include "leat/reactor/task_event.h"

#include "tests/reactor/loop_test.h"

namespace leat::test {

/// Counts the objects of which a test wants to know that they are destroyed, each once.
class LiveObjects {
 public:
  class One {
   public:
    One() : self_(this) { ++count_; }
    One(const One&) : One() {}
    One& operator=(const One&) = default;
    ~One() {
      // A compiler that copies a temporary byte by byte, or destroys it twice, is found here.
      EXPECT_EQ(self_, this);
      self_ = nullptr;
      --count_;
    }

   private:
    const One* self_;
  };

  [[nodiscard]] static int count() { return count_; }

 private:
  static inline thread_local int count_ = 0;
};

/// A task that does nothing.
inline Task<> nothing() {
  co_return;
}

class TaskLoopTest : public LoopTest {
 protected:
  /// Runs the loop until the task has ended; what leaves it leaves this.
  template <typename T>
  void run_task(T&& task) {
    const TaskHandle handle = spawn(loop, std::forward<T>(task));
    TaskHandle end = spawn(loop, [&]() -> Task<> {
      static_cast<void>(co_await handle.join());
      loop.quit();
    });
    run();
    EXPECT_TRUE(end.is_done());
  }
  /// Runs iterations until the task has ended.
  void iterate_until_done(const TaskHandle& task) {
    for (int i = 0; i < 100000 && !task.is_done(); ++i) iterate();
    EXPECT_TRUE(task.is_done());
  }
};

}  // namespace leat::test
