#include "leat/smc/internal/board_table.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#include <atomic>

#include "leat/smc/internal/raw_syscall.h"
#include "leat/smc/internal/sealed_file.h"

namespace leat::smc::internal {

namespace {

/// holders: 0 free, kChanging while it is filled or emptied.
struct Entry {
  std::atomic<std::uint32_t> holders{0};
  std::atomic<std::uint64_t> token{0};
  std::atomic<BoardPage*> page{nullptr};
};
constexpr std::uint32_t kChanging = ~0U;

constinit Entry entries[BoardTable::kMost];

bool hold_entry(Entry& entry) {
  std::uint32_t holders = entry.holders.load(std::memory_order_relaxed);
  while (holders != 0 && holders != kChanging) {
    if (entry.holders.compare_exchange_weak(holders, holders + 1, std::memory_order_acquire)) {
      return true;
    }
  }
  return false;
}

void release_entry(Entry& entry) {
  std::uint32_t holders = entry.holders.load(std::memory_order_relaxed);
  while (!entry.holders.compare_exchange_weak(holders, holders == 1 ? kChanging : holders - 1,
                                              std::memory_order_acq_rel)) {
  }
  if (holders != 1) return;
  BoardPage* const page = entry.page.exchange(nullptr, std::memory_order_relaxed);
  entry.token.store(0, std::memory_order_relaxed);
  raw_syscall(SYS_munmap, raw_argument(page), sizeof(BoardPage));
  entry.holders.store(0, std::memory_order_release);
}

Entry* entry_of(const BoardPage* page) {
  for (Entry& entry : entries) {
    if (entry.page.load(std::memory_order_relaxed) == page) return &entry;
  }
  return nullptr;
}

// The broker made it; checked as if it had come from outside, like a segment.
BoardPage* map(int fd) {
  if (sealed_size(fd) != sizeof(BoardPage)) return nullptr;
  const long at =
      raw_syscall(SYS_mmap, 0, sizeof(BoardPage), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return at < 0 && at > -4096 ? nullptr : reinterpret_cast<BoardPage*>(at);
}

}  // namespace

BoardPage* BoardTable::hold(std::uint64_t token) {
  for (Entry& entry : entries) {
    if (entry.token.load(std::memory_order_relaxed) != token || !hold_entry(entry)) continue;
    if (entry.token.load(std::memory_order_relaxed) == token) {
      return entry.page.load(std::memory_order_relaxed);
    }
    release_entry(entry);  // It has become another's meanwhile.
  }
  return nullptr;
}

BoardPage* BoardTable::add(std::uint64_t token, int fd) {
  BoardPage* const page = map(fd);
  raw_syscall(SYS_close, fd);
  if (page == nullptr) return nullptr;
  for (Entry& entry : entries) {
    std::uint32_t free = 0;
    if (!entry.holders.compare_exchange_strong(free, kChanging, std::memory_order_acquire)) {
      continue;
    }
    entry.page.store(page, std::memory_order_relaxed);
    entry.token.store(token, std::memory_order_relaxed);
    entry.holders.store(1, std::memory_order_release);
    return page;
  }
  raw_syscall(SYS_munmap, raw_argument(page), sizeof(BoardPage));
  return nullptr;
}

void BoardTable::hold_again(BoardPage* page) {
  if (Entry* const entry = entry_of(page)) (void)hold_entry(*entry);
}

void BoardTable::release(BoardPage* page) {
  if (page == nullptr) return;
  if (Entry* const entry = entry_of(page)) release_entry(*entry);
}

}  // namespace leat::smc::internal
