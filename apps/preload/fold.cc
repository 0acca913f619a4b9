#include "apps/preload/fold.h"

#include <poll.h>

#include "apps/preload/connection_pool.h"
#include "apps/preload/epoll_sets.h"
#include "apps/preload/held.h"
#include "apps/preload/lane_lock.h"
#include "apps/preload/lifecycle.h"
#include "apps/preload/native_scope.h"
#include "apps/preload/passed.h"
#include "apps/preload/process.h"
#include "apps/preload/raw.h"
#include "apps/preload/rest_of_stream.h"
#include "apps/preload/send.h"

namespace leat::preload {

namespace {

constexpr int kPatienceMs = 1000;
/// With an empty ring and no doorbell on its way nothing can be lost: a peer that sends by ring
/// after all sees the request then, and sends again by TCP.
constexpr int kPatienceForIdleMs = 100;

enum class Step { kDone, kWaiting, kIdle, kMustRead };

/// The peer has not answered, and its rings are empty: what lies in the socket and was there before
/// a look that finds nothing new are doorbells, and must not stay for whoever reads it next.
std::uint64_t idle_doorbells(Connection& connection, int fd) {
  char bytes[64];
  const long seen = raw::receive(fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_PEEK);
  if (seen <= 0) return 0;
  const smc::Input again = connection.receiver().look();
  const bool is_idle = again.kind == smc::Input::Kind::kRing && again.bytes.empty() &&
                       again.doorbells == 0 && connection.receiver().ring_bytes() == 0;
  return is_idle ? static_cast<std::uint64_t>(seen) : 0;
}

Step step_input(Connection& connection, int fd) {
  const InputLock lock(connection, fd);
  if (!lock.is_held()) return Step::kMustRead;
  for (;;) {
    const smc::Input input = connection.receiver().look();
    if (!input_is_open(connection)) return Step::kDone;
    if (input.kind == smc::Input::Kind::kTcp) return Step::kWaiting;
    if (input.kind == smc::Input::Kind::kBroken || !input.bytes.empty()) return Step::kMustRead;
    std::uint64_t doorbells = input.doorbells;
    if (doorbells == 0) {
      doorbells = idle_doorbells(connection, fd);
      if (connection.receiver().ring_bytes() != 0) return Step::kWaiting;
      if (doorbells == 0) return Step::kIdle;
    }
    const long eaten =
        raw::receive(fd, static_cast<void*>(nullptr), doorbells, MSG_DONTWAIT | MSG_TRUNC);
    if (eaten <= 0) return Step::kWaiting;
    connection.receiver().doorbells_eaten(static_cast<std::uint64_t>(eaten));
  }
}

bool peer_has_gone(Connection& connection, int fd) {
  const short events = raw::poll_one(fd, POLLRDHUP, 1);
  if ((events & (POLLHUP | POLLERR)) != 0) return true;
  // A peer that only ended its output had put all of it into TCP's order by that.
  return (events & POLLRDHUP) != 0 &&
         (connection.peer().flags.load(std::memory_order_acquire) & smc::kFlagWriteShut) == 0;
}

/// False if the program's bytes cannot all be brought to TCP.
bool fold_input(Connection& connection, int fd) {
  int idle_ms = 0;
  for (int waited = 0; waited < kPatienceMs; ++waited) {
    const Step step = step_input(connection, fd);
    if (step == Step::kDone) return true;
    if (step == Step::kMustRead) return false;
    if (step == Step::kIdle && ++idle_ms > kPatienceForIdleMs) return true;
    if (peer_has_gone(connection, fd)) {
      return step_input(connection, fd) == Step::kDone;
    }
    if (waited % 50 == 1) wake_for_flags(connection, fd);
  }
  return false;
}

constexpr int kPatienceForReaderMs = 200;

/// What the peer has not read of our ring can go again by TCP if the peer wants to fold as well,
/// but no more when bytes by TCP lie behind it; two that fold at one time would reset the
/// connection.
void await_reader(Connection& connection, int fd) {
  for (int waited = 0; waited < kPatienceForReaderMs; ++waited) {
    if (connection.sender().fold_wanted()) answer_fold(connection, fd);
    const smc::Sender<> sender = connection.sender();
    if (sender.lane() == smc::Lane::kTcp || sender.unread() == 0) return;
    if (peer_has_gone(connection, fd)) return;
  }
}

/// What cannot come by TCP again takes the descriptor's place. False: it is lost.
bool carry_rest(Connection& connection, int fd) {
  RestFile rest;
  if (peer_has_gone(connection, fd)) {
    connection.mine().flags.fetch_and(~smc::kFlagFoldWanted, std::memory_order_acq_rel);
    return take_to_the_end(connection, fd, rest) && replace_by_rest(connection, fd, rest, false);
  }
  Rest how = take_rest(connection, fd, rest);
  if (how == Rest::kFrozen && take_frozen_rest(connection, rest) && fold_input(connection, fd)) {
    how = Rest::kTaken;
  }
  return how == Rest::kTaken && replace_by_rest(connection, fd, rest, true);
}

}  // namespace

void fold_for_good(Connection& connection, int fd, smc::FallbackReason reason) {
  if (!connection.is_shared()) return connection.pin(reason);
  if (drop_if_stale(fd)) return;
  const bool was_open = input_is_open(connection);
  connection.receiver().want_fold();
  if (was_open) {
    connection.mine().wait.fetch_and(~smc::kWaitDoorbell, std::memory_order_seq_cst);
    connection.mine().board.store(0, std::memory_order_seq_cst);
    wake_for_flags(connection, fd);
  }
  await_reader(connection, fd);
  const bool told = fold_output(connection, fd);
  connection.slot()->reason.store(reason, std::memory_order_relaxed);
  Process::debug("folds back to TCP, reason", static_cast<std::uint64_t>(reason), fd);
  if (!was_open) return;
  Process::page()->counters.folded_input.fetch_add(1, std::memory_order_relaxed);
  if (fold_input(connection, fd)) return;
  const bool is_replaced = told && carry_rest(connection, fd);
  if (!is_replaced) reset(fd);
  for (int other = 0; other < DescriptorTable::end(); ++other) {
    if (DescriptorTable::known(other) != &connection) continue;
    if (!is_replaced) {
      descriptor_replaced(other, DescriptorTable::kOther);
    } else if (DescriptorTable::replace(other, reinterpret_cast<std::uintptr_t>(&connection),
                                        DescriptorTable::kOther)) {
      connection.drop_descriptor();
    }
  }
}

void fold_descriptors_in(const msghdr& message) {
  for_each_passed(message, [](int fd) {
    const Held held(fd);
    if (held) fold_for_good(*held, fd, smc::FallbackReason::kPassedOn);
    // Whoever gets a set waits for it as the kernel has it.
    if (EpollSet* const set = EpollSets::find(fd); set != nullptr) set->make_sticky();
  });
}

void fold_all(smc::FallbackReason reason) {
  Process::give_up();
  for (int fd = 0; fd < DescriptorTable::end(); ++fd) {
    if (DescriptorTable::known(fd) == nullptr) continue;
    const Held held(fd);
    if (held) fold_for_good(*held, fd, reason);
  }
}

}  // namespace leat::preload
