#include "leat/reactor/internal/root_task.h"

#include <cerrno>
#include <utility>

#include "leat/base/assert.h"
#include "leat/base/logging.h"
#include "leat/reactor/event_loop.h"
#include "leat/reactor/internal/task_runner.h"

namespace leat::internal {

void RootTask::start_on(TaskRunner& runner) {
  if (runner.has_ended()) {
    task_ = {};
    state_ = State::kDropped;
    return;
  }
  self_ = shared_from_this();
  runner.add(*this);
  start(runner, TaskAccess::slot(task_));
  runner.resume_later(*this);
}

void RootTask::cancel() {
  if (!is_done()) Strand::cancel();
}

void RootTask::drop() {
  if (is_done()) return;
  const std::shared_ptr<RootTask> keep = self_;
  destroy();
  finish(State::kDropped);
}

void RootTask::add_joiner(JoinWait& joiner) {
  claimed_ = true;
  joiners_.push_back(joiner);
}

void RootTask::handle_is_gone() {
  has_handle_ = false;
  if (is_done()) let_go();
}

void RootTask::ended() noexcept {
  exception_ = TaskAccess::slot(task_)->exception();
  finish(State::kEnded);
}

void RootTask::finish(State state) noexcept {
  state_ = state;
  task_ = {};
  while (JoinWait* joiner = joiners_.pop_front()) joiner->task_ended();
  if (!has_handle_) let_go();
}

/// Done, and without a handle.
void RootTask::let_go() noexcept {
  const std::shared_ptr<RootTask> keep = std::exchange(self_, nullptr);
  if (keep == nullptr) return;
  if (exception_ && !claimed_) {
    self_ = keep;
    runner().fail(*this);
  } else {
    Link<RootTag>::unlink();
  }
}

std::exception_ptr RootTask::forget_failure() {
  const std::shared_ptr<RootTask> keep = std::exchange(self_, nullptr);
  Link<FailedTag>::unlink();
  Link<RootTag>::unlink();
  return exception_;
}

void RootTask::loop_ended() noexcept {
  const std::shared_ptr<RootTask> keep = std::exchange(self_, nullptr);
  Link<RootTag>::unlink();
  Link<FailedTag>::unlink();
  if (!is_done()) {
    destroy();
    state_ = State::kDropped;
    task_ = {};
  } else if (exception_ && !claimed_) {
    LEAT_LOG_ERROR("an exception of a coroutine was not taken before its loop ended");
  }
}

Result<void> JoinWait::await_resume() {
  if (was_cancelled()) return cancelled("join");
  if (task_->exception()) std::rethrow_exception(task_->exception());
  if (task_->was_dropped()) return cancelled("join of a task that was dropped");
  return {};
}

bool JoinWait::begin() {
  if (task_->is_done()) {
    task_->claim();
    return false;
  }
  task_->add_joiner(*this);
  return true;
}

void JoinWait::cancel() {
  unlink();
  resume_soon();
}

}  // namespace leat::internal
