#include "leat/reactor/blocking_pool.h"

#include <cerrno>
#include <new>

#include "leat/base/assert.h"
#include "leat/reactor/internal/deadline.h"
#include "leat/reactor/internal/service_thread.h"

namespace leat {

BlockingPool::BlockingPool(BlockingPoolOptions options) : options_(std::move(options)) {
  LEAT_ASSERT(options_.threads > 0, "a BlockingPool needs a thread");
  LEAT_ASSERT(options_.max_queued > 0, "a BlockingPool hands work over through its queue");
}

BlockingPool::~BlockingPool() {
  std::deque<Job> unrun;
  Threads threads;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    unrun.swap(queue_);
    // Those that end now find themselves in `threads` all the same: splicing keeps iterators.
    threads.splice(threads.end(), threads_);
    threads.splice(threads.end(), ended_);
  }
  wake_up_.notify_all();
  unrun.clear();
  join_all(threads);
}

Result<void> BlockingPool::submit(Job job) {
  Threads ended;
  Result<void> queued;
  {
    const std::lock_guard lock(mutex_);
    queued = enqueue(job);
    ++(queued ? counters_.accepted : counters_.refused);
    ended.swap(ended_);
  }
  // Outside the lock: they have left it, but may not yet have returned.
  join_all(ended);
  return queued;
}

Result<void> BlockingPool::enqueue(Job& job) {
  if (stopping_) return Error::from_errno(ECANCELED, "queue of pool " + options_.name);
  if (queue_.size() >= options_.max_queued) {
    return Error::from_errno(EAGAIN, "queue of pool " + options_.name);
  }
  if (idle_ <= queue_.size() && threads_.size() < options_.threads) {
    Result<void> added = add_thread();
    // Fewer threads than wished are no failure.
    if (!added && threads_.empty()) return added;
  }
  queue_.push_back(std::move(job));
  wake_up_.notify_one();
  return {};
}

Result<void> BlockingPool::add_thread() {
  // Its place first, but apart: without a thread, or memory for one, it must not count.
  Threads made(1);
  const auto self = made.begin();
  Result<std::thread> thread =
      internal::start_service_thread(options_.name, [this, self] { work(self); });
  if (!thread) return std::move(thread).error();
  *self = std::move(*thread);
  threads_.splice(threads_.end(), made);
  return {};
}

void BlockingPool::work(Threads::iterator self) {
  while (Job job = next_job(self)) {
    const bool returned = job->execute();
    {
      const std::lock_guard lock(mutex_);
      ++counters_.finished;
      if (!returned) ++counters_.threw;
    }
    deliver(std::move(job));
  }
}

BlockingPool::Job BlockingPool::next_job(Threads::iterator self) {
  const MonotonicTime give_up = internal::deadline_after(monotonic_now(), options_.idle_time);
  std::unique_lock lock(mutex_);
  ++idle_;
  wake_up_.wait_until(lock, give_up, [this] { return stopping_ || !queue_.empty(); });
  --idle_;
  if (stopping_) return nullptr;
  if (queue_.empty()) {
    ended_.splice(ended_.end(), threads_, self);
    return nullptr;
  }
  Job job = std::move(queue_.front());
  queue_.pop_front();
  return job;
}

void BlockingPool::deliver(Job job) {
  const LoopHandle home = job->home();
  bool queued = false;
  try {
    queued = home.queue([result = std::move(job)] { result->deliver(); });
  } catch (const std::bad_alloc&) {
    // No place in the loop's queue: this thread can only count it.
  }
  if (queued) return;
  const std::lock_guard lock(mutex_);
  ++counters_.undelivered;
}

void BlockingPool::join_all(Threads& threads) {
  for (std::thread& thread : threads) thread.join();
  threads.clear();
}

BlockingPoolCounters BlockingPool::counters() const {
  const std::lock_guard lock(mutex_);
  BlockingPoolCounters counters = counters_;
  counters.queued = queue_.size();
  counters.threads = threads_.size();
  return counters;
}

}  // namespace leat
