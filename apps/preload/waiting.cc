// What poll, select and epoll need of a connection: Connection's part of it.

#include <sys/epoll.h>
#include <sys/socket.h>

#include "apps/preload/connection.h"
#include "apps/preload/lane_lock.h"
#include "apps/preload/raw.h"
#include "apps/preload/send.h"

namespace leat::preload {
namespace {

constexpr std::uint32_t kIn = EPOLLIN | EPOLLRDNORM;
constexpr std::uint32_t kEnds = EPOLLHUP | EPOLLERR;

/// Reads doorbells away; returns whether the socket has something for the program: data, a FIN.
bool socket_has_input(Connection& connection, int fd, bool is_sets) {
  char bytes[64];
  for (;;) {
    const long seen = raw::receive(fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_PEEK);
    if (seen == -EAGAIN) return false;
    if (seen < 0)
      connection.pending_error.store(static_cast<int>(-seen), std::memory_order_relaxed);
    if (seen <= 0) return true;
    const smc::Input input = connection.receiver().look();
    if (input.kind != smc::Input::Kind::kRing || !input.bytes.empty()) return true;
    if (input.doorbells == 0) return false;
    if (input.doorbells == smc::kNoLimit) {
      const auto judged = connection.judge_doorbells(is_sets);
      if (judged == Connection::Doorbells::kLeave) return false;
      if (judged == Connection::Doorbells::kLookAgain) continue;
    }
    const auto count = static_cast<std::uint64_t>(seen);
    const long eaten =
        raw::receive(fd, static_cast<void*>(nullptr),
                     count < input.doorbells ? count : input.doorbells, MSG_DONTWAIT | MSG_TRUNC);
    if (eaten <= 0) return false;
    connection.receiver().doorbells_eaten(static_cast<std::uint64_t>(eaten));
  }
}

}  // namespace

bool Connection::maybe_readable() {
  return is_shared() && (link_.receiver().maybe_readable() || link_.sender().fold_wanted());
}

std::uint32_t Connection::true_events(int fd, std::uint32_t from_kernel, bool is_sets) {
  if (!is_shared() || (mine().flags.load(std::memory_order_acquire) & smc::kFlagInputReady) == 0) {
    return from_kernel;
  }
  if (link_.sender().fold_wanted()) answer_fold(*this, fd);
  const InputLock lock(*this, fd);
  if (!lock.is_held()) return from_kernel;
  smc::Input input = receiver().look();
  if (input.kind == smc::Input::Kind::kRing && input.bytes.empty() && (from_kernel & kIn) != 0 &&
      (from_kernel & kEnds) == 0) {
    if (!socket_has_input(*this, fd, is_sets)) from_kernel &= ~kIn;
    input = receiver().look();
  }
  if (input.kind == smc::Input::Kind::kRing && !input.bytes.empty()) {
    const auto wanted = static_cast<std::size_t>(low_water.load(std::memory_order_relaxed));
    if (input.bytes.size() + input.more.size() >= wanted || (from_kernel & kEnds) != 0) {
      return from_kernel | kIn;
    }
    return from_kernel & ~kIn;
  }
  if (input.kind == smc::Input::Kind::kBroken) return from_kernel | kIn;
  return from_kernel;
}

// Not on an end that folds: whoever gets the socket then does not know a doorbell from data. Asked
// before and after, as fold_for_good() first asks to fold and then takes the mark away.
void Connection::mark_armed() {
  const auto folds = [this] {
    return (mine().flags.load(std::memory_order_seq_cst) & smc::kFlagFoldWanted) != 0;
  };
  if (folds()) return;
  mine().wait.fetch_or(smc::kWaitDoorbell, std::memory_order_seq_cst);
  if (folds()) mine().wait.fetch_and(~smc::kWaitDoorbell, std::memory_order_seq_cst);
}

void Connection::wakes_heirs() {
  mine().flags.fetch_or(smc::kFlagManyFamilies, std::memory_order_acq_rel);
  mark_armed();
}

void Connection::arm() {
  slot_->native_waiters.fetch_add(1, std::memory_order_seq_cst);
  if (is_shared()) {
    mine().wait.fetch_add(smc::kWaitArmed, std::memory_order_seq_cst);
    mark_armed();
  }
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

void Connection::stay_armed() {
  if (slot_->native_waiters.load(std::memory_order_relaxed) == 0 &&
      kept_armed.load(std::memory_order_relaxed) == 0) {
    return;
  }
  std::atomic<std::uint32_t>& wait = mine().wait;
  if ((wait.load(std::memory_order_relaxed) & smc::kWaitDoorbell) != 0) return;
  mark_armed();
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

// Stale counts of killed threads only cost needless doorbells.
void Connection::disarm() {
  std::uint32_t seen = is_shared() ? mine().wait.load(std::memory_order_seq_cst) : 0;
  const bool was_last = slot_->native_waiters.fetch_sub(1, std::memory_order_seq_cst) == 1;
  if (!was_last || !is_shared() || kept_armed.load(std::memory_order_seq_cst) != 0) return;
  if ((mine().flags.load(std::memory_order_relaxed) & smc::kFlagManyFamilies) != 0) return;
  // Who arms from here on has counted itself in the word, and keeps its mark.
  mine().wait.compare_exchange_strong(seen, seen & ~smc::kWaitDoorbell, std::memory_order_seq_cst);
}

// Others of this end may sleep on the doorbell that is to be eaten. Armed again first, they hear of
// bytes that come from now on; bytes that came before keep the doorbell where it is.
Connection::Doorbells Connection::judge_doorbells(bool is_sets) {
  if (!is_sets && link_.boards() != nullptr &&
      smc::board_awaits_doorbell(*link_.boards(), mine().board.load(std::memory_order_relaxed))) {
    return Doorbells::kLeave;
  }
  if (slot_->native_waiters.load(std::memory_order_seq_cst) == 0 &&
      kept_armed.load(std::memory_order_seq_cst) == 0 &&
      (mine().flags.load(std::memory_order_relaxed) & smc::kFlagManyFamilies) == 0) {
    return Doorbells::kEat;
  }
  mark_armed();
  return link_.receiver().maybe_readable() ? Doorbells::kLookAgain : Doorbells::kEat;
}

std::uint64_t Connection::arrivals() {
  if (!is_shared()) return 0;
  std::uint64_t sum = mine().spans.load(std::memory_order_acquire);
  for (const auto& produced : mine().produced) sum += produced.load(std::memory_order_acquire);
  return sum;
}

}  // namespace leat::preload
