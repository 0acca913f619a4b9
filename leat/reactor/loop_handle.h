// Public: a way to give work to a loop that may be gone.
#pragma once

#include <memory>

#include "leat/reactor/loop_task.h"

namespace leat {

namespace internal {
class LoopMailbox;
}

/// Names a loop from any thread, for as long as one likes: it does not keep the loop alive, and
/// what is queued after the loop's end is refused. Cheap to copy. All methods from any thread.
class LoopHandle {
 public:
  LoopHandle() = default;
  explicit LoopHandle(std::shared_ptr<internal::LoopMailbox> mailbox);

  /// Queues `task` as EventLoop::queue_in_loop() does. False if the loop is gone (or the handle
  /// is empty); the task is then destroyed on the caller's thread, without having run. True
  /// means it will run, or be destroyed unrun if the loop ends first.
  bool queue(LoopTask task) const;

  /// True on the thread of the loop, while it lives.
  [[nodiscard]] bool is_in_loop_thread() const;

 private:
  std::shared_ptr<internal::LoopMailbox> mailbox_;
};

}  // namespace leat
