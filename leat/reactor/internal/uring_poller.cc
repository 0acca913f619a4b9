#include "leat/reactor/internal/uring_poller.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fmt/core.h>

#include "leat/base/assert.h"
#include "leat/reactor/channel.h"

namespace leat::internal {

/// The poll request of one channel; outlives it until the kernel has let go of the request. Always
/// either in flight or among those that wait to be armed, so there is one place that deletes it.
class UringPoller::Poll final : public UringOperation {
 public:
  Poll(UringPoller& poller, Channel& channel) : poller_(poller), channel_(&channel) {
    ++poller_.polls_;
  }
  ~Poll() override { --poller_.polls_; }

  void complete(int result, std::uint32_t /*flags*/) override {
    if (channel_ == nullptr) {
      delete this;
      return;
    }
    // First, for the callback may throw; it is looked at again only before the next wait.
    poller_.arm_later(*this);
    // The kernel's memory may run out while it begins to watch: that is no event.
    if (result == -ECANCELED || result == -ENOMEM || result == -EAGAIN) return;
    const auto events = result < 0 ? std::uint32_t{EPOLLERR} : static_cast<std::uint32_t>(result);
    channel_->set_ready(events, -1);
    channel_->handle_events(poller_.time_);
  }

 private:
  friend class UringPoller;

  UringPoller& poller_;
  Channel* channel_;  // null once it was removed
  std::uint32_t armed_events_ = 0;
  bool waiting_ = false;
};

Result<std::unique_ptr<Poller>> UringPoller::create() {
  Result<std::unique_ptr<Uring>> uring = Uring::create();
  if (!uring) return std::move(uring).error();
  return std::unique_ptr<Poller>(new UringPoller(std::move(*uring)));
}

UringPoller::UringPoller(std::unique_ptr<Uring> uring) : uring_(std::move(uring)) {}

UringPoller::~UringPoller() {
  // What is still in flight belongs to channels that were removed, and deletes itself.
  uring_.reset();
  for (Poll* poll : waiting_) delete poll;
}

namespace {

std::uint32_t events_of(const Channel& channel) {
  const std::uint32_t events = channel.events();
  // As in epoll: an exclusive wait is for input and output only.
  if (channel.exclusive()) return (events & (EPOLLIN | EPOLLOUT)) | EPOLLEXCLUSIVE;
  return events;
}

/// What epoll_ctl() refuses, io_uring would report as always ready.
Result<void> check_pollable(int fd) {
  struct stat status{};
  const auto refuse = [fd](int number) {
    return Error::from_errno(number, fmt::format("watching descriptor {}", fd));
  };
  if (::fstat(fd, &status) != 0) return refuse(errno);
  if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) return refuse(EPERM);
  return {};
}

}  // namespace

Result<void> UringPoller::update(Channel& channel) {
  auto* poll = static_cast<Poll*>(channel.registration());
  if (poll == nullptr) {
    Result<void> pollable = check_pollable(channel.fd());
    if (!pollable) return pollable;
    // Room for all polls at once: what is called again later must not fail for want of memory.
    if (waiting_.capacity() <= polls_) waiting_.reserve(std::max<std::size_t>(16, 2 * polls_));
    poll = new Poll(*this, channel);
    channel.set_registration(poll);
    arm_later(*poll);
  } else if (poll->in_flight() && poll->armed_events_ != events_of(channel)) {
    // If its answer is on its way already, this finds nothing, and it is armed anew afterwards.
    uring_->cancel(*poll);
  }
  return {};
}

void UringPoller::remove(Channel& channel) {
  auto* poll = static_cast<Poll*>(channel.registration());
  if (poll == nullptr) return;
  channel.set_registration(nullptr);
  poll->channel_ = nullptr;
  LEAT_ASSERT(::fcntl(channel.fd(), F_GETFD) != -1,
              "a descriptor was closed before its Channel was removed");
  if (!poll->in_flight()) return;
  // At once, for the descriptor may be closed next, and a request keeps its file open.
  uring_->cancel(*poll);
  uring_->flush();
}

void UringPoller::arm_later(Poll& poll) {
  if (poll.waiting_) return;
  waiting_.push_back(&poll);
  poll.waiting_ = true;
}

void UringPoller::arm_waiting() {
  for (Poll* poll : waiting_) {
    poll->waiting_ = false;
    if (poll->channel_ == nullptr) {
      if (!poll->in_flight()) delete poll;
    } else if (!poll->in_flight()) {
      arm(*poll);
    }
  }
  waiting_.clear();
}

void UringPoller::arm(Poll& poll) {
  poll.armed_events_ = events_of(*poll.channel_);
  io_uring_sqe& entry = uring_->entry();
  ::io_uring_prep_poll_add(&entry, poll.channel_->fd(), poll.armed_events_);
  uring_->submit(entry, poll);
}

Result<void> UringPoller::set_busy_poll(const BusyPollOptions& options) {
  return uring_->set_busy_poll(options);
}

Result<std::size_t> UringPoller::poll(std::optional<Duration> timeout) {
  arm_waiting();
  return uring_->poll(timeout);
}

void UringPoller::dispatch(Timestamp poll_return_time) {
  time_ = poll_return_time;
  uring_->dispatch();
}

}  // namespace leat::internal
