#include "leat/reactor/with_timeout.h"

#include <utility>

#include "leat/reactor/event_loop.h"

namespace leat::internal {

bool TimeLimit::begin() {
  // First what can fail.
  timer_ = strand().loop().run_after(limit_, [this] {
    timer_ = {};
    is_over_ = !strand().is_cancelled();
    cancel_branches();
  });
  return SingleTask::begin();
}

void TimeLimit::disarm() {
  if (timer_.is_valid()) strand().loop().cancel(std::exchange(timer_, {}));
}

}  // namespace leat::internal
