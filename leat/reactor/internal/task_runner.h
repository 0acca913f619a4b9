// Internal: runs the coroutines of one loop.
#pragma once

#include "leat/reactor/internal/linked_list.h"
#include "leat/reactor/internal/strand.h"

namespace leat {

class EventLoop;

namespace internal {

class RootTask;
struct RootTag;
struct FailedTag;

/// Every strand of a loop that can go on does so from here, one after the other and never one
/// inside the other, so that a strand which makes another go on does not stand on its stack.
/// Belongs to the loop, and is used on its thread.
class TaskRunner {
 public:
  explicit TaskRunner(EventLoop& loop) : loop_(loop) {}
  TaskRunner(const TaskRunner&) = delete;
  TaskRunner& operator=(const TaskRunner&) = delete;

  [[nodiscard]] EventLoop& loop() const { return loop_; }
  /// The strand that runs now, or null.
  [[nodiscard]] const Strand* running() const { return running_; }

  // Makes a strand go on that waits no more. After end() nothing does.

  /// Now, or after the strands that run now: for callbacks of the loop, and between strands.
  void resume(Strand& strand) noexcept;
  /// In step 5 of this iteration or the next: for calls of the user's.
  void resume_later(Strand& strand) noexcept;
  /// resume() if a strand runs, else resume_later(): for calls that are made once a strand.
  void resume_soon(Strand& strand) noexcept;

  // For spawn().

  [[nodiscard]] bool has_ended() const { return ended_; }
  void add(RootTask& task);
  /// Its exception leaves loop().
  void fail(RootTask& task);

  // For the loop.

  /// Whether step 5 has something to do.
  [[nodiscard]] bool has_work() const { return !later_.empty() || !failed_.empty(); }
  /// Step 5. Throws what nobody joined.
  void run_round();
  /// Destroys all tasks.
  void end() noexcept;

 private:
  using Strands = LinkedList<Strand, ReadyTag>;

  void run_now() noexcept;

  EventLoop& loop_;
  const Strand* running_ = nullptr;
  bool ended_ = false;
  Strands now_;
  Strands round_;
  Strands later_;
  LinkedList<RootTask, RootTag> roots_;
  LinkedList<RootTask, FailedTag> failed_;
};

}  // namespace internal
}  // namespace leat
