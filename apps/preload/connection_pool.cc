#include "apps/preload/connection_pool.h"

#include <new>

#include "apps/preload/process.h"

namespace leat::preload {
namespace {

// Raw memory: a connection has a destructor that exit() must not run.
alignas(Connection) constinit char room[ConnectionPool::kSize * sizeof(Connection)] = {};
constinit std::atomic<std::uint32_t> fresh{0};

/// Index plus one of the first free connection, and above it a count of changes, without which a
/// thread could put back a list that others have changed twice.
constinit std::atomic<std::uint64_t> free_list{0};

constexpr std::size_t kSlotWindow = 64;

std::uint64_t scatter(std::uint64_t cookie) {
  return cookie * 0x9e3779b97f4a7c15ULL >> 32U;
}

bool join_slot(smc::ConnectionSlot& slot) {
  std::uint32_t holders = slot.holders.load(std::memory_order_acquire);
  while (holders != 0) {
    if (slot.holders.compare_exchange_weak(holders, holders + 1)) return true;
  }
  return false;
}

}  // namespace

Connection& ConnectionPool::at(std::uint32_t index) {
  return *std::launder(reinterpret_cast<Connection*>(room + index * sizeof(Connection)));
}

std::uint32_t ConnectionPool::high_water() {
  const std::uint32_t count = fresh.load(std::memory_order_acquire);
  return count < kSize ? count : kSize;
}

Connection* ConnectionPool::take(std::uint64_t cookie, bool connects) {
  smc::ConnectionSlot* const slot = claim_slot(cookie);
  if (slot == nullptr) return nullptr;
  Connection* found = nullptr;
  std::uint64_t head = free_list.load(std::memory_order_acquire);
  while (static_cast<std::uint32_t>(head) != 0) {
    Connection& first = at(static_cast<std::uint32_t>(head) - 1);
    const std::uint64_t next =
        ((head >> 32U) + 1) << 32U | first.next_free.load(std::memory_order_relaxed);
    if (free_list.compare_exchange_weak(head, next, std::memory_order_acq_rel)) {
      found = &first;
      break;
    }
  }
  if (found == nullptr) {
    const std::uint32_t index = fresh.load(std::memory_order_relaxed) < kSize
                                    ? fresh.fetch_add(1, std::memory_order_acq_rel)
                                    : kSize;
    if (index >= kSize) {
      release_slot(*slot);
      return nullptr;
    }
    found = new (room + index * sizeof(Connection)) Connection;
  }
  found->begin(*slot, connects);
  return found;
}

void ConnectionPool::give_back(Connection& connection) {
  const auto index = static_cast<std::uint32_t>((reinterpret_cast<char*>(&connection) - room) /
                                                static_cast<std::ptrdiff_t>(sizeof connection));
  std::uint64_t head = free_list.load(std::memory_order_acquire);
  std::uint64_t next = 0;
  do {
    connection.next_free.store(static_cast<std::uint32_t>(head), std::memory_order_relaxed);
    next = ((head >> 32U) + 1) << 32U | (index + 1);
  } while (!free_list.compare_exchange_weak(head, next, std::memory_order_acq_rel));
}

void ConnectionPool::before_fork() {
  for_each([](Connection& connection) { connection.slot()->holders.fetch_add(1); });
}

void ConnectionPool::fork_failed() {
  for_each([](Connection& connection) { release_slot(*connection.slot()); });
}

// Uses and set-ups of the parent's other threads do not exist here.
void ConnectionPool::forked() {
  for_each([](Connection& connection) { connection.forked(); });
}

// A slot is found by its cookie within a window, so that slots may become free in any order.
smc::ConnectionSlot* ConnectionPool::claim_slot(std::uint64_t cookie) {
  smc::ProcessPage* const page = Process::page();
  const std::uint64_t first = scatter(cookie);
  const auto slot_at = [&](std::size_t i) -> smc::ConnectionSlot& {
    return page->slots[(first + i) % smc::kConnectionSlots];
  };
  for (std::size_t i = 0; i < kSlotWindow; ++i) {
    smc::ConnectionSlot& slot = slot_at(i);
    if (slot.cookie.load(std::memory_order_acquire) == cookie && join_slot(slot)) return &slot;
  }
  for (std::size_t i = 0; i < kSlotWindow; ++i) {
    smc::ConnectionSlot& slot = slot_at(i);
    std::uint64_t none = 0;
    if (slot.cookie.load(std::memory_order_relaxed) != 0 ||
        !slot.cookie.compare_exchange_strong(none, cookie, std::memory_order_acq_rel)) {
      continue;
    }
    slot.reason.store(smc::FallbackReason::kNotEarned, std::memory_order_relaxed);
    slot.native_readers.store(0, std::memory_order_relaxed);
    slot.native_writers.store(0, std::memory_order_relaxed);
    slot.native_waiters.store(0, std::memory_order_relaxed);
    slot.calls = 0;
    slot.bytes = 0;
    slot.token = 0;
    slot.names = {};
    slot.state.store(smc::SlotState::kTcp, std::memory_order_release);
    slot.holders.store(1, std::memory_order_release);
    return &slot;
  }
  page->counters.fallback[static_cast<std::size_t>(smc::FallbackReason::kTableFull)].fetch_add(1);
  return nullptr;
}

void ConnectionPool::release_slot(smc::ConnectionSlot& slot) {
  if (slot.holders.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  slot.state.store(smc::SlotState::kFree, std::memory_order_release);
  slot.cookie.store(0, std::memory_order_release);
}

}  // namespace leat::preload
