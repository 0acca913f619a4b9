// Public: one thread's loop over descriptors, timers and tasks.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "leat/base/buffer_pool.h"
#include "leat/base/monotonic_time.h"
#include "leat/base/result.h"
#include "leat/base/timestamp.h"
#include "leat/reactor/internal/task_rounds.h"
#include "leat/reactor/loop_counters.h"
#include "leat/reactor/loop_handle.h"
#include "leat/reactor/loop_task.h"
#include "leat/reactor/poller.h"
#include "leat/reactor/timer_id.h"
#include "leat/reactor/timer_queue.h"

namespace leat {

class Channel;
namespace internal {
class LoopSource;
class TaskRunner;
}

struct EventLoopOptions {
  std::string name = "loop";  ///< For logs and counters.
  PollerKind poller = PollerKind::kDefault;
  BusyPollOptions busy_poll = {};  ///< Off; what cannot be had is an error of create().
};

/// The reactor. A loop belongs to the thread that made it, and must be destroyed there. One
/// iteration does, in this order (the numbers are a contract, docs/event-loop.md, as are the rules
/// of waking and of lifetime there; tests hold each):
///
///   1. Wait until a channel is ready, a timer is due or another thread wakes the loop; do not
///      wait if tasks are queued, actions of at_iteration_end() wait, objects wait to be freed, or
///      quit() was called.
///   2. Read the clocks: now() and poll_return_time() stand still until the next wait.
///   3. Call the ready channels, in the order that the poller reported them; then take what came
///      through shared memory.
///   4. Fire the timers that are due at now().
///   5. Run the tasks that were queued before this step began, then the coroutines that were made
///      to go on.
///   6. Run the actions of at_iteration_end(), such as writing what connections have gathered.
///   7. Free what was given to release_later().
///   8. Return if quit() was called.
///
/// An exception that leaves a callback leaves loop() with nothing lost: tasks not yet run,
/// channels not yet called and timers not yet fired are served when loop() is called again.
class EventLoop {
 public:
  /// Fails with EMFILE, ENFILE or ENOMEM, and as Poller::set_busy_poll(). Blocks SIGPIPE on the
  /// calling thread, for good: a write to a broken connection is an error there, and must not end
  /// the process.
  [[nodiscard]] static Result<std::unique_ptr<EventLoop>> create(EventLoopOptions options = {});

  /// Drops the coroutines, runs the at_exit() callbacks, last one first, then destroys unrun what
  /// is still queued.
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Running.

  /// Runs until quit(). May be called again afterwards. Fails only if the poller does, which
  /// means that the kernel refused the wait itself.
  Result<void> loop();

  /// Ends loop() at the end of the present iteration; before loop(), makes it run one iteration
  /// that does not wait. Requests made until loop() returns count as one, which it consumes. From
  /// any thread, while the loop lives; for later, queue it through a handle().
  void quit();

  // Tasks.

  /// Runs `task` now if called on the loop's thread, otherwise as queue_in_loop(). From any thread,
  /// while the loop lives.
  void run_in_loop(LoopTask task);

  /// Runs `task` in step 5 of this iteration or the next; wakes the loop at once, also if it is
  /// not running yet. Tasks run in the order in which they were queued, also those of different
  /// threads if one knew of the other's. From any thread, while the loop lives; see handle().
  void queue_in_loop(LoopTask task);

  /// For other threads that may outlive the loop.
  [[nodiscard]] LoopHandle handle() const;

  // Timers, on the loop's thread. Accurate to TimerQueue::kTick and never early.

  TimerId run_at(MonotonicTime deadline, LoopTask callback);
  TimerId run_after(Duration delay, LoopTask callback);
  /// First after `interval`, then every `interval` (> 0).
  TimerId run_every(Duration interval, LoopTask callback);
  /// False if there was nothing left to cancel.
  bool cancel(TimerId timer);

  // Time, on the loop's thread.

  /// The monotonic time of step 2: free to read, and as old as this iteration.
  [[nodiscard]] MonotonicTime now() const { return now_; }
  /// The date of step 2. Not read from its clock each time: a step of that shows within a
  /// millisecond.
  [[nodiscard]] Timestamp poll_return_time() const { return poll_return_time_; }

  // Lifetime, on the loop's thread.

  /// Keeps `object` until step 7, so that callbacks on the stack may still use it. Never throws;
  /// when memory has run out twice in a row, the object is never freed.
  void release_later(std::shared_ptr<void> object);
  /// Runs `action` once, in step 6 of this iteration (from step 6 on: of the next).
  void at_iteration_end(LoopTask action);
  /// Runs `callback` when the loop is destroyed; for what must not outlive it.
  using ExitId = std::uint64_t;
  ExitId at_exit(LoopTask callback);
  void cancel_at_exit(ExitId id);

  // Memory for the loop's thread.

  /// Blocks of kBlockSize bytes for data on its way; up to kFreeBlockBytes wait for their next use.
  [[nodiscard]] BufferPool& buffers() { return buffers_; }
  /// kScratchSize bytes that a callback may use until it returns; connections read into them.
  [[nodiscard]] std::span<char> scratch() { return scratch_; }
  static constexpr std::size_t kBlockSize = 16 * 1024;
  static constexpr std::size_t kFreeBlockBytes = 4 * 1024 * 1024;
  static constexpr std::size_t kScratchSize = 64 * 1024;

  // Queries.

  [[nodiscard]] bool is_in_loop_thread() const;
  void assert_in_loop_thread() const;
  [[nodiscard]] const std::string& name() const { return options_.name; }
  [[nodiscard]] const Poller& poller() const { return *poller_; }
  [[nodiscard]] Poller& poller() { return *poller_; }
  [[nodiscard]] const LoopCounters& counters() const { return counters_; }
  /// Armed timers. On the loop's thread.
  [[nodiscard]] std::size_t timer_count() const { return timers_.size(); }

  // For coroutines.

  [[nodiscard]] internal::TaskRunner& task_runner() { return *task_runner_; }

  // For shared memory, which no poller watches. On the loop's thread, outside step 1.

  void set_source(std::unique_ptr<internal::LoopSource> source);
  [[nodiscard]] internal::LoopSource* source() const { return source_.get(); }

  // For Channel.

  Result<void> update_channel(Channel& channel);
  void remove_channel(Channel& channel);

 private:
  EventLoop(EventLoopOptions options, std::unique_ptr<Poller> poller,
            std::shared_ptr<internal::LoopMailbox> mailbox);

  Result<void> watch_mailbox();
  Result<void> wait();
  Result<std::size_t> poll();
  void read_clocks();
  [[nodiscard]] std::optional<Duration> time_to_wait();
  void fire_timers();
  void run_tasks();
  void run_end_actions();
  void free_released();
  void run_exit_callbacks();

  const EventLoopOptions options_;
  const std::thread::id thread_;
  std::unique_ptr<Poller> poller_;
  std::shared_ptr<internal::LoopMailbox> mailbox_;
  std::unique_ptr<Channel> mailbox_channel_;
  MonotonicTime now_;
  Timestamp poll_return_time_;
  Timestamp date_;              // as it was read last
  MonotonicTime date_read_at_;  // less than a millisecond before now_
  TimerQueue timers_;
  std::size_t ready_ = 0;  // found by the last poll
  std::unique_ptr<internal::TaskRunner> task_runner_;
  std::unique_ptr<internal::LoopSource> source_;
  internal::TaskRounds end_actions_;
  std::vector<std::shared_ptr<void>> released_;  // always with room for one more, if there is any
  std::vector<std::shared_ptr<void>> releasing_;
  std::map<ExitId, LoopTask> exit_callbacks_;
  ExitId next_exit_id_ = 1;
  std::atomic<bool> quit_{false};
  bool looping_ = false;
  bool waited_ = false;  // in step 1 of this iteration
  LoopCounters counters_;
  BufferPool buffers_;
  std::vector<char> scratch_;
};

}  // namespace leat
