#include "leat/reactor/sleep.h"

#include <utility>

#include "leat/reactor/event_loop.h"

namespace leat::internal {

SleepWait::~SleepWait() {
  if (timer_.is_valid()) strand().loop().cancel(timer_);
}

bool SleepWait::begin() {
  timer_ = strand().loop().run_after(delay_, [this] {
    timer_ = {};
    resume();
  });
  return true;
}

void SleepWait::cancel() {
  strand().loop().cancel(std::exchange(timer_, {}));
  resume_soon();
}

Result<void> SleepWait::await_resume() const {
  if (was_cancelled()) return cancelled("sleep");
  return {};
}

bool YieldWait::begin() {
  resume_later();
  return true;
}

Result<void> YieldWait::await_resume() const {
  if (was_cancelled()) return cancelled("yield");
  return {};
}

}  // namespace leat::internal
