#include "apps/preload/watch_list.h"

#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <cstring>

#include "leat/smc/internal/raw_syscall.h"

#include "apps/preload/descriptor_table.h"
#include "apps/preload/epoll_sets.h"
#include "apps/preload/process.h"
#include "apps/preload/spinner.h"

namespace leat::preload {
namespace {

using smc::internal::raw_argument;
using smc::internal::raw_syscall;

}  // namespace

WatchList::~WatchList() {
  for (Entry& entry : *this) entry.connection->leave();
  if (mapped_ != 0) raw_syscall(SYS_munmap, raw_argument(entries_), static_cast<long>(mapped_));
}

bool WatchList::has_room() {
  if (count_ < kOnStack || mapped_ != 0) return true;
  const std::size_t bytes = most_ * sizeof(Entry);
  const long memory = raw_syscall(SYS_mmap, 0, static_cast<long>(bytes), PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory < 0) return false;
  auto* const moved = reinterpret_cast<Entry*>(memory);
  std::memcpy(moved, on_stack_, count_ * sizeof(Entry));
  entries_ = moved;
  mapped_ = bytes;
  return true;
}

void WatchList::add(int fd, std::uint32_t place, bool wants_input) {
  Connection* const connection = DescriptorTable::find(fd);
  if (connection == nullptr) {
    EpollSet* const set = EpollSets::find(fd);
    if (set == nullptr || !wants_input) return;
    set->make_sticky();
    if (sets_ < kSets) set_[sets_++] = {set, fd, place};
    return;
  }
  if (connection->stage() == Connection::Stage::kPinned || !has_room()) return;
  if (!connection->try_enter()) return;
  if (DescriptorTable::known(fd) != connection) return connection->leave();
  if (!connection->is_shared()) (void)connection->attach_if_family_did(fd);
  const bool shared = connection->is_shared();
  entries_[count_++] = {connection, fd, place, wants_input, shared, false};
  has_shared_ |= shared;
}

void WatchList::begin_plain() {
  for (Entry& entry : *this) entry.connection->arm();
}

void WatchList::end_plain() {
  for (Entry& entry : *this) {
    entry.connection->disarm();
    entry.is_shared = entry.connection->is_shared();
    has_shared_ |= entry.is_shared;
  }
}

bool WatchList::look() {
  bool any = false;
  for (Entry& entry : *this) {
    if (!entry.is_shared || !entry.wants_input) continue;
    entry.is_readable = entry.connection->maybe_readable() &&
                        (entry.connection->true_events(entry.fd, 0) & EPOLLIN) != 0;
    any |= entry.is_readable;
  }
  for (std::size_t i = 0; i < sets_ && !any; ++i) any = set_[i].set->ring_due();
  return any;
}

bool WatchList::spin() {
  const Spinner::Outcome outcome =
      Spinner::spin(Spinner::of_thread(), [this](std::int64_t) { return look(); });
  has_spun_ = outcome != Spinner::Outcome::kNotTried;
  if (has_spun_) Process::count_spin(outcome == Spinner::Outcome::kWon);
  return outcome == Spinner::Outcome::kWon;
}

void WatchList::slept(std::int64_t nanoseconds) {
  if (!has_spun_) Spinner::of_thread().slept(static_cast<std::uint64_t>(nanoseconds));
}

void WatchList::arm() {
  for (Entry& entry : *this) {
    if (entry.is_shared && entry.wants_input) entry.connection->arm();
  }
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

void WatchList::disarm() {
  for (Entry& entry : *this) {
    if (entry.is_shared && entry.wants_input) entry.connection->disarm();
  }
}

}  // namespace leat::preload
