// Public: Task<T>, what a coroutine returns.
#pragma once

#include <coroutine>
#include <utility>

#include "leat/base/assert.h"
#include "leat/reactor/internal/task_promise.h"

namespace leat {

namespace internal {
class TaskAccess;
}

/// A coroutine that has not begun, and later its result. docs/coroutines.md is the guide,
/// docs/decisions/coroutines.md the reasons.
///
///     leat::Task<int> answer(std::string question) {
///       co_await leat::sleep(7500000 * 365 * 24h);
///       co_return 42;
///     }
///
/// Nothing runs before the task is awaited by another one (`co_await answer("...")`, or of a named
/// one `co_await std::move(task)`) or given to spawn(), when_all() and their like. Once only. It
/// then runs on the loop of whoever awaits, and the await yields what it returns with co_return: a
/// T, which may be a type that only moves, or a reference. An exception that leaves it comes out
/// of the await. Neither the number of awaits nor their depth uses up the machine's stack.
///
/// Parameters are kept in the coroutine as they are declared: by value, or by a reference to what
/// must live until the task has ended. A lambda's captures are the lambda's, not the coroutine's.
/// Calling a coroutine throws std::bad_alloc without memory for its frame.
///
/// A task that was never begun may be destroyed anywhere. One in progress belongs to its caller.
template <typename T = void>
class [[nodiscard]] Task {
 public:
  using value_type = T;
  using promise_type = internal::TaskPromise<T>;

  /// No coroutine: must not be awaited.
  Task() = default;
  Task(Task&& other) noexcept : promise_(std::exchange(other.promise_, nullptr)) {
    LEAT_ASSERT(!is_in_progress(), "a task was moved while it was in progress");
  }
  Task& operator=(Task&& other) noexcept {
    Task old(std::move(*this));
    promise_ = std::exchange(other.promise_, nullptr);
    LEAT_ASSERT(!is_in_progress(), "a task was moved while it was in progress");
    return *this;
  }
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  ~Task() {
    LEAT_ASSERT(!is_in_progress(), "a task was destroyed while it was in progress");
    if (promise_ != nullptr) promise_->destroy();
  }

  /// Whether there is a coroutine.
  explicit operator bool() const { return promise_ != nullptr; }

 private:
  friend promise_type;
  friend class internal::TaskAwait<T>;
  friend class internal::TaskAccess;

  explicit Task(promise_type& promise) : promise_(&promise) {}

  [[nodiscard]] bool is_in_progress() const {
    return promise_ != nullptr && promise_->is_in_progress();
  }
  [[nodiscard]] promise_type& promise() const { return static_cast<promise_type&>(*promise_); }

  internal::PromiseBase* promise_ = nullptr;
};

namespace internal {

template <typename T>
Task<T> TaskPromise<T>::get_return_object() {
  set_handle(std::coroutine_handle<TaskPromise>::from_promise(*this));
  return Task<T>(*this);
}

/// For those who run tasks otherwise than by co_await.
class TaskAccess {
 public:
  template <typename T>
  [[nodiscard]] static PromiseBase*& slot(Task<T>& task) {
    return task.promise_;
  }
  template <typename T>
  [[nodiscard]] static T take_result(Task<T>& task) {
    return task.promise().take_result();
  }
};

}  // namespace internal
}  // namespace leat
