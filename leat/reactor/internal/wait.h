// Internal: what a coroutine awaits that is not a task.
#pragma once

#include <coroutine>
#include <string_view>

#include "leat/base/result.h"
#include "leat/reactor/internal/task_promise.h"

namespace leat::internal {

/// Base of the awaitables that wait. One lies in the frame of the coroutine that awaits it, so
/// its address holds from begin() to its destruction, and it is destroyed when the await is over
/// or when the coroutine is destroyed where it waits. Its destructor has to take back what begin()
/// began; this one then forgets the strand.
///
///                     begin(): true             resume(), resume_later()
///     co_await  ------------------->  waiting  ------------------------->  await_resume()
///         |                              |
///         +-- false, nothing to wait for +-- cancel(), the coroutine's destruction
class Wait : public Awaitable {
 public:
  Wait() = default;
  Wait(const Wait&) = delete;
  Wait& operator=(const Wait&) = delete;

  template <typename Promise>
  bool await_suspend(std::coroutine_handle<Promise> handle) {
    return await_in(handle.promise().strand());
  }

  /// For Strand::cancel(), while the strand waits for this.
  void cancel_from_strand() {
    was_cancelled_ = true;
    cancel();
  }

 protected:
  ~Wait();

  /// Begins what is to be waited for; false if the coroutine need not suspend. May call
  /// resume_later(), not resume(). On a strand that was cancelled it is not called. What it throws
  /// comes out of the await.
  virtual bool begin() = 0;
  /// The strand was cancelled. Take back what begin() began, and end by resume_soon().
  virtual void cancel() = 0;

  [[nodiscard]] bool was_cancelled() const { return was_cancelled_; }
  [[nodiscard]] bool is_waiting() const;
  /// Waits as if cancelled, for good; as cancel() ends, outside of a strand's cancellation.
  void give_up();
  /// ECANCELED while doing `what`.
  [[nodiscard]] static Error cancelled(std::string_view what);

  // The wait is over; see TaskRunner.

  void resume();
  void resume_later();
  void resume_soon();

  /// For waits that begin also on a cancelled strand: suspends and calls begin().
  bool begin_in(Strand& strand);
  [[nodiscard]] Strand& strand() const { return *strand_; }

 private:
  bool await_in(Strand& strand);

  Strand* strand_ = nullptr;
  bool was_cancelled_ = false;
};

}  // namespace leat::internal
