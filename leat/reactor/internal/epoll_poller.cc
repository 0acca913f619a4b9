#include "leat/reactor/internal/epoll_poller.h"

#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdint>
#include <ctime>

#include <fmt/core.h>

#include "leat/base/assert.h"
#include "leat/reactor/channel.h"

namespace leat::internal {

namespace {

// Grows up to the maximum when a poll fills it: a busy loop takes more events per system call.
constexpr std::size_t kInitialEvents = 64;
constexpr std::size_t kMaximumEvents = 1024;

timespec to_timespec(Duration timeout) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout);
  return {.tv_sec = static_cast<std::time_t>(seconds.count()),
          .tv_nsec = static_cast<long>((timeout - seconds).count())};
}

/// Rounded up: a wait that ends early would only spin until the timer is due.
int to_milliseconds(std::optional<Duration> timeout) {
  if (!timeout) return -1;
  const auto rounded = std::chrono::ceil<std::chrono::milliseconds>(*timeout).count();
  return static_cast<int>(std::min<decltype(rounded)>(rounded, INT_MAX));
}

}  // namespace

EpollPoller::EpollPoller(UniqueFd epoll_fd)
    : epoll_fd_(std::move(epoll_fd)), events_(kInitialEvents) {}

Result<std::unique_ptr<Poller>> EpollPoller::create() {
  UniqueFd epoll_fd(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_fd) return Error::from_errno(errno, "epoll_create1");
  return std::unique_ptr<Poller>(new EpollPoller(std::move(epoll_fd)));
}

Result<void> EpollPoller::update(Channel& channel) {
  // An exclusive registration cannot be modified (man 2 epoll_ctl, EINVAL): take it out first.
  if (channel.added() && channel.exclusive()) forget(channel);
  epoll_event event{};
  event.events = channel.events();
  if (channel.exclusive()) event.events = (event.events & (EPOLLIN | EPOLLOUT)) | EPOLLEXCLUSIVE;
  event.data.ptr = &channel;
  const int operation = channel.added() ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (::epoll_ctl(epoll_fd_.get(), operation, channel.fd(), &event) != 0) {
    return Error::from_errno(errno, fmt::format("epoll_ctl on descriptor {}", channel.fd()));
  }
  channel.set_registration(this);
  return {};
}

void EpollPoller::remove(Channel& channel) {
  const auto index = static_cast<std::size_t>(channel.ready_index());
  if (index < ready_.size() && ready_[index] == &channel) ready_[index] = nullptr;
  if (channel.added()) forget(channel);
}

void EpollPoller::forget(Channel& channel) {
  channel.set_registration(nullptr);
  [[maybe_unused]] const int removed =
      ::epoll_ctl(epoll_fd_.get(), EPOLL_CTL_DEL, channel.fd(), nullptr);
  LEAT_ASSERT(removed == 0, "a descriptor was closed before its Channel was removed");
}

Result<std::size_t> EpollPoller::poll(std::optional<Duration> timeout) {
  ready_.clear();
  // All memory before the wait: running out of it must lose no event.
  if (full_ && events_.size() < kMaximumEvents) events_.resize(events_.size() * 2);
  ready_.reserve(events_.size());
  const int count = wait(timeout);
  full_ = count == static_cast<int>(events_.size());
  if (count < 0) {
    if (errno == EINTR) return std::size_t{0};
    return Error::from_errno(errno, "epoll_wait");
  }
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events_[static_cast<std::size_t>(i)];
    auto* channel = static_cast<Channel*>(event.data.ptr);
    channel->set_ready(event.events, i);
    ready_.push_back(channel);
  }
  return ready_.size();
}

void EpollPoller::dispatch(Timestamp poll_return_time) {
  // By index: a callback may remove a later channel, which nulls its place.
  for (std::size_t i = 0; i < ready_.size(); ++i) {
    if (Channel* channel = ready_[i]) channel->handle_events(poll_return_time);
  }
}

namespace {

// Of linux/eventpoll.h, Linux 6.9.
struct EpollParams {
  std::uint32_t busy_poll_usecs;
  std::uint16_t busy_poll_budget;
  std::uint8_t prefer_busy_poll;
  std::uint8_t pad;
};
static_assert(sizeof(EpollParams) == 8);
constexpr unsigned long kSetParams = _IOW(0x8A, 0x01, EpollParams);

const char* why_no_busy_poll(int number) {
  switch (number) {
    case ENOTTY:
      return "needs Linux 6.9";
    case EOPNOTSUPP:
      return "this kernel was built without CONFIG_NET_RX_BUSY_POLL";
    case EPERM:
      return "a budget of more than 64 needs CAP_NET_ADMIN";
    default:
      return "refused";
  }
}

}  // namespace

Result<void> EpollPoller::set_busy_poll(const BusyPollOptions& options) {
  const auto time = options.time.count();
  if (time < 0 || time > INT32_MAX || options.budget < 0 || options.budget > UINT16_MAX) {
    return Error::invalid_argument("BusyPollOptions out of range");
  }
  EpollParams params{.busy_poll_usecs = static_cast<std::uint32_t>(time),
                     .busy_poll_budget = static_cast<std::uint16_t>(options.budget),
                     .prefer_busy_poll = options.prefer,
                     .pad = 0};
  if (::ioctl(epoll_fd_.get(), kSetParams, &params) == 0) return {};
  const int number = errno;
  return Error::from_errno(number == ENOTTY ? ENOTSUP : number,
                           fmt::format("busy polling of epoll ({})", why_no_busy_poll(number)));
}

int EpollPoller::wait(std::optional<Duration> timeout) {
  const int capacity = static_cast<int>(events_.size());
  // The old call takes no pointer to a time, so it is the cheaper one where both can do it.
  const bool exact = timeout.has_value() && *timeout > Duration::zero();
  if (exact && has_pwait2_) {
    const timespec limit = to_timespec(*timeout);
    const int count = ::epoll_pwait2(epoll_fd_.get(), events_.data(), capacity, &limit, nullptr);
    // EPERM: a container's seccomp profile that is older than the call.
    if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
    has_pwait2_ = false;
  }
  return ::epoll_wait(epoll_fd_.get(), events_.data(), capacity, to_milliseconds(timeout));
}

}  // namespace leat::internal
