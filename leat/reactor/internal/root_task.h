// Internal: a task that spawn() has started.
#pragma once

#include <exception>
#include <memory>

#include "leat/base/result.h"
#include "leat/reactor/internal/linked_list.h"
#include "leat/reactor/internal/strand.h"
#include "leat/reactor/internal/wait.h"
#include "leat/reactor/task.h"

namespace leat::internal {

struct RootTag;
struct FailedTag;
struct JoinTag;
class JoinWait;

/// Keeps itself until its task has ended. A TaskHandle keeps it longer, and so does the runner
/// while there is an exception that nobody took.
class RootTask final : public Strand,
                       public Link<RootTag>,
                       public Link<FailedTag>,
                       public std::enable_shared_from_this<RootTask> {
 public:
  explicit RootTask(Task<> task) : task_(std::move(task)) {}
  ~RootTask() { destroy(); }

  /// On a loop that ends it does not start.
  void start_on(TaskRunner& runner);

  [[nodiscard]] bool is_done() const { return state_ != State::kInProgress; }
  [[nodiscard]] bool was_dropped() const { return state_ == State::kDropped; }
  [[nodiscard]] const std::exception_ptr& exception() const { return exception_; }
  void cancel();
  void drop();
  void add_joiner(JoinWait& joiner);
  /// join() has taken, or will take, the exception.
  void claim() { claimed_ = true; }
  void handle_is_gone();

  // For TaskRunner.

  void loop_ended() noexcept;
  /// Its exception, which is about to leave loop().
  [[nodiscard]] std::exception_ptr forget_failure();

 private:
  enum class State : std::uint8_t { kInProgress, kEnded, kDropped };

  void ended() noexcept override;
  void finish(State state) noexcept;
  void let_go() noexcept;

  Task<> task_;
  State state_ = State::kInProgress;
  bool has_handle_ = true;
  bool claimed_ = false;
  std::exception_ptr exception_;
  LinkedList<JoinWait, JoinTag> joiners_;
  std::shared_ptr<RootTask> self_;
};

/// co_await handle.join()
class JoinWait final : public Wait, public Link<JoinTag> {
 public:
  explicit JoinWait(std::shared_ptr<RootTask> task) : task_(std::move(task)) {}

  [[nodiscard]] Result<void> await_resume();
  /// For RootTask.
  void task_ended() { resume_soon(); }

 private:
  bool begin() override;
  void cancel() override;

  const std::shared_ptr<RootTask> task_;
};

}  // namespace leat::internal
