#include "leat/reactor/internal/strand.h"

#include <utility>

#include "leat/base/assert.h"
#include "leat/reactor/internal/task_promise.h"
#include "leat/reactor/internal/task_runner.h"
#include "leat/reactor/internal/wait.h"

namespace leat::internal {

EventLoop& Strand::loop() const {
  return runner_->loop();
}

void Strand::start(TaskRunner& runner, PromiseBase*& task) {
  LEAT_ASSERT(top_ == nullptr, "a strand was started twice");
  runner_ = &runner;
  push(task);
}

void Strand::push(PromiseBase*& task) noexcept {
  LEAT_ASSERT(task != nullptr, "a task without a coroutine was awaited");
  LEAT_ASSERT(!task->is_in_progress() && !task->is_done(), "a task was awaited twice");
  task->enter(*this, top_, task);
  top_ = task;
}

void Strand::pop() noexcept {
  top_ = top_->leave();
}

void Strand::suspend(Wait& wait) noexcept {
  wait_ = &wait;
  suspended_ = true;
}

void Strand::stay() noexcept {
  wait_ = nullptr;
  suspended_ = false;
}

void Strand::run() noexcept {
  suspended_ = false;
  // Coroutines that call or end return to here, so the machine's stack is the same for each.
  while (top_ != nullptr && !suspended_) top_->resume();
  if (top_ == nullptr) ended();
}

void Strand::cancel() {
  if (std::exchange(cancelled_, true)) return;
  if (wait_ != nullptr) wait_->cancel_from_strand();
}

void Strand::destroy() noexcept {
  // A destructor of a coroutine's locals may come here again.
  if (top_ == nullptr || std::exchange(destroying_, true)) return;
  LEAT_ASSERT(runner_->running() != this, "a task was destroyed by itself");
  unlink();
  wait_ = nullptr;
  while (top_ != nullptr) {
    PromiseBase* task = top_;
    top_ = task->leave();
    task->destroy_on_strand();
  }
  destroying_ = false;
}

}  // namespace leat::internal
