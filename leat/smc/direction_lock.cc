#include "leat/smc/direction_lock.h"

#include <linux/futex.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include <cerrno>

#include "leat/smc/internal/raw_syscall.h"

namespace leat::smc {
namespace {

using internal::raw_argument;
using internal::raw_syscall;

constexpr std::uint32_t kThreadBits = 22;
constexpr std::uint32_t kThreadMask = (1U << kThreadBits) - 1;
constexpr std::uint32_t kNamespaceMask = (1U << 9U) - 1;
constexpr long kAskAfterNanoseconds = 10'000'000;

// Of a killed process that nobody has waited for, kill() says that it is there. Its memory is not:
// process_vm_readv() looks for that before it looks for permission (mm/process_vm_access.c,
// process_vm_rw_core: mm_access() finds none, ESRCH).
bool is_dead(std::uint32_t thread) {
  const long id = static_cast<long>(thread);
  if (raw_syscall(SYS_kill, id, 0) == -ESRCH) return true;
  char byte = 0;
  iovec mine{&byte, 1};
  iovec theirs{nullptr, 1};
  return raw_syscall(SYS_process_vm_readv, id, raw_argument(&mine), 1, raw_argument(&theirs), 1,
                     0) == -ESRCH;
}

bool is_dead_owner(std::uint32_t owner, std::uint32_t self) {
  return (owner ^ self) >> kThreadBits == 0 && is_dead(owner & kThreadMask);
}

}  // namespace

std::uint32_t DirectionLock::this_thread() {
  const auto thread = static_cast<std::uint32_t>(raw_syscall(SYS_gettid)) & kThreadMask;
  // The namespace's inode, as /proc names it; without /proc all are one.
  struct statx about = {};
  const char* path = "/proc/self/ns/pid";
  std::uint32_t space = 0;
  if (raw_syscall(SYS_statx, -100 /* AT_FDCWD */, raw_argument(path), 0, STATX_INO,
                  raw_argument(&about)) == 0) {
    // Namespaces are numbered one after another (proc_alloc_inum): neighbours differ.
    space = static_cast<std::uint32_t>(about.stx_ino) & kNamespaceMask;
  }
  return space << kThreadBits | thread;
}

LockResult DirectionLock::lock_slowly(std::uint32_t self) {
  std::uint32_t seen = word_.load(std::memory_order_relaxed);
  for (;;) {
    if (seen == 0) {
      // Others may wait as this thread did: the next unlock() shall look.
      if (word_.compare_exchange_weak(seen, self | kWaiters, std::memory_order_acquire,
                                      std::memory_order_relaxed)) {
        return LockResult::kTaken;
      }
      continue;
    }
    const std::uint32_t owner = seen & ~kWaiters;
    if (owner == self) return LockResult::kHeldByCaller;
    const std::uint32_t marked = owner | kWaiters;
    if (seen != marked && !word_.compare_exchange_weak(seen, marked, std::memory_order_relaxed)) {
      continue;
    }
    const timespec patience{0, kAskAfterNanoseconds};
    // Not FUTEX_PRIVATE_FLAG: the waker may be another process.
    const long woken = raw_syscall(SYS_futex, raw_argument(&word_), FUTEX_WAIT,
                                   static_cast<long>(marked), raw_argument(&patience));
    seen = word_.load(std::memory_order_relaxed);
    // Still the same: only then is it this owner that died, for nobody else takes it from a dead
    // one but by this exchange.
    if (woken == -ETIMEDOUT && seen == marked && is_dead_owner(owner, self) &&
        word_.compare_exchange_strong(seen, self | kWaiters, std::memory_order_acquire,
                                      std::memory_order_relaxed)) {
      return LockResult::kTakenFromDead;
    }
  }
}

void DirectionLock::wake_one() {
  raw_syscall(SYS_futex, raw_argument(&word_), FUTEX_WAKE, 1);
}

}  // namespace leat::smc
