// select() and pselect().

#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "leat/smc/internal/raw_syscall.h"

#include "apps/preload/deadline.h"
#include "apps/preload/epoll_sets.h"
#include "apps/preload/held.h"
#include "apps/preload/real.h"
#include "apps/preload/watch_list.h"

namespace leat::preload {
namespace {

using smc::internal::raw_argument;
using smc::internal::raw_syscall;

constexpr int kWordBits = 8 * sizeof(unsigned long);

/// Sets of descriptors as the kernel has them: of any length, not only FD_SETSIZE.
struct Bits {
  unsigned long* words = nullptr;

  [[nodiscard]] bool has(int fd) const {
    return words != nullptr && (words[fd / kWordBits] >> (fd % kWordBits) & 1) != 0;
  }
  void set(int fd, bool on) const {
    const unsigned long bit = 1UL << (fd % kWordBits);
    if (on) {
      words[fd / kWordBits] |= bit;
    } else {
      words[fd / kWordBits] &= ~bit;
    }
  }
  [[nodiscard]] fd_set* as_fd_set() const { return reinterpret_cast<fd_set*>(words); }
};

/// The program's three sets, and what it asked for, which each attempt of the kernel overwrites.
class SelectSets {
 public:
  static constexpr int kSets = 3;

  SelectSets(int end, fd_set* read, fd_set* write, fd_set* except)
      : words_((static_cast<std::size_t>(end) + kWordBits - 1) / kWordBits) {
    fd_set* const given[kSets] = {read, write, except};
    unsigned long* memory = on_stack_;
    if (kSets * words_ > kOnStack) {
      mapped_ = kSets * words_ * sizeof(unsigned long);
      const long pages = raw_syscall(SYS_mmap, 0, static_cast<long>(mapped_),
                                     PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (pages < 0) {
        mapped_ = 0;
        return;
      }
      memory = reinterpret_cast<unsigned long*>(pages);
    }
    memory_ = memory;
    for (int i = 0; i < kSets; ++i) {
      current_[i].words = reinterpret_cast<unsigned long*>(given[i]);
      if (given[i] == nullptr) continue;
      asked_[i].words = memory + static_cast<std::size_t>(i) * words_;
      std::memcpy(asked_[i].words, current_[i].words, words_ * sizeof(unsigned long));
    }
  }
  SelectSets(const SelectSets&) = delete;
  SelectSets& operator=(const SelectSets&) = delete;
  ~SelectSets() {
    if (mapped_ != 0) raw_syscall(SYS_munmap, raw_argument(memory_), static_cast<long>(mapped_));
  }

  [[nodiscard]] bool is_valid() const { return memory_ != nullptr; }
  [[nodiscard]] const Bits& read() const { return current_[0]; }
  [[nodiscard]] const Bits& write() const { return current_[1]; }
  [[nodiscard]] const Bits& except() const { return current_[2]; }
  [[nodiscard]] const Bits& asked_read() const { return asked_[0]; }
  [[nodiscard]] bool asks_for(int fd) const {
    return asked_[0].has(fd) || asked_[1].has(fd) || asked_[2].has(fd);
  }
  /// Calls `visit` for each descriptor that is asked for.
  template <typename Visit>
  void each(Visit visit) const {
    for (std::size_t word = 0; word < words_; ++word) {
      unsigned long any = 0;
      for (const Bits& bits : asked_) any |= bits.words != nullptr ? bits.words[word] : 0;
      for (; any != 0; any &= any - 1) {
        visit(static_cast<int>(word) * kWordBits + __builtin_ctzl(any));
      }
    }
  }
  void ask_again() const {
    for (int i = 0; i < kSets; ++i) {
      if (asked_[i].words != nullptr) {
        std::memcpy(current_[i].words, asked_[i].words, words_ * sizeof(unsigned long));
      }
    }
  }

 private:
  static constexpr std::size_t kOnStack = 3 * 1024 / kWordBits;

  std::size_t words_;
  std::size_t mapped_ = 0;
  unsigned long* memory_ = nullptr;
  Bits current_[kSets];
  Bits asked_[kSets];
  unsigned long on_stack_[kOnStack];
};

int ask_kernel(int end, const SelectSets& sets, const Deadline& deadline, const sigset_t* mask) {
  timespec left;
  return real::pselect(end, sets.read().as_fd_set(), sets.write().as_fd_set(),
                       sets.except().as_fd_set(), deadline.left_timespec(left), mask);
}

int correct(const SelectSets& sets, WatchList& list, int found) {
  const auto set = [&](int fd, bool readable) {
    if (!sets.asked_read().has(fd) || sets.read().has(fd) == readable) return;
    sets.read().set(fd, readable);
    found += readable ? 1 : -1;
  };
  for (const WatchList::Entry& entry : list) {
    if (!entry.is_shared || !entry.wants_input) continue;
    const bool kernel = sets.read().has(entry.fd);
    if (!kernel && !entry.is_readable) continue;
    set(entry.fd, (entry.connection->true_events(entry.fd, kernel ? std::uint32_t{EPOLLIN} : 0) &
                   EPOLLIN) != 0);
  }
  for (WatchList::Set* it = list.sets_begin(); it != list.sets_end(); ++it) {
    if (it->set->is_plain()) continue;
    set(it->fd, sets.read().has(it->fd) ? it->set->is_truly_readable(it->fd) : it->set->ring_due());
  }
  return found;
}

int select_looking(int end, const SelectSets& sets, WatchList& list, const Deadline& deadline,
                   const sigset_t* mask) {
  const Deadline now = Deadline::in_nanoseconds(0);
  for (;;) {
    bool found = list.look();
    const bool is_over = deadline.is_over();
    if (!found && !is_over) found = list.spin();
    int count = 0;
    if (found || is_over) {
      count = ask_kernel(end, sets, now, nullptr);
    } else {
      list.arm();
      const bool is_ready = list.look();
      const std::int64_t start = Spinner::now();
      count =
          is_ready ? ask_kernel(end, sets, now, nullptr) : ask_kernel(end, sets, deadline, mask);
      if (!is_ready && count > 0) list.slept(Spinner::now() - start);
      list.disarm();
    }
    if (count < 0) return count;
    count = correct(sets, list, count);
    if (count != 0 || is_over) return count;
    sets.ask_again();
  }
}

template <typename Native>
int select(int end, fd_set* read, fd_set* write, fd_set* except, const Deadline& deadline,
           const sigset_t* mask, Native native) {
  cancellation_point();
  if (end <= 0 || end > (1 << 20)) return native();
  const SelectSets sets(end, read, write, except);
  if (!sets.is_valid()) return native();
  WatchList list(static_cast<std::size_t>(end));
  sets.each([&](int fd) {
    if (fd < end) list.add(fd, 0, sets.asked_read().has(fd));
  });
  if (list.is_empty()) return native();
  if (!list.has_rings()) {
    list.begin_plain();
    const int result = native();
    list.end_plain();
    if (result <= 0 || !list.has_rings()) return result;
    const int found = correct(sets, list, result);
    if (found != 0) return found;
    sets.ask_again();
  }
  return select_looking(end, sets, list, deadline, mask);
}

}  // namespace
}  // namespace leat::preload

using leat::preload::Deadline;
namespace real = leat::preload::real;

// As the kernel does, it tells how much of the time is left.
LEAT_INTERPOSED int select(int end, fd_set* read, fd_set* write, fd_set* except, timeval* timeout) {
  constexpr long kMillion = 1'000'000;
  const auto native = [&] { return real::select(end, read, write, except, timeout); };
  if (timeout == nullptr) {
    return leat::preload::select(end, read, write, except, Deadline::in(nullptr), nullptr, native);
  }
  if (timeout->tv_sec < 0 || timeout->tv_usec < 0) return native();
  const timespec limit{timeout->tv_sec + timeout->tv_usec / kMillion,
                       timeout->tv_usec % kMillion * 1000};
  const Deadline deadline = Deadline::in(&limit);
  const int result = leat::preload::select(end, read, write, except, deadline, nullptr, native);
  if (!deadline.is_endless()) {
    timespec left;
    (void)deadline.left_timespec(left);
    timeout->tv_sec = left.tv_sec;
    timeout->tv_usec = left.tv_nsec / 1000;
  }
  return result;
}

LEAT_INTERPOSED int pselect(int end, fd_set* read, fd_set* write, fd_set* except,
                            const timespec* timeout, const sigset_t* mask) {
  const auto native = [&] { return real::pselect(end, read, write, except, timeout, mask); };
  if (!Deadline::is_valid(timeout)) return native();
  return leat::preload::select(end, read, write, except, Deadline::in(timeout), mask, native);
}

LEAT_INTERPOSED int __select(int end, fd_set* read, fd_set* write, fd_set* except,
                             timeval* timeout) {
  return ::select(end, read, write, except, timeout);
}
