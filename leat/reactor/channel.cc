#include "leat/reactor/channel.h"

#include <sys/epoll.h>

#include <new>
#include <utility>

#include "leat/base/assert.h"
#include "leat/base/logging.h"
#include "leat/reactor/event_loop.h"

namespace leat {

Channel::Channel(EventLoop& loop, int fd) : loop_(loop), fd_(fd) {}

Channel::~Channel() {
  LEAT_ASSERT(!handling_, "a Channel was destroyed by its own callback; use release_later()");
  remove();
}

std::uint32_t Channel::events() const {
  std::uint32_t events = 0;
  // EPOLLRDHUP comes with EPOLLIN for sockets; asking for it costs nothing and tells pipes too.
  if ((interest_ & kRead) != 0) events |= EPOLLIN | EPOLLPRI | EPOLLRDHUP;
  if ((interest_ & kWrite) != 0) events |= EPOLLOUT;
  return events;
}

Result<void> Channel::change(int interest) {
  loop_.assert_in_loop_thread();
  const auto wanted = static_cast<std::uint8_t>(interest);
  if (wanted == interest_) return {};
  if (wanted == 0) {
    remove();
    return {};
  }
  const std::uint8_t before = std::exchange(interest_, wanted);
  try {
    Result<void> updated = loop_.update_channel(*this);
    if (!updated) undo_change(before);
    return updated;
  } catch (const std::bad_alloc&) {
    undo_change(before);
    throw;
  }
}

void Channel::undo_change(std::uint8_t before) {
  // An exclusive registration is taken out before it is changed, so it may be gone altogether.
  if (added()) {
    interest_ = before;
  } else {
    remove();
  }
}

void Channel::remove() {
  if (interest_ == 0) return;
  loop_.assert_in_loop_thread();
  interest_ = 0;
  ready_events_ = 0;
  loop_.remove_channel(*this);
}

namespace {

/// Marks the channel as busy, also when a callback throws.
class HandlingScope {
 public:
  explicit HandlingScope(bool& handling) : handling_(handling) { handling_ = true; }
  ~HandlingScope() { handling_ = false; }
  HandlingScope(const HandlingScope&) = delete;
  HandlingScope& operator=(const HandlingScope&) = delete;

 private:
  bool& handling_;
};

}  // namespace

void Channel::handle_events(Timestamp poll_return_time) {
  const HandlingScope scope(handling_);
  const std::uint32_t events = ready_events_;
  const bool error = (events & EPOLLERR) != 0;
  // Hang-up with something left to read is for the reader, who finds the end behind it.
  const bool hang_up = (events & EPOLLHUP) != 0 && (events & EPOLLIN) == 0;

  // remove() forgets the events; to enable again afterwards does not bring them back.
  if (error && error_callback_) error_callback_();
  if (ready_events_ == 0) return;
  if (hang_up && close_callback_) close_callback_();
  if (ready_events_ == 0) return;

  const bool unclaimed = (error && !error_callback_) || (hang_up && !close_callback_);
  const bool readable = is_reading() && (events & (EPOLLIN | EPOLLPRI | EPOLLRDHUP)) != 0;
  if ((readable || unclaimed) && read_callback_) read_callback_(poll_return_time);
  if (ready_events_ == 0) return;
  const bool writable = is_writing() && (events & EPOLLOUT) != 0;
  if ((writable || (unclaimed && !read_callback_)) && write_callback_) write_callback_();
  if (ready_events_ == 0) return;

  const bool nobody_read = (readable || (unclaimed && !write_callback_)) && !read_callback_;
  if (nobody_read || (writable && !write_callback_)) stop_for_nobody(events);
}

void Channel::stop_for_nobody(std::uint32_t events) {
  LEAT_LOG_ERROR("loop {}: descriptor {} has events {:#x} that no callback takes: not watched",
                 loop_.name(), fd_, events);
  remove();
}

}  // namespace leat
