// Public: a task with a time limit, and one that cancellation spares.
#pragma once

#include <cerrno>
#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>

#include "leat/base/monotonic_time.h"
#include "leat/base/result.h"
#include "leat/reactor/internal/task_group.h"
#include "leat/reactor/task.h"
#include "leat/reactor/timer_id.h"

namespace leat {

namespace internal {

template <typename T>
struct ResultOf {
  using Type = Result<T>;
  static constexpr bool kIsResult = false;
};
template <typename T>
struct ResultOf<Result<T>> {
  using Type = Result<T>;
  static constexpr bool kIsResult = true;
};

/// A group of one task.
class SingleTask : public TaskGroup {
 protected:
  SingleTask() : TaskGroup(false) {}
  ~SingleTask() = default;
  [[nodiscard]] std::span<Branch> branches() final { return {&branch_, 1}; }
  /// For destructors of derived classes, which hold the task.
  void destroy_branch() { branch_.destroy(); }

 private:
  Branch branch_;
};

/// Cancels its task when the time is over.
class TimeLimit : public SingleTask {
 protected:
  explicit TimeLimit(Duration limit) : limit_(limit) {}
  ~TimeLimit() { disarm(); }
  [[nodiscard]] bool is_over() const { return is_over_; }
  [[nodiscard]] static Error timed_out() {
    return Error::from_errno(ETIMEDOUT, "a task's time limit");
  }

 private:
  bool begin() final;
  void all_ended() final { disarm(); }
  void disarm();

  const Duration limit_;
  TimerId timer_;
  bool is_over_ = false;
};

template <typename T>
class WithTimeout final : public TimeLimit {
 public:
  WithTimeout(Duration limit, Task<T>&& task) : TimeLimit(limit), task_(std::move(task)) {}
  ~WithTimeout() { destroy_branch(); }

  [[nodiscard]] typename ResultOf<T>::Type await_resume() {
    this->rethrow();
    if constexpr (ResultOf<T>::kIsResult) {
      T result = TaskAccess::take_result(task_);
      if (is_over() && !result && result.error().number() == ECANCELED) return timed_out();
      return result;
    } else if constexpr (std::is_void_v<T>) {
      if (is_over()) return timed_out();
      return {};
    } else {
      if (is_over()) return timed_out();
      return TaskAccess::take_result(task_);
    }
  }

 private:
  [[nodiscard]] PromiseBase*& task(std::size_t) override { return TaskAccess::slot(task_); }

  Task<T> task_;
};

template <typename T>
class Shield final : public SingleTask {
 public:
  explicit Shield(Task<T>&& task) : task_(std::move(task)) {}
  ~Shield() { destroy_branch(); }

  T await_resume() {
    this->rethrow();
    return TaskAccess::take_result(task_);
  }
  [[nodiscard]] bool shares_cancellation() const override { return false; }

 private:
  [[nodiscard]] PromiseBase*& task(std::size_t) override { return TaskAccess::slot(task_); }
  void cancel() override {}

  Task<T> task_;
};

}  // namespace internal

/// `auto line = co_await with_timeout(5s, read_line(connection));` When the time is over the task
/// is cancelled, and when it has ended the await fails with ETIMEDOUT. A Task<Result<U>> yields
/// its Result<U>, also after the time is over unless that is ECANCELED: so nothing is lost that it
/// has achieved. Any other Task<T> yields a Result<T>.
template <typename T>
[[nodiscard]] internal::WithTimeout<T> with_timeout(Duration limit, Task<T> task) {
  return internal::WithTimeout<T>(limit, std::move(task));
}

/// `co_await shield(say_goodbye(connection));` The cancellation of the awaiting task, past or to
/// come, does not reach this one. It should end soon by itself: give it a time limit inside. At
/// the loop's end it is dropped like any other.
template <typename T>
[[nodiscard]] internal::Shield<T> shield(Task<T> task) {
  return internal::Shield<T>(std::move(task));
}

}  // namespace leat
