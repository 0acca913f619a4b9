#include "apps/leat/load_clock.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

namespace leat::app {

Result<std::unique_ptr<LoadClock>> LoadClock::create(EventLoop& loop, LoopTask ring) {
  UniqueFd fd(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!fd) return Error::from_errno(errno, "timerfd_create");
  std::unique_ptr<LoadClock> clock(new LoadClock(loop, std::move(fd), std::move(ring)));
  if (Result<void> watched = clock->channel_.enable_reading(); !watched) {
    return std::move(watched).error();
  }
  return clock;
}

LoadClock::LoadClock(EventLoop& loop, UniqueFd fd, LoopTask ring)
    : fd_(std::move(fd)), ring_(std::move(ring)), channel_(loop, fd_.get()) {
  channel_.on_read([this](Timestamp) {
    std::uint64_t expirations = 0;
    if (::read(fd_.get(), &expirations, sizeof expirations) < 0) return;
    time_ = {};
    ring_();
  });
}

void LoadClock::set(MonotonicTime time) {
  if (time == time_) return;
  time_ = time;
  const auto since = time.time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since);
  itimerspec spec{};
  spec.it_value.tv_sec = seconds.count();
  spec.it_value.tv_nsec = (since - seconds).count();
  ::timerfd_settime(fd_.get(), TFD_TIMER_ABSTIME, &spec, nullptr);
}

}  // namespace leat::app
