// Public: several loops, each on a thread of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "leat/base/cpu_set.h"
#include "leat/base/move_only_function.h"
#include "leat/base/result.h"
#include "leat/reactor/event_loop.h"
#include "leat/reactor/event_loop_thread.h"

namespace leat {

struct EventLoopThreadPoolOptions {
  /// Loop i is called name-i, and so is its thread.
  std::string name = "loop";
  /// Threads, each with a loop. 0: no thread, the base loop does the work.
  std::size_t count = 0;
  /// Loop i runs on cpus[i modulo their number]; empty: not pinned. See one_cpu_each().
  std::vector<CpuSet> cpus = {};
  PollerKind poller = PollerKind::kDefault;
  BusyPollOptions busy_poll = {};  ///< Of its own loops; the base loop is as it was made.
  /// Runs on each loop's thread before the loop runs, one after the other; for the base loop if
  /// there are no threads.
  MoveOnlyFunction<void(EventLoop&)> on_start = {};
  /// As in EventLoopThreadOptions, but called by all threads, also at the same time.
  MoveOnlyFunction<void(EventLoop&, std::exception_ptr)> on_exception = {};
};

/// The loops that share a program's work. Belongs to the base loop's thread; loop_for() and
/// loops() may be called from any thread between start() and stop().
class EventLoopThreadPool {
 public:
  explicit EventLoopThreadPool(EventLoop& base, EventLoopThreadPoolOptions options = {});
  /// Stops.
  ~EventLoopThreadPool();
  EventLoopThreadPool(const EventLoopThreadPool&) = delete;
  EventLoopThreadPool& operator=(const EventLoopThreadPool&) = delete;

  /// Starts all threads; does nothing if they run. If one fails, as EventLoopThread::start() does,
  /// those already started are stopped, and its error is returned.
  Result<void> start();

  /// Ends all loops and waits for their threads, as EventLoopThread::stop() does.
  void stop();

  /// The loops that do the work: those of the threads, or the base loop alone.
  [[nodiscard]] const std::vector<EventLoop*>& loops() const { return loops_; }
  /// One after the other.
  [[nodiscard]] EventLoop& next_loop();
  /// Always the same one for the same number, while the pool runs.
  [[nodiscard]] EventLoop& loop_for(std::uint64_t hash) const {
    return *loops_[hash % loops_.size()];
  }

  /// The number of CPUs that this thread may run on: a `count` that gives each its loop.
  [[nodiscard]] static std::size_t one_per_cpu();
  /// {0-3} becomes {0}, {1}, {2}, {3}: a `cpus` that spreads the loops over a set.
  [[nodiscard]] static std::vector<CpuSet> one_cpu_each(const CpuSet& set);

 private:
  Result<void> start_thread(std::size_t index);

  EventLoop& base_;
  EventLoopThreadPoolOptions options_;
  bool started_ = false;
  std::vector<std::unique_ptr<EventLoopThread>> threads_;
  std::vector<EventLoop*> loops_;
  std::size_t next_ = 0;
};

}  // namespace leat
