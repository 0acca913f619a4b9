// Internal: a stack of coroutines, of which the top one runs or waits.
#pragma once

#include <exception>

#include "leat/reactor/internal/linked_list.h"

namespace leat {

class EventLoop;

namespace internal {

class PromiseBase;
class TaskRunner;
class Wait;
struct ReadyTag;

/// A task and those that it called: each awaits the one above it. The frames lie on the heap; the
/// strand only knows the top one, and each the one below.
///
///     top_ -> [ read | ] -> [ read_line | ] -> [ serve | ] -> null
///               |
///     wait_ ----+  what its top waits for, if anything
///
/// Belongs to one loop, on whose thread all of it is used. Destroying it destroys the coroutines,
/// the top one first, for each may refer to locals of the one below; in a loop, because a chain of
/// destructors would need as much stack as the chain is long.
class Strand : public Link<ReadyTag> {
 public:
  Strand() = default;
  Strand(const Strand&) = delete;
  Strand& operator=(const Strand&) = delete;

  /// Puts `task` (the pointer by which its owner holds it) on the empty stack. It runs when the
  /// runner resumes the strand.
  void start(TaskRunner& runner, PromiseBase*& task);
  /// Every wait yields ECANCELED from now on, the present one included.
  void cancel();
  [[nodiscard]] bool is_cancelled() const { return cancelled_; }
  /// Destroys the coroutines where they are suspended. Not while one of them runs.
  void destroy() noexcept;

  /// Only after start().
  [[nodiscard]] TaskRunner& runner() const { return *runner_; }
  [[nodiscard]] EventLoop& loop() const;

  // For coroutines: calling another, and ending. Then they must suspend.

  void push(PromiseBase*& task) noexcept;
  void pop() noexcept;

  // For Wait.

  /// The top coroutine suspends for `wait`.
  void suspend(Wait& wait) noexcept;
  /// It does not, after all.
  void stay() noexcept;
  [[nodiscard]] bool waits_for(const Wait& wait) const { return wait_ == &wait; }
  /// What it waited for has come, or does not matter any more.
  void stop_waiting() noexcept { wait_ = nullptr; }

  // For TaskRunner.

  /// Resumes the top coroutine, and so on until one waits or none is left.
  void run() noexcept;

 protected:
  /// A derived class whose members the coroutines use calls destroy() itself.
  ~Strand() { destroy(); }
  /// The last coroutine has ended. May destroy the strand.
  virtual void ended() noexcept = 0;

 private:
  TaskRunner* runner_ = nullptr;
  PromiseBase* top_ = nullptr;
  Wait* wait_ = nullptr;
  bool suspended_ = false;
  bool cancelled_ = false;
  bool destroying_ = false;
};

}  // namespace internal
}  // namespace leat
