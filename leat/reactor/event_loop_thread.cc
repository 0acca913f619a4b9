#include "leat/reactor/event_loop_thread.h"

#include <cerrno>
#include <memory>
#include <new>
#include <utility>

#include "leat/base/assert.h"
#include "leat/base/logging.h"
#include "leat/reactor/internal/service_thread.h"

namespace leat {

EventLoopThread::EventLoopThread(EventLoopThreadOptions options) : options_(std::move(options)) {}

EventLoopThread::~EventLoopThread() {
  stop();
}

Result<EventLoop*> EventLoopThread::start() {
  if (thread_.joinable()) return loop_;
  Result<std::thread> thread = internal::start_service_thread(options_.name, [this] { run(); });
  if (!thread) return std::move(thread).error();
  thread_ = std::move(*thread);

  std::unique_lock lock(mutex_);
  announced_.wait(lock, [this] { return started_.has_value(); });
  Started started = std::move(*started_);
  started_.reset();
  lock.unlock();
  if (started) {
    loop_ = *started;
  } else {
    thread_.join();
  }
  return started;
}

void EventLoopThread::quit() {
  // Through the handle, for the loop may have ended by itself.
  handle_.queue([loop = loop_] { loop->quit(); });
}

void EventLoopThread::stop() {
  if (!thread_.joinable()) return;
  LEAT_ASSERT(thread_.get_id() != std::this_thread::get_id(),
              "a loop's thread cannot await itself");
  quit();
  thread_.join();
  handle_ = {};
  loop_ = nullptr;
}

void EventLoopThread::run() {
  Result<std::unique_ptr<EventLoop>> made = make_loop();
  if (!made) {
    announce(std::move(made).error());
    return;
  }
  EventLoop& loop = **made;
  handle_ = loop.handle();
  guard(loop, [&] {
    if (options_.on_start) options_.on_start(loop);
  });
  announce(&loop);
  bool ended = false;
  while (!ended) {
    ended = guard(loop, [&] {
      const Result<void> result = loop.loop();
      if (!result) LEAT_LOG_ERROR("loop {} ended: {}", loop.name(), result.error().message());
    });
  }
}

Result<std::unique_ptr<EventLoop>> EventLoopThread::make_loop() {
  try {
    // Before the loop is made, so that its memory is near its CPU.
    if (!options_.cpus.empty()) {
      Result<void> pinned = options_.cpus.pin_current_thread();
      if (!pinned) return std::move(pinned).error();
    }
    return EventLoop::create(
        {.name = options_.name, .poller = options_.poller, .busy_poll = options_.busy_poll});
  } catch (const std::bad_alloc&) {
    // Nobody on this thread could take it; start() can.
    return Error::from_errno(ENOMEM, "make a loop");
  }
}

void EventLoopThread::announce(Started started) {
  const std::lock_guard lock(mutex_);
  started_ = std::move(started);
  announced_.notify_one();
}

bool EventLoopThread::guard(EventLoop& loop, const MoveOnlyFunction<void()>& part) {
  // Without a handler nothing is caught, so that the core file shows who threw.
  if (!options_.on_exception) {
    part();
    return true;
  }
  try {
    part();
    return true;
  } catch (...) {
    options_.on_exception(loop, std::current_exception());
    return false;
  }
}

}  // namespace leat
