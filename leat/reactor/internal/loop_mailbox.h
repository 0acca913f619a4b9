// Internal: the tasks queued for a loop.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "leat/base/result.h"
#include "leat/base/unique_fd.h"
#include "leat/reactor/internal/task_rounds.h"
#include "leat/reactor/loop_task.h"

namespace leat::internal {

/// Shared by a loop and its handles, so it outlives the loop for those that still hold one.
///
/// The loop's own thread queues without a lock, unless tasks of others wait: then behind those, so
/// that a task which follows from another runs after it, whoever queued the two. A round takes the
/// loop's own first: they were queued while nobody else's waited.
///
/// Another thread wakes the loop only when it sleeps:
///
///     sender                                   loop
///     ------                                   ----
///     lock; push; has_tasks_ = true; unlock    sleeping_ = true
///     if sleeping_, and made it false:         if has_tasks_: do not wait
///       write the eventfd                      poll; sleeping_ = false
///
/// Either the sender sees sleeping_, or the loop sees has_tasks_: both sides write before they
/// read, in one total order (seq_cst). A sender that made sleeping_ false will write, and only
/// after a poll does the loop empty the eventfd; so whenever sleeping_ is false while the loop
/// sleeps, a write is on its way, and other senders may rely on it.
class LoopMailbox {
 public:
  [[nodiscard]] static Result<std::shared_ptr<LoopMailbox>> create();

  // From any thread. Who is not the loop must hold the mailbox by a pointer of its own: the task
  // may end the loop before the call returns.

  /// Queues and wakes. False once closed, and the task is destroyed.
  bool post(LoopTask task);
  /// Wakes the loop from its poll, or from its next one.
  void wake();
  [[nodiscard]] bool is_in_loop_thread() const;

  // From the loop's thread.

  /// Says that the loop is about to wait. True if it must not, because there are tasks.
  bool prepare_to_sleep();
  void woke_up();
  /// The tasks to run; those of other threads come in by collect().
  [[nodiscard]] TaskRounds& tasks() { return tasks_; }
  /// Begins a round with all that is queued.
  void collect();
  /// Empties the eventfd, so that it does not report again.
  void clear_wake_up();
  /// Refuses all further tasks and destroys those that are left, unrun.
  void close();
  [[nodiscard]] int fd() const { return event_fd_.get(); }

 private:
  explicit LoopMailbox(UniqueFd event_fd);

  UniqueFd event_fd_;
  std::atomic<std::thread::id> thread_;  // none once closed: ids are used again
  std::atomic<bool> sleeping_{false};
  std::atomic<bool> has_tasks_{false};  // posted_ is not empty; written under mutex_
  std::mutex mutex_;
  bool closed_ = false;           // guarded by mutex_
  std::vector<LoopTask> posted_;  // by other threads, and what followed; guarded by mutex_
  TaskRounds tasks_;              // the loop's thread only
};

}  // namespace leat::internal
