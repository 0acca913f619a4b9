// Public: starting tasks.
#pragma once

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

#include "leat/base/result.h"
#include "leat/reactor/internal/root_task.h"
#include "leat/reactor/task.h"

namespace leat {

class EventLoop;

/// Names a task that spawn() has started. Without its handle a task goes on by itself. All methods
/// and the destructor belong to the loop's thread while the loop lives; afterwards the task is
/// done.
class TaskHandle {
 public:
  /// Names no task: it is done.
  TaskHandle() = default;
  TaskHandle(TaskHandle&&) noexcept = default;
  TaskHandle& operator=(TaskHandle&& other) noexcept;
  TaskHandle(const TaskHandle&) = delete;
  TaskHandle& operator=(const TaskHandle&) = delete;
  /// Lets the task go on alone. If an exception has ended it that no join() took, that leaves
  /// EventLoop::loop().
  ~TaskHandle() { detach(); }

  /// It has ended, or was dropped.
  [[nodiscard]] bool is_done() const { return task_ == nullptr || task_->is_done(); }

  /// What the task waits for, now and from now on, yields ECANCELED, and so what it awaits in
  /// when_all() and the like. It goes on in step 5, not inside this call. Nothing if it is done.
  void cancel();

  /// Destroys the task where it waits: the destructors of its locals run now, the innermost call's
  /// first, and no code of it otherwise. For owners that are destroyed and cannot wait for
  /// cancel(). Not from inside the task itself. Nothing if it is done.
  void drop();

  /// `co_await handle.join()` waits for the end, in another task of the same loop, and yields
  /// success; or the exception that ended the task comes out of it. Fails with ECANCELED if the
  /// awaiting task was cancelled, or this one dropped. The handle may be destroyed meanwhile.
  [[nodiscard]] internal::JoinWait join() const;

 private:
  friend TaskHandle spawn(EventLoop& loop, Task<> task);
  explicit TaskHandle(std::shared_ptr<internal::RootTask> task) : task_(std::move(task)) {}
  void detach();

  std::shared_ptr<internal::RootTask> task_;
};

/// Starts a task on `loop`, on its thread (from others: EventLoop::queue_in_loop()). It begins in
/// step 5 of this iteration or the next, never inside this call, and lives until it has ended;
/// what is left when the loop is destroyed is dropped there before anything else. An exception out
/// of it goes to join(); if nobody joins it leaves EventLoop::loop(), like one out of any of the
/// loop's tasks. Throws std::bad_alloc without memory, and the task is destroyed unrun.
TaskHandle spawn(EventLoop& loop, Task<> task);

namespace internal {

template <typename F>
Task<> keep_and_call(F function) {
  co_await function();
}

}  // namespace internal

/// The same for a coroutine without arguments, a lambda say, whose captures are kept with it.
template <typename F>
  requires std::same_as<std::invoke_result_t<std::decay_t<F>&>, Task<>>
TaskHandle spawn(EventLoop& loop, F&& function) {
  return spawn(loop, internal::keep_and_call<std::decay_t<F>>(std::forward<F>(function)));
}

}  // namespace leat
