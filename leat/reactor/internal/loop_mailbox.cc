#include "leat/reactor/internal/loop_mailbox.h"

#include <sys/eventfd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "leat/base/assert.h"
#include "leat/reactor/loop_handle.h"

namespace leat {

namespace internal {

LoopMailbox::LoopMailbox(UniqueFd event_fd)
    : event_fd_(std::move(event_fd)), thread_(std::this_thread::get_id()) {}

Result<std::shared_ptr<LoopMailbox>> LoopMailbox::create() {
  UniqueFd event_fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event_fd) return Error::from_errno(errno, "eventfd");
  return std::shared_ptr<LoopMailbox>(new LoopMailbox(std::move(event_fd)));
}

bool LoopMailbox::post(LoopTask task) {
  const bool in_loop_thread = is_in_loop_thread();
  // The loop's own need no lock, unless others' came before: then they go behind those.
  if (in_loop_thread && !has_tasks_.load()) {
    tasks_.push(std::move(task));
    return true;
  }
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return false;
    posted_.push_back(std::move(task));
    has_tasks_.store(true);
  }
  if (in_loop_thread) return true;
  if (sleeping_.load() && sleeping_.exchange(false)) wake();
  return true;
}

void LoopMailbox::wake() {
  const std::uint64_t one = 1;
  // EAGAIN means that the counter is full: the loop has been told.
  [[maybe_unused]] const auto written = ::write(event_fd_.get(), &one, sizeof one);
  LEAT_ASSERT(written == sizeof one || errno == EAGAIN, "the wake-up descriptor is broken");
}

bool LoopMailbox::is_in_loop_thread() const {
  return thread_.load(std::memory_order_relaxed) == std::this_thread::get_id();
}

bool LoopMailbox::prepare_to_sleep() {
  sleeping_.store(true);
  return has_tasks_.load();
}

// A sender that still reads true writes to the eventfd for nothing, no more.
void LoopMailbox::woke_up() {
  sleeping_.store(false, std::memory_order_relaxed);
}

void LoopMailbox::collect() {
  tasks_.begin_round();
  if (!has_tasks_.load()) return;
  const std::lock_guard lock(mutex_);
  tasks_.move_to_round(posted_);
  has_tasks_.store(false);
}

void LoopMailbox::clear_wake_up() {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto taken = ::read(event_fd_.get(), &count, sizeof count);
}

void LoopMailbox::close() {
  std::vector<LoopTask> posted;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    posted.swap(posted_);
  }
  thread_.store(std::thread::id(), std::memory_order_relaxed);
  tasks_.clear();
}

}  // namespace internal

LoopHandle::LoopHandle(std::shared_ptr<internal::LoopMailbox> mailbox)
    : mailbox_(std::move(mailbox)) {}

bool LoopHandle::queue(LoopTask task) const {
  return mailbox_ && mailbox_->post(std::move(task));
}

bool LoopHandle::is_in_loop_thread() const {
  return mailbox_ && mailbox_->is_in_loop_thread();
}

}  // namespace leat
