// What a set has to tell: the kernel's events without doorbells, and what lies in rings.

#include <poll.h>
#include <sys/syscall.h>

#include "leat/smc/internal/raw_syscall.h"

#include "apps/preload/connection.h"
#include "apps/preload/epoll_sets.h"

namespace leat::preload {
namespace {

bool kernel_says_readable(int fd) {
  pollfd one{fd, POLLIN, 0};
  timespec none{};
  return smc::internal::raw_syscall(SYS_ppoll, smc::internal::raw_argument(&one), 1,
                                    smc::internal::raw_argument(&none)) > 0;
}

}  // namespace

bool EpollSet::is_due(const Member& member) const {
  if (member.inner >= 0) {
    // An edge of a set is the kernel's to tell: its members ring.
    return wants_input(member.registration) && (member.registration.events & EPOLLET) == 0 &&
           EpollSets::at(static_cast<std::uint32_t>(member.inner))->ring_due();
  }
  if (!wants_input(member.registration) || !member.connection->maybe_readable()) return false;
  return (member.registration.events & EPOLLET) == 0 ||
         may_be_due(member.registration, member.connection->arrivals());
}

bool EpollSet::any_due() {
  if (!lock_.lock()) return false;
  bool due = boards_.any();
  bool has_idle = false;
  for (std::uint32_t i = 0; i < members_.scanned() && !due; ++i) {
    Member& member = members_[members_.scanned_at(i)];
    due = is_due(member);
    if (due || member.place == 0) continue;
    member.idle = 1;
    has_idle = true;
  }
  if (has_idle) drop_idle();
  for (std::uint32_t i = 0; inner_ != 0 && i < members_.end() && !due; ++i) {
    due = members_[i].used && members_[i].inner >= 0 && is_due(members_[i]);
  }
  lock_.unlock();
  return due;
}

// Sets nest five deep at most, and never in a circle (fs/eventpoll.c, ep_loop_check).
bool EpollSet::ring_due() {
  if (is_plain() || !lock_.lock()) return false;
  bool due = false;
  for (std::uint32_t i = 0; i < members_.end() && !due; ++i) {
    due = members_[i].used && members_[i].counted && is_due(members_[i]);
  }
  lock_.unlock();
  return due;
}

bool EpollSet::is_truly_readable(int epfd) {
  if (is_plain() || ring_due()) return true;
  if (!lock_.lock()) return true;
  for (std::uint32_t i = 0; i < members_.end(); ++i) {
    Member& member = members_[i];
    if (!member.used || !member.counted) continue;
    if (member.inner >= 0) {
      (void)EpollSets::at(static_cast<std::uint32_t>(member.inner))->is_truly_readable(member.fd);
    } else if (kernel_says_readable(member.look_fd)) {
      (void)member.connection->true_events(member.look_fd, EPOLLIN);
    }
  }
  lock_.unlock();
  return kernel_says_readable(epfd) || ring_due();
}

std::uint32_t EpollSet::observe(std::uint32_t index, std::uint32_t kernel) {
  Member& member = members_[index];
  Observed observed;
  observed.kernel = kernel;
  // Before the look: what comes meanwhile is told once more, not lost.
  observed.arrivals = member.connection->arrivals();
  observed.truth = member.connection->true_events(member.look_fd, kernel, member.place != 0);
  const Verdict verdict = judge(member.registration, observed);
  obey(member, verdict.duty);
  if (verdict.events == 0) return 0;
  scan(index);
  if (!stays_armed(member) && sleepers.load(std::memory_order_relaxed) == 0) disarm(member);
  return verdict.events;
}

std::uint32_t EpollSet::judge_kernel(const epoll_event& event) {
  const std::uint32_t index = members_.first_with(event.data.u64);
  if (index == kNoMember) return event.events;
  if (members_.next_with(index) != kNoMember) return judge_ambiguous(index, event.events);
  Member& member = members_[index];
  if (!member.counted) return event.events;
  member.pass = pass_;
  if (member.inner >= 0) {
    EpollSet* const inner = EpollSets::at(static_cast<std::uint32_t>(member.inner));
    if (inner->is_truly_readable(member.fd)) return event.events;
    if ((member.registration.events & EPOLLONESHOT) != 0) obey(member, KernelDuty::kRestore);
    return 0;
  }
  if (!member.connection->is_shared()) return event.events;
  return observe(index, event.events);
}

// The program has given several members the same data and cannot tell them apart. Nor can we:
// doorbells are eaten, and the event stands if it may be true of one of them.
std::uint32_t EpollSet::judge_ambiguous(std::uint32_t first, std::uint32_t kernel) {
  std::uint32_t truth = 0;
  for (std::uint32_t i = first; i != kNoMember; i = members_.next_with(i)) {
    Member& member = members_[i];
    if (!member.counted || member.inner >= 0) return kernel;
    truth |= member.connection->true_events(member.look_fd, kernel, member.place != 0) &
             (member.registration.events | EPOLLERR | EPOLLHUP);
    scan(i);
  }
  const std::uint32_t input = (truth & EPOLLIN) != 0 ? kernel & kInputEvents : 0;
  return input | (truth & kernel & ~kInputEvents);
}

int EpollSet::add_due(epoll_event* events, int count, int room) {
  const std::uint32_t scanned = members_.scanned();
  bool has_idle = false;
  for (std::uint32_t k = 0; k < scanned; ++k) {
    const std::uint32_t place = (turn_ + k) % scanned;
    const std::uint32_t index = members_.scanned_at(place);
    Member& member = members_[index];
    if (member.pass == pass_) continue;
    if (!is_due(member)) {
      ++member.idle;
      has_idle = has_idle || member.place != 0;
      continue;
    }
    if (count == room) {
      turn_ = place;  // It is the first the next time.
      break;
    }
    member.pass = pass_;
    if (const std::uint32_t told = observe(index, 0); told != 0) {
      events[count].events = told;
      events[count++].data.u64 = member.data;
    }
  }
  if (has_idle) drop_idle();
  for (std::uint32_t i = 0; inner_ != 0 && i < members_.end() && count < room; ++i) {
    Member& member = members_[i];
    if (!member.used || member.inner < 0 || member.pass == pass_ || !is_due(member)) continue;
    events[count].events = EPOLLIN & member.registration.events;
    events[count++].data.u64 = member.data;
    if ((member.registration.events & EPOLLONESHOT) != 0) {
      member.registration.spent = true;
      obey(member, KernelDuty::kDisable);
    }
  }
  return count;
}

int EpollSet::collect(epoll_event* events, int count, int room) {
  if (!lock_.lock()) return count;
  adopt();
  ++pass_;
  take_news();  // Before doorbells are eaten: see judge_doorbells().
  int kept = 0;
  for (int i = 0; i < count; ++i) {
    const std::uint32_t told = judge_kernel(events[i]);
    if (told == 0) continue;
    events[kept] = events[i];
    events[kept++].events = told;
  }
  kept = add_due(events, kept, room);
  if (!boards_.is_empty() && sleepers.load(std::memory_order_relaxed) != 0) kick_one_due();
  if (++looks_ == 64) cool();
  lock_.unlock();
  return kept;
}

}  // namespace leat::preload
