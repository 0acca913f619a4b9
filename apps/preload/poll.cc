// poll() and ppoll().

#include <poll.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#include <cerrno>

#include "leat/smc/internal/raw_syscall.h"

#include "apps/preload/deadline.h"
#include "apps/preload/epoll_sets.h"
#include "apps/preload/held.h"
#include "apps/preload/real.h"
#include "apps/preload/watch_list.h"

namespace leat::preload {
namespace {

// The flags of poll() and of epoll are the same numbers.
static_assert(POLLIN == EPOLLIN && POLLRDNORM == EPOLLRDNORM && POLLHUP == EPOLLHUP);
constexpr short kPollInput = POLLIN | POLLRDNORM;

struct PollCall {
  pollfd* fds;
  nfds_t count;
  const sigset_t* mask;
  bool is_fine;  ///< ppoll().
};

int sleep_in_kernel(const PollCall& call, WatchList& list, const Deadline& deadline) {
  const std::int64_t start = Spinner::now();
  timespec left;
  const int found = call.is_fine
                        ? real::ppoll(call.fds, call.count, deadline.left_timespec(left), call.mask)
                        : real::poll(call.fds, call.count, deadline.left_milliseconds());
  if (found > 0) list.slept(Spinner::now() - start);
  return found;
}

int ask_kernel(const PollCall& call) {
  const timespec none{};
  const long found =
      smc::internal::raw_syscall(SYS_ppoll, smc::internal::raw_argument(call.fds),
                                 static_cast<long>(call.count), smc::internal::raw_argument(&none));
  if (found >= 0) return static_cast<int>(found);
  errno = static_cast<int>(-found);
  return -1;
}

/// Makes of the kernel's answer, `found` descriptors with events, the program's.
int correct(const PollCall& call, WatchList& list, int found) {
  const auto set = [&found](pollfd& one, int events) {
    found += (events != 0 ? 1 : 0) - (one.revents != 0 ? 1 : 0);
    one.revents = static_cast<short>(events);
  };
  for (const WatchList::Entry& entry : list) {
    pollfd& one = call.fds[entry.place];
    if (!entry.is_shared || (one.revents == 0 && !entry.is_readable)) continue;
    if ((one.revents & POLLNVAL) != 0) continue;
    const int kernel = one.revents;
    const auto truth = static_cast<int>(
        entry.connection->true_events(entry.fd, static_cast<std::uint32_t>(kernel)));
    const int input = (truth & POLLIN) != 0 ? one.events & kPollInput : 0;
    set(one, (kernel & truth & ~kPollInput) | input);
  }
  for (WatchList::Set* it = list.sets_begin(); it != list.sets_end(); ++it) {
    pollfd& one = call.fds[it->place];
    if (it->set->is_plain()) continue;
    const bool readable =
        one.revents != 0 ? it->set->is_truly_readable(it->fd) : it->set->ring_due();
    set(one, readable ? one.events & kPollInput : one.revents & ~kPollInput);
  }
  return found;
}

int poll_looking(const PollCall& call, WatchList& list, const Deadline& deadline) {
  for (;;) {
    bool found = list.look();
    const bool is_over = deadline.is_over();
    if (!found && !is_over) found = list.spin();
    int count = 0;
    if (found || is_over) {
      count = ask_kernel(call);
    } else {
      list.arm();
      count = list.look() ? ask_kernel(call) : sleep_in_kernel(call, list, deadline);
      list.disarm();
    }
    if (count < 0) return count;
    count = correct(call, list, count);
    if (count != 0 || is_over) return count;
  }
}

template <typename MakeDeadline, typename Native>
int poll(const PollCall& call, MakeDeadline make_deadline, Native native) {
  cancellation_point();
  WatchList list(call.count);
  for (nfds_t i = 0; i < call.count; ++i) {
    const pollfd& one = call.fds[i];
    if (one.fd >= 0) {
      list.add(one.fd, static_cast<std::uint32_t>(i), (one.events & kPollInput) != 0);
    }
  }
  if (list.is_empty()) return native();
  const Deadline deadline = make_deadline();
  if (!list.has_rings()) {
    list.begin_plain();
    const int result = native();
    list.end_plain();
    if (result <= 0 || !list.has_rings()) return result;
    const int found = correct(call, list, result);
    if (found != 0) return found;
  }
  return poll_looking(call, list, deadline);
}

}  // namespace
}  // namespace leat::preload

using leat::preload::Deadline;
namespace real = leat::preload::real;

LEAT_INTERPOSED int poll(pollfd* fds, nfds_t count, int timeout) {
  if (timeout == 0 && count == 0) return 0;
  return leat::preload::poll(
      {fds, count, nullptr, false}, [&] { return Deadline::in_milliseconds(timeout); },
      [&] { return real::poll(fds, count, timeout); });
}

LEAT_INTERPOSED int ppoll(pollfd* fds, nfds_t count, const timespec* timeout,
                          const sigset_t* mask) {
  const auto native = [&] { return real::ppoll(fds, count, timeout, mask); };
  if (!Deadline::is_valid(timeout)) return native();
  return leat::preload::poll(
      {fds, count, mask, true}, [&] { return Deadline::in(timeout); }, native);
}

// What programs call that were built with _FORTIFY_SOURCE. `size`: of the array, known at its call.
extern "C" [[noreturn]] void __chk_fail();

LEAT_INTERPOSED int __poll_chk(pollfd* fds, nfds_t count, int timeout, std::size_t size) {
  if (size / sizeof(pollfd) < count) __chk_fail();
  return ::poll(fds, count, timeout);
}

LEAT_INTERPOSED int __ppoll_chk(pollfd* fds, nfds_t count, const timespec* timeout,
                                const sigset_t* mask, std::size_t size) {
  if (size / sizeof(pollfd) < count) __chk_fail();
  return ::ppoll(fds, count, timeout, mask);
}

LEAT_INTERPOSED int __poll(pollfd* fds, nfds_t count, int timeout) {
  return ::poll(fds, count, timeout);
}
