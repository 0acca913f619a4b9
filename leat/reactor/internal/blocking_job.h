// Internal: a piece of blocking work, its result and who gets it.
#pragma once

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "leat/reactor/loop_handle.h"

namespace leat::internal {

/// One allocation carries the work there and the result back, so that delivery needs no memory
/// of its own but a place in the loop's queue.
class BlockingJob {
 public:
  explicit BlockingJob(LoopHandle home) : home_(std::move(home)) {}
  virtual ~BlockingJob() = default;
  BlockingJob(const BlockingJob&) = delete;
  BlockingJob& operator=(const BlockingJob&) = delete;

  /// On a thread of the pool. Never throws: false if the work did, and deliver() then throws it.
  [[nodiscard]] bool execute() noexcept {
    try {
      work();
      return true;
    } catch (...) {
      exception_ = std::current_exception();
      return false;
    }
  }
  /// On the loop's thread.
  void deliver() {
    if (exception_) std::rethrow_exception(std::exchange(exception_, nullptr));
    done();
  }
  [[nodiscard]] const LoopHandle& home() const { return home_; }

 protected:
  virtual void work() = 0;
  virtual void done() = 0;

 private:
  const LoopHandle home_;
  std::exception_ptr exception_;
};

template <typename Work, typename Done>
class BlockingJobOf final : public BlockingJob {
 public:
  using Value = std::remove_cvref_t<std::invoke_result_t<Work&>>;

  template <typename W, typename D>
  BlockingJobOf(LoopHandle home, W&& work, D&& done)
      : BlockingJob(std::move(home)), work_(std::forward<W>(work)), done_(std::forward<D>(done)) {}

 private:
  void work() override {
    if constexpr (std::is_void_v<Value>) {
      work_();
    } else {
      value_.emplace(work_());
    }
  }
  void done() override {
    if constexpr (std::is_void_v<Value>) {
      done_();
    } else {
      done_(std::move(*value_));
    }
  }

  struct Nothing {};

  Work work_;
  Done done_;
  std::optional<std::conditional_t<std::is_void_v<Value>, Nothing, Value>> value_;
};

}  // namespace leat::internal
