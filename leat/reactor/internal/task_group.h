// Internal: tasks that run beside each other while their caller waits.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <span>

#include "leat/reactor/internal/strand.h"
#include "leat/reactor/internal/task_promise.h"
#include "leat/reactor/internal/wait.h"

namespace leat::internal {

class TaskGroup;

/// The strand of one task of a group.
class Branch final : public Strand {
 public:
  Branch() = default;
  ~Branch() { destroy(); }

  void start_in(TaskGroup& group, PromiseBase*& task);
  [[nodiscard]] const std::exception_ptr& exception() const { return task_->exception(); }
  [[nodiscard]] bool is_running() const { return in_progress_; }

 private:
  void ended() noexcept override;

  TaskGroup* group_ = nullptr;
  const PromiseBase* task_ = nullptr;
  bool in_progress_ = false;
};

/// Starts all of its tasks and waits until the last of them has ended, whatever happens to it: so
/// none outlives the await. The first exception cancels the others and comes out of the await;
/// further ones are logged. On a strand that was cancelled its tasks start as cancelled.
class TaskGroup : public Wait {
 public:
  template <typename Promise>
  bool await_suspend(std::coroutine_handle<Promise> handle) {
    return begin_in(handle.promise().strand());
  }

  // For Branch.

  void branch_ended(Branch& branch) noexcept;
  [[nodiscard]] virtual bool shares_cancellation() const { return true; }
  using Wait::strand;

 protected:
  explicit TaskGroup(bool first_wins) : first_wins_(first_wins) {}
  ~TaskGroup() = default;

  /// The strands and how their tasks are held, in the same order. For each task one of both.
  [[nodiscard]] virtual std::span<Branch> branches() = 0;
  [[nodiscard]] virtual PromiseBase*& task(std::size_t index) = 0;

  bool begin() override;
  void cancel() override { cancel_branches(); }
  void cancel_branches();
  /// The last task has ended; the caller is about to go on.
  virtual void all_ended() {}

  /// Of the task that ended first, without an exception.
  [[nodiscard]] std::size_t winner() const { return *winner_; }
  void rethrow() const {
    if (exception_) std::rethrow_exception(exception_);
  }

 private:
  const bool first_wins_;
  std::size_t in_progress_ = 0;
  std::optional<std::size_t> winner_;
  std::exception_ptr exception_;
};

}  // namespace leat::internal
