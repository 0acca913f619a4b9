#include "leat/reactor/internal/task_group.h"

#include "leat/base/logging.h"
#include "leat/reactor/internal/task_runner.h"

namespace leat::internal {

void Branch::start_in(TaskGroup& group, PromiseBase*& task) {
  group_ = &group;
  task_ = task;
  in_progress_ = true;
  TaskRunner& runner = group.strand().runner();
  start(runner, task);
  if (group.shares_cancellation() && group.strand().is_cancelled()) cancel();
  runner.resume(*this);
}

void Branch::ended() noexcept {
  in_progress_ = false;
  group_->branch_ended(*this);
}

bool TaskGroup::begin() {
  const std::span<Branch> all = branches();
  in_progress_ = all.size();
  for (std::size_t i = 0; i < all.size(); ++i) all[i].start_in(*this, task(i));
  return !all.empty();
}

void TaskGroup::cancel_branches() {
  for (Branch& branch : branches()) {
    if (branch.is_running()) branch.cancel();
  }
}

void TaskGroup::branch_ended(Branch& branch) noexcept {
  --in_progress_;
  const bool over = exception_ != nullptr || winner_.has_value();
  if (branch.exception() && exception_) {
    LEAT_LOG_ERROR("an exception of a coroutine is lost: another one of its group came first");
  } else if (branch.exception()) {
    exception_ = branch.exception();
  } else if (!winner_) {
    winner_ = static_cast<std::size_t>(&branch - branches().data());
  }
  if (in_progress_ == 0) {
    all_ended();
    resume();
  } else if (exception_ || (first_wins_ && !over)) {
    cancel_branches();
  }
}

}  // namespace leat::internal
