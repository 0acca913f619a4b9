#include "leat/reactor/internal/task_runner.h"

#include <exception>
#include <memory>

#include "leat/base/assert.h"
#include "leat/reactor/event_loop.h"
#include "leat/reactor/internal/root_task.h"

namespace leat::internal {

void TaskRunner::resume(Strand& strand) noexcept {
  loop_.assert_in_loop_thread();
  if (ended_) return;
  now_.push_back(strand);
  if (running_ == nullptr) run_now();
}

void TaskRunner::resume_later(Strand& strand) noexcept {
  loop_.assert_in_loop_thread();
  if (!ended_) later_.push_back(strand);
}

void TaskRunner::resume_soon(Strand& strand) noexcept {
  running_ != nullptr ? resume(strand) : resume_later(strand);
}

void TaskRunner::add(RootTask& task) {
  roots_.push_back(task);
}

void TaskRunner::fail(RootTask& task) {
  failed_.push_back(task);
}

void TaskRunner::run_now() noexcept {
  while (Strand* strand = now_.pop_front()) {
    running_ = strand;
    strand->run();
  }
  running_ = nullptr;
}

void TaskRunner::run_round() {
  // What they make go on in turn is for the next iteration.
  round_.take(later_);
  while (Strand* strand = round_.pop_front()) resume(*strand);
  if (RootTask* task = failed_.front()) std::rethrow_exception(task->forget_failure());
}

void TaskRunner::end() noexcept {
  LEAT_ASSERT(running_ == nullptr, "a loop was destroyed by a coroutine of its own");
  ended_ = true;
  while (RootTask* task = roots_.front()) task->loop_ended();
}

}  // namespace leat::internal
