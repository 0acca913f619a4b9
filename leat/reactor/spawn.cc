#include "leat/reactor/spawn.h"

#include <utility>

#include "leat/base/assert.h"
#include "leat/reactor/event_loop.h"

namespace leat {

TaskHandle spawn(EventLoop& loop, Task<> task) {
  loop.assert_in_loop_thread();
  LEAT_ASSERT(task, "spawn() of no task");
  auto root = std::make_shared<internal::RootTask>(std::move(task));
  root->start_on(loop.task_runner());
  return TaskHandle(std::move(root));
}

TaskHandle& TaskHandle::operator=(TaskHandle&& other) noexcept {
  if (this != &other) {
    detach();
    task_ = std::move(other.task_);
  }
  return *this;
}

void TaskHandle::detach() {
  if (const auto task = std::move(task_)) task->handle_is_gone();
}

void TaskHandle::cancel() {
  if (task_ != nullptr) task_->cancel();
}

void TaskHandle::drop() {
  if (task_ != nullptr) task_->drop();
}

internal::JoinWait TaskHandle::join() const {
  LEAT_ASSERT(task_ != nullptr, "join() of no task");
  return internal::JoinWait(task_);
}

}  // namespace leat
