// Public: what a coroutine can wait for without anybody else.
#pragma once

#include "leat/base/monotonic_time.h"
#include "leat/base/result.h"
#include "leat/reactor/internal/task_promise.h"
#include "leat/reactor/internal/wait.h"
#include "leat/reactor/timer_id.h"

namespace leat {

class EventLoop;

namespace internal {

class SleepWait final : public Wait {
 public:
  explicit SleepWait(Duration delay) : delay_(delay) {}
  ~SleepWait();

  [[nodiscard]] Result<void> await_resume() const;

 private:
  bool begin() override;
  void cancel() override;

  const Duration delay_;
  TimerId timer_;
};

class YieldWait final : public Wait {
 public:
  [[nodiscard]] Result<void> await_resume() const;

 private:
  bool begin() override;
  void cancel() override {}  // it is about to go on
};

/// Asks the strand, and does not wait.
template <auto kQuestion>
class StrandQuestion : public Awaitable {
 public:
  template <typename Promise>
  bool await_suspend(std::coroutine_handle<Promise> handle) noexcept {
    strand_ = &handle.promise().strand();
    return false;
  }
  [[nodiscard]] decltype(auto) await_resume() const { return (strand_->*kQuestion)(); }

 private:
  Strand* strand_ = nullptr;
};

}  // namespace internal

/// `co_await sleep(delay)`: as EventLoop::run_after(), never shorter. Fails with ECANCELED only.
[[nodiscard]] inline internal::SleepWait sleep(Duration delay) {
  return internal::SleepWait(delay);
}

/// `co_await yield()`: goes on in step 5 of the next iteration (of this one, if called in an
/// earlier step), so that the loop can serve others. For long work. Fails with ECANCELED only.
[[nodiscard]] inline internal::YieldWait yield() {
  return {};
}

/// `EventLoop& loop = co_await current_loop();` The loop that the task runs on.
[[nodiscard]] inline internal::StrandQuestion<&internal::Strand::loop> current_loop() {
  return {};
}

/// `co_await is_cancelled()`: whether the task was cancelled, for one that computes between waits.
[[nodiscard]] inline internal::StrandQuestion<&internal::Strand::is_cancelled> is_cancelled() {
  return {};
}

}  // namespace leat
