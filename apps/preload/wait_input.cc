#include "apps/preload/wait_input.h"

#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sys/single_threaded.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>

#include "leat/smc/internal/raw_syscall.h"

#include "apps/preload/connection.h"
#include "apps/preload/deadline.h"
#include "apps/preload/real.h"
#include "apps/preload/spinner.h"

namespace leat::preload {
namespace {

using smc::internal::raw_argument;
using smc::internal::raw_syscall;

/// After about so long it sleeps in TCP, which tells of a peer that has gone. A signal that is
/// handled between the two interrupts nothing, as one just before a recv() does: from the end of
/// the time to the thread's next instruction it is 70 us. There is one such moment in a call, and
/// it is another one each time, for a timer of the program's may be of any length: up to 34 ms
/// more.
constexpr std::int64_t kShortest = 50'000'000;
constexpr long kFutexWaitv = 449;  ///< SYS_futex_waitv, Linux 5.16.

/// include/uapi/linux/futex.h, which is older here than kernels are.
struct FutexWaiter {
  std::uint64_t value;
  std::uint64_t address;
  std::uint32_t flags;
  std::uint32_t reserved;
};
constexpr std::uint32_t kFutex32Bits = 2;

constinit std::atomic<bool> has_waitv{true};

timespec to_timespec(std::int64_t nanoseconds) {
  return {nanoseconds / 1'000'000'000, nanoseconds % 1'000'000'000};
}

void count(std::uint64_t& counter) {
  std::atomic_ref<std::uint64_t>(counter).fetch_add(1, std::memory_order_relaxed);
}

/// A thread that may be cancelled is so only while it sleeps in here: it holds nothing then.
class CancellationScope {
 public:
  CancellationScope() : is_alone_(__libc_single_threaded != 0) {
    if (!is_alone_) pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &before_);
  }
  ~CancellationScope() {
    if (!is_alone_) pthread_setcanceltype(before_, nullptr);
  }
  CancellationScope(const CancellationScope&) = delete;
  CancellationScope& operator=(const CancellationScope&) = delete;

 private:
  bool is_alone_;
  int before_ = PTHREAD_CANCEL_DEFERRED;
};

// A handler with SA_RESTART lets futex_waitv() go on and ends FUTEX_WAIT with a time limit by
// EINTR; so does recv(), without and with SO_RCVTIMEO (man 7 signal). Positive errno; 0: woken.
int sleep_on(std::atomic<std::uint32_t>& word, std::uint32_t value, std::int64_t until,
             bool has_limit) {
  const CancellationScope scope;
  if (has_limit) {
    const timespec left = to_timespec(std::max<std::int64_t>(until - Spinner::now(), 0));
    return static_cast<int>(
        -raw_syscall(SYS_futex, raw_argument(&word), FUTEX_WAIT, value, raw_argument(&left)));
  }
  const FutexWaiter waiter{value, reinterpret_cast<std::uintptr_t>(&word), kFutex32Bits, 0};
  const timespec end = to_timespec(until);
  const long result =
      raw_syscall(kFutexWaitv, raw_argument(&waiter), 1, 0, raw_argument(&end), CLOCK_MONOTONIC);
  return result >= 0 ? 0 : static_cast<int>(-result);
}

void learn_time_limit(int fd, InputWait& wait) {
  if (wait.asked) return;
  wait.asked = true;
  timeval limit{};
  socklen_t size = sizeof limit;
  if (raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, raw_argument(&limit),
                  raw_argument(&size)) != 0) {
    return;
  }
  const std::int64_t nanoseconds =
      std::int64_t{limit.tv_sec} * 1'000'000'000 + std::int64_t{limit.tv_usec} * 1000;
  if (nanoseconds != 0) wait.deadline = Spinner::now() + nanoseconds;
}

// TCP's own sleep. A doorbell ends it, and is left for the caller to eat.
int sleep_in_kernel(Connection& connection, int fd, const InputWait& wait) {
  int result = 0;
  connection.arm();
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (!connection.maybe_readable()) {
    const int kept = errno;
    if (wait.deadline == 0) {
      char byte = 0;
      if (real::recv(fd, &byte, 1, MSG_PEEK) < 0) {
        if (errno == EINTR) {
          result = EINTR;
        } else if (errno != EAGAIN) {
          // The kernel tells an error once (sock_error()): it is due when the rings are drained.
          connection.pending_error.store(errno, std::memory_order_relaxed);
        }
      }
    } else {
      pollfd one{fd, POLLIN | POLLRDHUP, 0};
      const timespec left = to_timespec(std::max<std::int64_t>(wait.deadline - Spinner::now(), 0));
      const int found = real::ppoll(&one, 1, &left, nullptr);
      if (found < 0 && errno == EINTR) result = EINTR;
      if (found == 0) result = EAGAIN;
    }
    errno = kept;
  }
  connection.disarm();
  return result;
}

int sleep_on_futex(Connection& connection, int fd, const InputWait& wait) {
  std::atomic<std::uint32_t>& word = connection.mine().wait;
  const bool has_limit = wait.deadline != 0;
  std::int64_t until = Spinner::now();
  // Scattered bits of the clock are as good as chance.
  const auto chance = static_cast<std::uint64_t>(until) * 0x9e3779b97f4a7c15ULL >> 39U;
  until += kShortest + static_cast<std::int64_t>(chance);
  if (has_limit) until = std::min(until, wait.deadline);
  const std::uint32_t value =
      word.fetch_or(smc::kWaitFutex, std::memory_order_seq_cst) | smc::kWaitFutex;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (connection.maybe_readable()) return 0;
  // Another reader has followed the spans there, and TCP wakes nobody here.
  if (connection.receiver().lane() != smc::Lane::kTcp) {
    const int error = sleep_on(word, value, until, has_limit);
    if (error == EINTR) return EINTR;
    if (error == ENOSYS) has_waitv.store(false, std::memory_order_relaxed);
    // Woken, or the word has changed: somebody else's mark, or it was taken.
    if (error != ETIMEDOUT && error != ENOSYS) return 0;
    if (has_limit && until == wait.deadline) return EAGAIN;
  }
  return sleep_in_kernel(connection, fd, wait);
}

}  // namespace

bool spin_for_input(Connection& connection, InputWait& wait) {
  if (wait.has_spun || Spinner::longest() == 0) return false;
  // What comes by TCP no look at the rings finds.
  if (connection.receiver().lane() == smc::Lane::kTcp) return false;
  wait.has_spun = true;
  switch (Spinner::spin(Spinner::of_thread(),
                        [&](std::int64_t) { return connection.maybe_readable(); })) {
    case Spinner::Outcome::kWon:
      count(connection.mine().rx_spins_won);
      return true;
    case Spinner::Outcome::kLost:
      count(connection.mine().rx_spins_lost);
      break;
    case Spinner::Outcome::kNotTried:
      wait.measured_from = Spinner::now();
      break;
  }
  return false;
}

int wait_for_input(Connection& connection, int fd, InputWait& wait) {
  if (spin_for_input(connection, wait)) return 0;
  learn_time_limit(fd, wait);
  // What comes by TCP wakes only who sleeps there.
  const bool by_futex = connection.receiver().lane() != smc::Lane::kTcp &&
                        (wait.deadline != 0 || has_waitv.load(std::memory_order_relaxed));
  const int result =
      by_futex ? sleep_on_futex(connection, fd, wait) : sleep_in_kernel(connection, fd, wait);
  if (wait.measured_from != 0 && result == 0) {
    Spinner::of_thread().slept(static_cast<std::uint64_t>(Spinner::now() - wait.measured_from));
    wait.measured_from = 0;
  }
  return result;
}

}  // namespace leat::preload
