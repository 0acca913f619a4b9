// Public: a thread with a loop.
#pragma once

#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "leat/base/cpu_set.h"
#include "leat/base/move_only_function.h"
#include "leat/base/result.h"
#include "leat/reactor/event_loop.h"

namespace leat {

struct EventLoopThreadOptions {
  /// The loop's name, and the thread's: the kernel keeps 15 bytes of it.
  std::string name = "loop";
  /// Where the thread may run; empty: wherever its maker may.
  CpuSet cpus = {};
  PollerKind poller = PollerKind::kDefault;
  BusyPollOptions busy_poll = {};
  /// Runs on the new thread when the loop exists, before it runs.
  MoveOnlyFunction<void(EventLoop&)> on_start = {};
  /// Takes an exception that left loop() (or on_start), on the loop's thread; the loop then goes
  /// on. Without it the exception leaves the thread, which ends the process (std::terminate).
  MoveOnlyFunction<void(EventLoop&, std::exception_ptr)> on_exception = {};
};

/// Makes a thread, and on it a loop, which runs until stop() or its own quit(). The thread blocks
/// all asynchronous signals, so that they reach the loop that has a SignalWatcher. All methods
/// belong to the thread that made the object, or to one at a time.
class EventLoopThread {
 public:
  explicit EventLoopThread(EventLoopThreadOptions options = {});
  /// Stops.
  ~EventLoopThread();
  EventLoopThread(const EventLoopThread&) = delete;
  EventLoopThread& operator=(const EventLoopThread&) = delete;

  /// Returns the loop when it exists and on_start has run. Gives the same loop again until stop().
  /// Fails if the thread or the loop cannot be made (EAGAIN, EMFILE, ENFILE, ENOMEM) or pinned
  /// (EINVAL: none of the CPUs can be had) or cannot poll as asked (see BusyPollOptions); then no
  /// thread is left. May be called after stop(), for a new loop.
  Result<EventLoop*> start();

  /// Asks the loop to end, and does not wait for it.
  void quit();

  /// Asks the loop to end, and returns when the loop is destroyed and the thread is gone: tasks
  /// queued before this call have run, later ones are destroyed unrun. Does nothing if not
  /// started. Not from the loop's own thread.
  void stop();

 private:
  using Started = Result<EventLoop*>;

  void run();
  Result<std::unique_ptr<EventLoop>> make_loop();
  void announce(Started started);
  /// Runs `part`; false if it threw and on_exception has taken that.
  bool guard(EventLoop& loop, const MoveOnlyFunction<void()>& part);

  EventLoopThreadOptions options_;
  std::thread thread_;
  LoopHandle handle_;
  EventLoop* loop_ = nullptr;
  std::mutex mutex_;
  std::condition_variable announced_;
  std::optional<Started> started_;  // guarded by mutex_
};

}  // namespace leat
