// Internal: a lock within the process that knows its owner.
#pragma once

#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>

#include <atomic>
#include <cstdint>

#include "leat/smc/internal/raw_syscall.h"

namespace leat::preload {

/// For what threads of one process share. Never held over a call that sleeps. A signal handler that
/// comes in while its own thread holds the lock does not get it, and does without.
///
///     state_: 0 free, 1 taken, 2 taken and somebody sleeps on it
class SetLock {
 public:
  /// False if this very thread holds it.
  [[nodiscard]] __attribute__((always_inline)) bool lock() {
    const void* const frame = __builtin_frame_address(0);
    std::uint32_t free = 0;
    if (!state_.compare_exchange_strong(free, 1, std::memory_order_acquire)) {
      if (owner_.load(std::memory_order_relaxed) == self()) return was_left(frame);
      wait();
    }
    owner_.store(self(), std::memory_order_relaxed);
    frame_ = frame;
    return true;
  }
  void unlock() {
    owner_.store(nullptr, std::memory_order_relaxed);
    if (state_.exchange(0, std::memory_order_release) == 2) futex(FUTEX_WAKE_PRIVATE, 1);
  }
  /// In a forked child, where the owner may not exist.
  void reset() {
    owner_.store(nullptr, std::memory_order_relaxed);
    state_.store(0, std::memory_order_relaxed);
  }

 private:
  // A handler left by siglongjmp(): what it had interrupted lay here, or below, where nothing is
  // any more. On a stack of its own a handler lies anywhere.
  bool was_left(const void* frame) {
    if (frame < frame_) return false;
    stack_t stack{};
    smc::internal::raw_syscall(SYS_sigaltstack, 0, smc::internal::raw_argument(&stack));
    if ((stack.ss_flags & SS_ONSTACK) != 0) return false;
    frame_ = frame;
    return true;
  }
  // An address that no other thread has; it stays the same in a forked child.
  static const void* self() {
    static thread_local char mark;
    return &mark;
  }
  void futex(int operation, std::uint32_t value) {
    smc::internal::raw_syscall(SYS_futex, smc::internal::raw_argument(&state_), operation, value);
  }
  void wait() {
    for (int i = 0; i < 100; ++i) {
      std::uint32_t free = 0;
      if (state_.compare_exchange_weak(free, 1, std::memory_order_acquire)) return;
    }
    while (state_.exchange(2, std::memory_order_acquire) != 0) futex(FUTEX_WAIT_PRIVATE, 2);
  }

  std::atomic<std::uint32_t> state_{0};
  std::atomic<const void*> owner_{nullptr};
  const void* frame_ = nullptr;  ///< The owner's place on its stack.
};

}  // namespace leat::preload
