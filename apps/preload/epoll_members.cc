// Joining and leaving of a set's members, and their arming.

#include <sys/syscall.h>

#include <cerrno>

#include "leat/smc/internal/raw_syscall.h"

#include "apps/preload/connection.h"
#include "apps/preload/descriptor_table.h"
#include "apps/preload/epoll_sets.h"
#include "apps/preload/real.h"

namespace leat::preload {
namespace {

using smc::internal::raw_argument;
using smc::internal::raw_syscall;

}  // namespace

int EpollSet::control(int epfd, int operation, int fd, epoll_event* event) {
  Connection* const connection = DescriptorTable::find(fd);
  if (connection != nullptr && !connection->is_shared()) (void)connection->attach_if_family_did(fd);
  // The kernel's change and ours are one for all that wait.
  if (!lock_.lock()) return real::epoll_ctl(epfd, operation, fd, event);
  adopt();
  const int result = real::epoll_ctl(epfd, operation, fd, event);
  if (result == 0) {
    note(operation, fd, event != nullptr ? *event : epoll_event{});
  }
  lock_.unlock();
  return result;
}

void EpollSet::added_before(int fd, const epoll_event& event) {
  if (!lock_.lock()) return;
  note(EPOLL_CTL_ADD, fd, event);
  lock_.unlock();
}

void EpollSet::note(int operation, int fd, const epoll_event& event) {
  Connection* const connection = DescriptorTable::find(fd);
  std::uint32_t index = members_.find(connection, fd);
  if (operation == EPOLL_CTL_DEL) {
    if (index != kNoMember) forget(index);
    return;
  }
  if (operation == EPOLL_CTL_ADD) {
    if (index != kNoMember) forget(index);  // Of a descriptor that was closed unseen.
    index = members_.add(connection, fd, event.data.u64);
    if (index == kNoMember) {
      // Nobody will look at its ring: the kernel must always be told.
      if (connection != nullptr) connection->kept_armed.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    members_[index].forks = EpollSets::forks();
    EpollSets::is_noted_[fd].store(true, std::memory_order_relaxed);
  }
  if (index == kNoMember) return;
  Member& member = members_[index];
  members_.set_data(index, event.data.u64);
  member.registration = Registration{};
  member.registration.events = event.events;
  if (operation == EPOLL_CTL_ADD) {
    if (EpollSet* const inner = EpollSets::find(fd); inner != nullptr && inner != this) {
      member.inner = EpollSets::by_fd_[fd].load(std::memory_order_relaxed) - 1;
      member.counted = true;
      ++inner_;
      shared_.fetch_add(1, std::memory_order_relaxed);
      inner->make_sticky();
    } else if (connection != nullptr && connection->is_shared()) {
      enroll(index);
    }
  } else if (member.counted && member.inner < 0) {
    if (!suits_board(member)) leave_board(member);
    board(index);
    scan(index);
    if (member.place == 0 && sleepers.load(std::memory_order_relaxed) != 0) arm(member);
    kick_if_due(member);
  }
}

// The connection's bytes come by ring from now on, and may have come before that.
void EpollSet::enroll(std::uint32_t index) {
  Member& member = members_[index];
  member.counted = true;
  member.sticky = member.forks != EpollSets::forks();
  board(index);
  scan(index);
  if (stays_armed(member) || (member.place == 0 && sleepers.load(std::memory_order_relaxed) != 0)) {
    arm(member);
  }
  shared_.fetch_add(1, std::memory_order_release);
  kick_if_due(member);
}

void EpollSet::joined(Connection& connection, int fd) {
  adopt();
  if (const std::uint32_t index = members_.find(nullptr, fd); index != kNoMember) {
    members_.set_connection(index, &connection);
  }
  for (std::uint32_t i = members_.first_of(&connection, fd); i != kNoMember;
       i = members_.next_of(i)) {
    if (!members_[i].counted) enroll(i);
  }
}

void EpollSet::forget(std::uint32_t index) {
  Member& member = members_[index];
  leave_board(member);
  stop_scanning(index);
  disarm(member);
  if (member.counted) shared_.fetch_sub(1, std::memory_order_relaxed);
  if (member.inner >= 0) --inner_;
  members_.remove(index);
}

// In the kernel a registration lives until the last descriptor of its file is closed.
void EpollSet::left(Connection* connection, int fd, int other_fd) {
  adopt();
  if (connection == nullptr || other_fd >= 0) {
    const std::uint32_t index = members_.find(connection, fd);
    if (index == kNoMember) return;
    if (connection == nullptr) {
      forget(index);
    } else {
      members_[index].fd = ~fd;
      members_[index].look_fd = other_fd;
    }
    return;
  }
  if (const std::uint32_t index = members_.find(nullptr, fd); index != kNoMember) forget(index);
  for (;;) {
    const std::uint32_t index = members_.first_of(connection, fd);
    if (index == kNoMember) break;
    forget(index);
  }
}

// By any descriptor: all with the connection's key are visited.
void EpollSet::leave_kernel(Connection& connection) {
  adopt();
  for (std::uint32_t i = members_.first_of(&connection, -1); i != kNoMember;
       i = members_.next_of(i)) {
    if (members_[i].fd < 0) continue;
    epoll_event none = {};
    raw_syscall(SYS_epoll_ctl, epfd_.load(std::memory_order_relaxed), EPOLL_CTL_DEL, members_[i].fd,
                raw_argument(&none));
  }
}

void EpollSet::come_back(Connection& connection) {
  for (;;) {
    const std::uint32_t index = members_.first_of(&connection, -1);
    if (index == kNoMember) return;
    const Member member = members_[index];
    forget(index);
    if (member.fd < 0) continue;
    epoll_event event = {};
    event.events = member.registration.spent ? kDisabledEvents : member.registration.events;
    event.data.u64 = member.data;
    if (raw_syscall(SYS_epoll_ctl, epfd_.load(std::memory_order_relaxed), EPOLL_CTL_ADD, member.fd,
                    raw_argument(&event)) != 0) {
      continue;
    }
    const std::uint32_t added = members_.add(nullptr, member.fd, member.data);
    if (added != kNoMember) members_[added].registration = member.registration;
  }
}

// As it was before it became a connection: joined() finds it by its descriptor again.
void EpollSet::disconnected(Connection& connection) {
  adopt();
  for (;;) {
    const std::uint32_t index = members_.first_of(&connection, -1);
    if (index == kNoMember) return;
    Member& member = members_[index];
    leave_board(member);
    stop_scanning(index);
    disarm(member);
    if (member.counted) shared_.fetch_sub(1, std::memory_order_relaxed);
    member.counted = false;
    if (member.fd < 0) member.fd = member.look_fd;
    members_.set_connection(index, nullptr);
  }
}

void EpollSet::clear() {
  adopt();
  for (std::uint32_t i = 0; i < members_.end(); ++i) {
    if (!members_[i].used) continue;
    leave_board(members_[i]);
    disarm(members_[i]);
  }
  boards_.clear();
  looked_at_ = 0;
  alarmed_ = false;
  members_.clear();
  shared_.store(0, std::memory_order_relaxed);
  sleepers.store(0, std::memory_order_relaxed);
  epfd_.store(-1, std::memory_order_relaxed);
  inner_ = 0;
  sticky_.store(false, std::memory_order_relaxed);
}

// A forked child that comes to use a set of its parent's holds none of the arming it knows of, and
// what the two have in common stays armed for the other.
void EpollSet::adopt() {
  if (forks_ == EpollSets::forks()) return;
  forks_ = EpollSets::forks();
  boards_.forget();  // The parent goes on using them.
  for (std::uint32_t i = 0; i < members_.end(); ++i) {
    Member& member = members_[i];
    if (!member.used || !member.counted || member.inner >= 0) continue;
    if (member.place != 0 && member.scan_place == kNoMember) --looked_at_;
    member.place = 0;
    member.armed = false;
    member.sticky = true;
    arm(member);
  }
}

bool EpollSet::stays_armed(const Member& member) const {
  return sticky_.load(std::memory_order_relaxed) || member.sticky;
}

void EpollSet::arm(Member& member) {
  if (!member.armed) {
    member.armed = true;
    member.connection->arm();
    return;
  }
  // The count is there; the mark may have been taken by a doorbell.
  const std::atomic<std::uint32_t>& wait = member.connection->mine().wait;
  if ((wait.load(std::memory_order_relaxed) & smc::kWaitDoorbell) == 0) {
    member.connection->mark_armed();
  }
}

void EpollSet::disarm(Member& member) {
  if (!member.armed) return;
  member.armed = false;
  member.connection->disarm();
}

void EpollSet::make_sticky() {
  if (sticky_.load(std::memory_order_relaxed) || !lock_.lock()) return;
  adopt();
  if (!sticky_.exchange(true, std::memory_order_relaxed)) {
    for (std::uint32_t i = 0; i < members_.end(); ++i) {
      Member& member = members_[i];
      if (member.used && member.counted && member.inner < 0) {
        leave_board(member);
        arm(member);
      }
      if (member.used && member.inner >= 0) {
        EpollSets::at(static_cast<std::uint32_t>(member.inner))->make_sticky();
      }
    }
  }
  lock_.unlock();
}

// A thread that sleeps has looked at the rings before this registration was there. Waiting for
// EPOLLOUT, which is true, wakes it; it then looks again and puts the events back (judge()).
void EpollSet::kick_if_due(Member& member) {
  if (sleepers.load(std::memory_order_relaxed) == 0 && !stays_armed(member)) return;
  if (!is_due(member)) return;
  member.registration.kicked = modify_kernel(member, member.registration.events | EPOLLOUT);
}

bool EpollSet::modify_kernel(const Member& member, std::uint32_t events) const {
  if (member.fd < 0) return false;
  epoll_event event = {};
  event.events = events;
  event.data.u64 = member.data;
  const long epfd = epfd_.load(std::memory_order_relaxed);
  const auto change = [&](long operation) {
    return raw_syscall(SYS_epoll_ctl, epfd, operation, member.fd, raw_argument(&event)) == 0;
  };
  if ((member.registration.events & EPOLLEXCLUSIVE) == 0) return change(EPOLL_CTL_MOD);
  // Such a registration cannot be changed (man 2 epoll_ctl).
  return change(EPOLL_CTL_DEL) && change(EPOLL_CTL_ADD);
}

void EpollSet::obey(const Member& member, KernelDuty duty) {
  if (duty == KernelDuty::kRestore) modify_kernel(member, member.registration.events);
  if (duty == KernelDuty::kDisable) modify_kernel(member, kDisabledEvents);
}

void EpollSet::begin_sleep() {
  sleepers.fetch_add(1, std::memory_order_seq_cst);
  if (lock_.lock()) {
    adopt();
    cool();
    for (std::uint32_t i = 0; i < members_.scanned(); ++i) {
      Member& member = members_[members_.scanned_at(i)];
      if (member.place == 0) arm(member);
    }
    boards_.set_sleepers(sleepers.load(std::memory_order_relaxed));
    lock_.unlock();
  }
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

void EpollSet::end_sleep() {
  const bool was_last = sleepers.fetch_sub(1, std::memory_order_seq_cst) == 1;
  if (is_plain() || (!was_last && boards_.is_empty())) return;
  if (!lock_.lock()) return;
  const std::uint32_t others = sleepers.load(std::memory_order_relaxed);
  // The doorbell that has woken this thread took the mark, and others sleep on.
  boards_.set_sleepers(others);
  if (others == 0) {
    for (std::uint32_t i = 0; i < members_.scanned(); ++i) {
      Member& member = members_[members_.scanned_at(i)];
      if (!stays_armed(member)) disarm(member);
    }
    for (std::uint32_t i = 0; alarmed_ && i < members_.end(); ++i) {
      if (members_[i].used && members_[i].place != 0) disarm(members_[i]);
    }
    alarmed_ = false;
  }
  lock_.unlock();
}

// The more are looked at, the sooner an idle one goes: all the looking for nothing that a member
// costs is the same.
void EpollSet::cool() {
  const std::uint32_t patience = 8 + 4096 / (members_.scanned() + 1);
  for (std::uint32_t i = members_.scanned(); i-- > 0;) {
    const std::uint32_t index = members_.scanned_at(i);
    Member& member = members_[index];
    if (member.place != 0 || member.idle < patience) continue;
    arm(member);
    if (member.connection->maybe_readable()) {
      member.idle = 0;
    } else {
      stop_scanning(index);
    }
  }
  looks_ = 0;
}

void EpollSet::scan(std::uint32_t index) {
  const Member& member = members_[index];
  if (member.scan_place == kNoMember && member.place == 0) ++looked_at_;
  members_.scan(index);
}

void EpollSet::stop_scanning(std::uint32_t index) {
  const Member& member = members_[index];
  if (member.scan_place != kNoMember && member.place == 0) --looked_at_;
  members_.stop_scanning(index);
}

}  // namespace leat::preload
