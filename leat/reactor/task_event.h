// Public: makes a task wait for what a callback will tell.
#pragma once

#include "leat/base/result.h"
#include "leat/reactor/internal/linked_list.h"
#include "leat/reactor/internal/wait.h"

namespace leat {

class TaskEvent;

namespace internal {

struct EventTag;

class EventWait final : public Wait, public Link<EventTag> {
 public:
  explicit EventWait(TaskEvent& event) : event_(event) {}

  [[nodiscard]] Result<void> await_resume() const;

 private:
  friend class leat::TaskEvent;
  bool begin() override;
  void cancel() override;

  TaskEvent& event_;
};

}  // namespace internal

/// Set or not. Tasks wait until it is set; callbacks, or other tasks, set it. The bridge from any
/// callback to a task:
///
///     TaskEvent done;
///     pool.run(work, [&](Result<int> r) { result = std::move(r); done.set(); });
///     co_await done.wait();
///
/// Belongs to one loop's thread; another thread sets it by queue_in_loop().
class TaskEvent {
 public:
  TaskEvent() = default;
  /// Tasks that still wait go on with ECANCELED.
  ~TaskEvent();
  TaskEvent(const TaskEvent&) = delete;
  TaskEvent& operator=(const TaskEvent&) = delete;

  /// Lets all that wait go on, in step 5 of this iteration or the next, in the order in which they
  /// came; and those that will wait do not have to, until reset(). Never throws.
  void set();
  void reset() { is_set_ = false; }
  [[nodiscard]] bool is_set() const { return is_set_; }

  /// `co_await event.wait()`: until the event is set. Fails with ECANCELED only.
  [[nodiscard]] internal::EventWait wait() { return internal::EventWait(*this); }

 private:
  friend class internal::EventWait;
  bool is_set_ = false;
  internal::LinkedList<internal::EventWait, internal::EventTag> waits_;
};

}  // namespace leat
