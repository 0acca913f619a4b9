// Internal: a timer that is exact to microseconds, for the start times of an open loop.
#pragma once

#include <memory>

#include "leat/base/monotonic_time.h"
#include "leat/base/result.h"
#include "leat/base/unique_fd.h"
#include "leat/reactor/channel.h"
#include "leat/reactor/loop_task.h"

namespace leat::app {

/// A timerfd(2). The loop's own timers are kept to 65 us, which would count as latency. Belongs to
/// the loop's thread.
class LoadClock {
 public:
  [[nodiscard]] static Result<std::unique_ptr<LoadClock>> create(EventLoop& loop, LoopTask ring);

  /// Rings once at `time`, at once if it has passed; replaces what was set before.
  void set(MonotonicTime time);

 private:
  LoadClock(EventLoop& loop, UniqueFd fd, LoopTask ring);

  UniqueFd fd_;
  LoopTask ring_;
  Channel channel_;
  MonotonicTime time_;
};

}  // namespace leat::app
