// epoll_create(), epoll_ctl(), epoll_wait() and their kin.

#include <sys/epoll.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>

#include <cerrno>

#include "leat/smc/internal/raw_syscall.h"

#include "apps/preload/connection.h"
#include "apps/preload/deadline.h"
#include "apps/preload/descriptor_table.h"
#include "apps/preload/epoll_sets.h"
#include "apps/preload/held.h"
#include "apps/preload/lifecycle.h"
#include "apps/preload/process.h"
#include "apps/preload/real.h"
#include "apps/preload/spinner.h"

namespace leat::preload {
namespace {

/// While rings always have something, other members of the set are asked after so long.
constexpr std::int64_t kKernelEvery = 20'000;
/// While spinning.
constexpr std::int64_t kKernelWhileSpinning = 5'000;

/// One call of the program.
struct EpollCall {
  EpollSet& set;
  int epfd;
  epoll_event* events;
  int room;
  const sigset_t* mask;
  bool is_fine;  ///< epoll_pwait2().
};

// With no time limit the kernel neither sleeps nor looks at signals (fs/eventpoll.c, ep_poll).
int ask_kernel(const EpollCall& call, int room) {
  const long found = smc::internal::raw_syscall(SYS_epoll_pwait, call.epfd,
                                                smc::internal::raw_argument(call.events), room, 0);
  return found < 0 ? 0 : static_cast<int>(found);
}

int sleep_in_kernel(const EpollCall& call, const Deadline& deadline) {
  if (call.is_fine) {
    timespec left;
    return real::epoll_pwait2(call.epfd, call.events, call.room, deadline.left_timespec(left),
                              call.mask);
  }
  const int left = deadline.left_milliseconds();
  if (call.mask == nullptr) return real::epoll_wait(call.epfd, call.events, call.room, left);
  return real::epoll_pwait(call.epfd, call.events, call.room, left, call.mask);
}

// What rings have, and now and then what the kernel has: neither keeps the other waiting.
int harvest(const EpollCall& call, std::int64_t now) {
  int from_kernel = 0;
  if (now - call.set.kernel_asked.load(std::memory_order_relaxed) > kKernelEvery) {
    call.set.kernel_asked.store(now, std::memory_order_relaxed);
    int room = call.room - call.room / 2;
    if (call.room == 1) {
      const bool turn = call.set.kernels_turn.load(std::memory_order_relaxed);
      call.set.kernels_turn.store(!turn, std::memory_order_relaxed);
      room = turn ? 1 : 0;
    }
    if (room != 0) from_kernel = ask_kernel(call, room);
  }
  return call.set.collect(call.events, from_kernel, call.room);
}

int spin(const EpollCall& call, bool& tried) {
  int found = 0;
  std::int64_t asked = 0;
  const Spinner::Outcome outcome = Spinner::spin(call.set.spin, [&](std::int64_t now) {
    if (call.set.any_due()) {
      found = harvest(call, now);
    } else if (asked == 0) {
      asked = now;
    } else if (now - asked > kKernelWhileSpinning && call.set.has_kernel_members()) {
      asked = now;
      const int events = ask_kernel(call, call.room);
      if (events != 0) found = call.set.collect(call.events, events, call.room);
    }
    return found != 0;
  });
  tried = outcome != Spinner::Outcome::kNotTried;
  if (tried) Process::count_spin(outcome == Spinner::Outcome::kWon);
  return found;
}

int wait_looking(const EpollCall& call, const Deadline& deadline) {
  for (;;) {
    if (call.set.any_due()) {
      const int found = harvest(call, Spinner::now());
      if (found != 0) return found;
    }
    if (deadline.is_over()) {
      const int from_kernel = sleep_in_kernel(call, deadline);
      return from_kernel < 0 ? from_kernel : call.set.collect(call.events, from_kernel, call.room);
    }
    bool has_spun = false;
    int found = spin(call, has_spun);
    if (found != 0) return found;
    call.set.begin_sleep();
    found = call.set.collect(call.events, 0, call.room);
    if (found != 0) {
      call.set.end_sleep();
      return found;
    }
    const bool is_measured = !has_spun && Spinner::longest() != 0;
    const std::int64_t start = is_measured ? Spinner::now() : 0;
    const int from_kernel = sleep_in_kernel(call, deadline);
    const int error = errno;
    call.set.end_sleep();
    errno = error;
    if (from_kernel < 0) return from_kernel;
    if (is_measured && from_kernel != 0) {
      call.set.spin.slept(static_cast<std::uint64_t>(Spinner::now() - start));
    }
    found = call.set.collect(call.events, from_kernel, call.room);
    if (found != 0 || from_kernel == 0) return found;
    // Doorbells only. The time goes on.
  }
}

int wait_plainly(EpollSet* set, const EpollCall* call, const Deadline& deadline, int result) {
  // A connection may have become shared, and its doorbell be what has woken this thread.
  if (result <= 0 || set->is_plain()) return result;
  const int found = set->collect(call->events, result, call->room);
  return found != 0 ? found : wait_looking(*call, deadline);
}

/// `native` is the program's own call, untouched.
template <typename Native, typename MakeDeadline>
int wait(int epfd, epoll_event* events, int room, const sigset_t* mask, bool is_fine,
         MakeDeadline make_deadline, Native native) {
  EpollSet* set = EpollSets::find(epfd);
  if (set == nullptr && !EpollSets::concerns(epfd)) set = EpollSets::inherit(epfd);
  if (set == nullptr || room <= 0) return native();
  cancellation_point();
  const EpollCall call{*set, epfd, events, room, mask, is_fine};
  if (!set->is_plain()) return wait_looking(call, make_deadline());
  // Only another thread could make it a set with rings meanwhile.
  if (__libc_single_threaded != 0) return native();
  const Deadline deadline = make_deadline();
  set->sleepers.fetch_add(1, std::memory_order_seq_cst);
  const int result = native();
  set->end_sleep();
  return wait_plainly(set, &call, deadline, result);
}

}  // namespace
}  // namespace leat::preload

using leat::preload::Deadline;
using leat::preload::EpollSet;
using leat::preload::EpollSets;
namespace real = leat::preload::real;

LEAT_INTERPOSED int epoll_create(int size) {
  const int epfd = real::epoll_create(size);
  leat::preload::descriptor_made(epfd);
  if (epfd >= 0) EpollSets::created(epfd);
  return epfd;
}

LEAT_INTERPOSED int epoll_create1(int flags) {
  const int epfd = real::epoll_create1(flags);
  leat::preload::descriptor_made(epfd);
  if (epfd >= 0) EpollSets::created(epfd);
  return epfd;
}

LEAT_INTERPOSED int epoll_ctl(int epfd, int operation, int fd, epoll_event* event) {
  EpollSet* set = EpollSets::find(epfd);
  if (set == nullptr && !EpollSets::concerns(epfd)) set = EpollSets::inherit(epfd);
  if (set != nullptr) return set->control(epfd, operation, fd, event);
  const int result = real::epoll_ctl(epfd, operation, fd, event);
  if (result == 0 && operation == EPOLL_CTL_ADD) {
    // A set that came by exec or from another process.
    set = EpollSets::created(epfd);
    if (set != nullptr) {
      set->added_before(fd, *event);
    } else if (leat::preload::Connection* const connection =
                   leat::preload::DescriptorTable::find(fd)) {
      // Nobody will look at its ring: the kernel must always be told.
      connection->kept_armed.fetch_add(1, std::memory_order_relaxed);
      if (connection->is_shared()) connection->stay_armed();
    }
  }
  return result;
}

LEAT_INTERPOSED int epoll_wait(int epfd, epoll_event* events, int room, int timeout) {
  return leat::preload::wait(
      epfd, events, room, nullptr, false, [&] { return Deadline::in_milliseconds(timeout); },
      [&] { return real::epoll_wait(epfd, events, room, timeout); });
}

LEAT_INTERPOSED int epoll_pwait(int epfd, epoll_event* events, int room, int timeout,
                                const sigset_t* mask) {
  return leat::preload::wait(
      epfd, events, room, mask, false, [&] { return Deadline::in_milliseconds(timeout); },
      [&] { return real::epoll_pwait(epfd, events, room, timeout, mask); });
}

LEAT_INTERPOSED int epoll_pwait2(int epfd, epoll_event* events, int room, const timespec* timeout,
                                 const sigset_t* mask) {
  const auto native = [&] { return real::epoll_pwait2(epfd, events, room, timeout, mask); };
  if (!Deadline::is_valid(timeout)) return native();
  return leat::preload::wait(
      epfd, events, room, mask, true, [&] { return Deadline::in(timeout); }, native);
}
