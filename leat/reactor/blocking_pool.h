// Public: threads for work that blocks, whose results come back to a loop.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

#include "leat/base/monotonic_time.h"
#include "leat/base/result.h"
#include "leat/reactor/event_loop.h"
#include "leat/reactor/internal/blocking_job.h"
#include "leat/reactor/loop_handle.h"

namespace leat {

struct BlockingPoolOptions {
  std::string name = "blocking";  ///< Of the threads; the kernel keeps 15 bytes.
  std::size_t threads = 4;        ///< At most; at least 1. Made when they are needed.
  std::size_t max_queued = 1024;  ///< Work that waits for a thread; at least 1.
  Duration idle_time = std::chrono::seconds(30);  ///< After it, a thread without work ends.
};

/// What a pool has done so far, and holds now.
struct BlockingPoolCounters {
  std::uint64_t accepted = 0;     ///< run() that returned success
  std::uint64_t refused = 0;      ///< run() that failed
  std::uint64_t finished = 0;     ///< work that returned or threw
  std::uint64_t threw = 0;        ///< of these, the ones that threw
  std::uint64_t undelivered = 0;  ///< finished work whose loop was gone
  std::size_t queued = 0;         ///< now waiting for a thread
  std::size_t threads = 0;        ///< now alive
};

/// For what has no way to be asynchronous: cold files, getaddrinfo(3). A loop hands the work over,
/// goes on, and gets the result as a task.
///
/// Slow work of one kind (names) starves other kinds (files) that share its threads: make a pool
/// for each. The threads block all asynchronous signals. All methods from any thread.
class BlockingPool {
 public:
  explicit BlockingPool(BlockingPoolOptions options = {});
  /// Waits for the work that is running, and delivers its results; destroys queued work unrun, on
  /// the calling thread, without calling its `done`. Not from one of the pool's own threads.
  ~BlockingPool();
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  /// Runs `work()` on a thread of the pool, then `done(result)` in step 5 of an iteration of
  /// `home`; `done()` if `work` returns void. The result need only be movable. Work starts in the
  /// order of the calls.
  ///
  /// An exception out of `work` leaves home's loop() as if a task had thrown it there, and `done`
  /// is not called: what is to be handled, `work` catches and returns as a `Result`.
  ///
  /// Both callables are destroyed on home's thread after that. If the loop is gone by then, they
  /// and the result are destroyed on the pool's thread, and counted as undelivered.
  ///
  /// Fails with EAGAIN: max_queued is reached, or there is no thread and none can be made; with
  /// ECANCELED while the pool is destroyed. Then nothing is ever called.
  template <typename Work, typename Done>
  Result<void> run(LoopHandle home, Work&& work, Done&& done) {
    using Carrier = internal::BlockingJobOf<std::decay_t<Work>, std::decay_t<Done>>;
    return submit(std::make_unique<Carrier>(std::move(home), std::forward<Work>(work),
                                            std::forward<Done>(done)));
  }
  template <typename Work, typename Done>
  Result<void> run(EventLoop& home, Work&& work, Done&& done) {
    return run(home.handle(), std::forward<Work>(work), std::forward<Done>(done));
  }

  [[nodiscard]] BlockingPoolCounters counters() const;

 private:
  using Job = std::unique_ptr<internal::BlockingJob>;
  using Threads = std::list<std::thread>;

  Result<void> submit(Job job);
  Result<void> enqueue(Job& job);
  Result<void> add_thread();
  void work(Threads::iterator self);
  Job next_job(Threads::iterator self);
  void deliver(Job job);
  static void join_all(Threads& threads);

  const BlockingPoolOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable wake_up_;
  // All below guarded by mutex_.
  std::deque<Job> queue_;
  Threads threads_;
  Threads ended_;  // to be joined
  std::size_t idle_ = 0;
  bool stopping_ = false;
  BlockingPoolCounters counters_;
};

}  // namespace leat
