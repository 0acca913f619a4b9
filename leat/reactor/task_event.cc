#include "leat/reactor/task_event.h"

namespace leat {

TaskEvent::~TaskEvent() {
  while (internal::EventWait* wait = waits_.pop_front()) wait->give_up();
}

void TaskEvent::set() {
  is_set_ = true;
  while (internal::EventWait* wait = waits_.pop_front()) wait->resume_later();
}

namespace internal {

bool EventWait::begin() {
  if (event_.is_set_) return false;
  event_.waits_.push_back(*this);
  return true;
}

void EventWait::cancel() {
  unlink();
  resume_soon();
}

Result<void> EventWait::await_resume() const {
  if (was_cancelled()) return cancelled("waiting for an event");
  return {};
}

}  // namespace internal
}  // namespace leat
