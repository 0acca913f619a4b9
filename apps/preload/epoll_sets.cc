#include "apps/preload/epoll_sets.h"

#include <new>

#include "apps/preload/connection.h"
#include "apps/preload/descriptor_table.h"
#include "apps/preload/spinner.h"

namespace leat::preload {

constinit std::atomic<std::uint16_t> EpollSets::by_fd_[kDescriptors] = {};
constinit std::atomic<bool> EpollSets::is_noted_[kDescriptors] = {};
constinit std::atomic<std::uint32_t> EpollSets::end_{0};
constinit std::atomic<std::uint32_t> EpollSets::forks_{0};

namespace {

// Of zeros until it is used, and never given back: a pointer to a set stays one.
alignas(EpollSet) char pool[EpollSets::kMost * sizeof(EpollSet)];
std::atomic<bool> is_taken[EpollSets::kMost];
SetLock pool_lock;

}  // namespace

EpollSet* EpollSets::at(std::uint32_t index) {
  return std::launder(reinterpret_cast<EpollSet*>(pool + index * sizeof(EpollSet)));
}

EpollSet* EpollSets::created(int epfd) {
  if (static_cast<unsigned>(epfd) >= kDescriptors) return nullptr;
  // Of a set that was closed unseen.
  if (const std::uint32_t number = by_fd_[epfd].load(std::memory_order_relaxed); number != 0) {
    close_set(epfd, number);
  }
  if (!pool_lock.lock()) return nullptr;
  EpollSet* set = nullptr;
  for (std::uint32_t i = 0; i < kMost && set == nullptr; ++i) {
    if (is_taken[i].load(std::memory_order_relaxed)) continue;
    if (i < end_.load(std::memory_order_relaxed)) {
      set = at(i);
    } else {
      set = new (pool + i * sizeof(EpollSet)) EpollSet(Spinner::longest());
      end_.store(i + 1, std::memory_order_release);
    }
    is_taken[i].store(true, std::memory_order_relaxed);
    set->descriptors_.store(1, std::memory_order_relaxed);
    set->epfd_.store(epfd, std::memory_order_relaxed);
    set->forks_ = forks();
    is_noted_[epfd].store(true, std::memory_order_relaxed);
    by_fd_[epfd].store(static_cast<std::uint16_t>(i + 1), std::memory_order_release);
  }
  pool_lock.unlock();
  return set;
}

void EpollSets::duplicated(int from, int to) {
  if (static_cast<unsigned>(from) >= kDescriptors || static_cast<unsigned>(to) >= kDescriptors) {
    return;
  }
  const std::uint16_t number = by_fd_[from].load(std::memory_order_acquire);
  if (number == 0 || !pool_lock.lock()) return;
  at(number - 1U)->descriptors_.fetch_add(1, std::memory_order_relaxed);
  is_noted_[to].store(true, std::memory_order_relaxed);
  by_fd_[to].store(number, std::memory_order_release);
  pool_lock.unlock();
}

void EpollSets::close_set(int epfd, std::uint32_t number) {
  if (!pool_lock.lock()) return;
  by_fd_[epfd].store(0, std::memory_order_relaxed);
  EpollSet& set = *at(number - 1);
  if (set.descriptors_.fetch_sub(1, std::memory_order_relaxed) == 1) {
    if (set.lock_.lock()) {
      set.clear();
      set.lock_.unlock();
    }
    is_taken[number - 1].store(false, std::memory_order_relaxed);
  } else if (set.epfd_.load(std::memory_order_relaxed) == epfd) {
    for (int other = 0; other < static_cast<int>(kDescriptors); ++other) {
      if (by_fd_[other].load(std::memory_order_relaxed) != number) continue;
      set.epfd_.store(other, std::memory_order_relaxed);
      break;
    }
  }
  pool_lock.unlock();
}

void EpollSets::closing_noted(int fd, Connection* connection, int other_fd) {
  const std::uint32_t number = by_fd_[fd].load(std::memory_order_acquire);
  const std::uint32_t end = end_.load(std::memory_order_acquire);
  for (std::uint32_t i = 0; i < end; ++i) {
    EpollSet& set = *at(i);
    if (set.members_.count() == 0 || !set.lock_.lock()) continue;
    set.left(connection, fd, other_fd);
    set.lock_.unlock();
  }
  if (number != 0) close_set(fd, number);
  is_noted_[fd].store(false, std::memory_order_relaxed);
}

void EpollSets::shared(Connection& connection, int fd) {
  const std::uint32_t end = end_.load(std::memory_order_acquire);
  for (std::uint32_t i = 0; i < end; ++i) {
    EpollSet& set = *at(i);
    if (set.members_.count() == 0 || !set.lock_.lock()) continue;
    set.joined(connection, fd);
    set.lock_.unlock();
  }
}

void EpollSets::move_members(Connection& connection, bool back) {
  const std::uint32_t end = end_.load(std::memory_order_acquire);
  for (std::uint32_t i = 0; i < end; ++i) {
    EpollSet& set = *at(i);
    if (set.members_.count() == 0 || !set.lock_.lock()) continue;
    if (back) {
      set.come_back(connection);
    } else {
      set.leave_kernel(connection);
    }
    set.lock_.unlock();
  }
}

void EpollSets::disconnected(Connection& connection) {
  const std::uint32_t end = end_.load(std::memory_order_acquire);
  for (std::uint32_t i = 0; i < end; ++i) {
    EpollSet& set = *at(i);
    if (set.members_.count() == 0 || !set.lock_.lock()) continue;
    set.disconnected(connection);
    set.lock_.unlock();
  }
}

// The child has a copy of all sets as they are between two calls.
void EpollSets::before_fork() {
  (void)pool_lock.lock();
  const std::uint32_t end = end_.load(std::memory_order_acquire);
  for (std::uint32_t i = 0; i < end; ++i) (void)at(i)->lock_.lock();
}

void EpollSets::after_fork(bool in_child) {
  const std::uint32_t end = end_.load(std::memory_order_acquire);
  forks_.fetch_add(1, std::memory_order_relaxed);
  for (std::uint32_t i = 0; i < end; ++i) {
    EpollSet& set = *at(i);
    if (!in_child) {
      // What the members hold is still this process's.
      set.forks_ = forks();
      set.lock_.unlock();
    } else {
      set.sleepers.store(0, std::memory_order_relaxed);
      set.lock_.reset();
    }
  }
  if (in_child) {
    pool_lock.reset();
  } else {
    pool_lock.unlock();
  }
}

}  // namespace leat::preload
