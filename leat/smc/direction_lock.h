// Public: a lock in one word of shared memory that outlives whoever holds it.
#pragma once

#include <atomic>
#include <cstdint>

namespace leat::smc {

/// What an attempt to take the lock came to.
enum class LockResult : std::uint32_t {
  kTaken = 0,
  /// The owner died holding it. The caller has it now, and what it protects may be half done.
  kTakenFromDead = 1,
  /// This very thread holds it: the caller is a signal handler that came in between. A caller that
  /// knows better (its thread holds nothing, so the number of a dead thread was given out again)
  /// has the lock, and goes on as with kTakenFromDead.
  kHeldByCaller = 2,
  kBusy = 3,  ///< try_lock() only.
};

/// A view of such a word (EndControl::tx_lock, rx_lock), shared by all threads and processes that
/// hold the end. Zeroed memory is a free lock.
///
///      31      30           22 21                     0
///     +-------+---------------+------------------------+
///     |waiters| pid namespace | thread, 0: nobody      |   PID_MAX_LIMIT is 2^22
///     +-------+---------------+------------------------+
///
/// Uncontended: one compare-and-swap to take, one exchange to release. Not fair. Async-signal-safe,
/// allocates nothing, keeps errno, is no cancellation point.
///
/// Death: a waiter asks every 10 ms whether the owner still lives. Zombies are dead. Threads of
/// another pid namespace cannot be asked for by number, so they are never taken for dead: who dies
/// there with the lock in its hands leaves it taken. The same holds if the kernel gives the dead
/// owner's number to a new thread first, which takes a whole round of all numbers.
///
/// The word lies in memory that the peer may write. A peer that writes there harms its own
/// connection: waiters wait, or two threads of this end step on each other, which the bounds in
/// Sender and Receiver survive.
class DirectionLock {
 public:
  /// Identifies the calling thread, for as long as it lives and does not fork: callers keep it in
  /// thread-local storage and ask again in a forked child. Two system calls; any thread.
  [[nodiscard]] static std::uint32_t this_thread();

  explicit DirectionLock(std::atomic<std::uint32_t>& word) : word_(word) {}

  /// `self` is this_thread(). Waits as long as a living owner takes.
  [[nodiscard]] LockResult lock(std::uint32_t self) {
    std::uint32_t none = 0;
    if (word_.compare_exchange_strong(none, self, std::memory_order_acquire,
                                      std::memory_order_relaxed)) {
      return LockResult::kTaken;
    }
    return lock_slowly(self);
  }
  /// Never waits; finds no death.
  [[nodiscard]] LockResult try_lock(std::uint32_t self) {
    std::uint32_t seen = 0;
    if (word_.compare_exchange_strong(seen, self, std::memory_order_acquire,
                                      std::memory_order_relaxed)) {
      return LockResult::kTaken;
    }
    return (seen & ~kWaiters) == self ? LockResult::kHeldByCaller : LockResult::kBusy;
  }
  /// By the owner.
  void unlock() {
    if ((word_.exchange(0, std::memory_order_release) & kWaiters) != 0) wake_one();
  }
  [[nodiscard]] bool is_held_by(std::uint32_t self) const {
    return (word_.load(std::memory_order_relaxed) & ~kWaiters) == self;
  }

 private:
  static constexpr std::uint32_t kWaiters = 1U << 31U;
  LockResult lock_slowly(std::uint32_t self);
  void wake_one();

  std::atomic<std::uint32_t>& word_;
};

}  // namespace leat::smc
