#include "apps/preload/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "leat/smc/socket_counts.h"

#include "apps/preload/connection_pool.h"
#include "apps/preload/epoll_sets.h"
#include "apps/preload/lane_lock.h"
#include "apps/preload/options.h"
#include "apps/preload/process.h"
#include "apps/preload/raw.h"

namespace leat::preload {
void Connection::begin(smc::ConnectionSlot& slot, bool connects) {
  slot_ = &slot;
  connects_ = connects;
  calls_.store(0, std::memory_order_relaxed);
  bytes_.store(0, std::memory_order_relaxed);
  matched_seen_ = slot.matched.load(std::memory_order_relaxed);
  low_water.store(1, std::memory_order_relaxed);
  non_blocking.store(false, std::memory_order_relaxed);
  pending_error.store(0, std::memory_order_relaxed);
  reset_told.store(false, std::memory_order_relaxed);
  big_ring_used_ms.store(0, std::memory_order_relaxed);
  stage_.store(Stage::kWatched, std::memory_order_relaxed);
  shared_.store(false, std::memory_order_relaxed);
  in_set_up_.store(false, std::memory_order_relaxed);
  descriptors_.store(1, std::memory_order_relaxed);
  users_.store(1, std::memory_order_release);
  Process::page()->counters.connections.fetch_add(1, std::memory_order_relaxed);
}

void Connection::drop_descriptor() {
  if (descriptors_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  if (users_.fetch_sub(1, std::memory_order_acq_rel) == 1) last_left();
}

void Connection::last_left() {
  shared_.store(false, std::memory_order_release);
  link_.unmap();
  ConnectionPool::release_slot(*slot_);
  ConnectionPool::give_back(*this);
}

// Calls of the parent's other threads are not inside here.
void Connection::forked() {
  in_set_up_.store(false, std::memory_order_relaxed);
  users_.store(1, std::memory_order_relaxed);
}

void Connection::pin(smc::FallbackReason reason) {
  if (stage() == Stage::kPinned) return;
  stage_.store(Stage::kPinned, std::memory_order_release);
  slot_->reason.store(reason, std::memory_order_relaxed);
  if (slot_->state.load(std::memory_order_relaxed) != smc::SlotState::kShared) {
    slot_->state.store(smc::SlotState::kPinned, std::memory_order_release);
  }
  const auto index = static_cast<std::size_t>(reason);
  if (index < smc::kFallbackReasons) {
    Process::page()->counters.fallback[index].fetch_add(1, std::memory_order_relaxed);
  }
  Process::debug("pinned to TCP, reason", index, 0);
}

void Connection::note_call_slowly(int fd, std::size_t bytes, bool is_input) {
  if (is_shared() && receiver().is_folding()) return;
  const std::uint32_t calls = calls_.fetch_add(1, std::memory_order_relaxed) + 1;
  const std::uint64_t sum = bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  const Stage now = stage();
  if (now == Stage::kWatched && calls < Process::settings().earned_calls &&
      sum < Process::settings().earned_bytes)
    return;
  if (now == Stage::kOffered && slot_->matched.load(std::memory_order_acquire) == matched_seen_) {
    return;
  }
  // One thread sets up; the others go on by TCP meanwhile.
  if (in_set_up_.exchange(true, std::memory_order_acquire)) return;
  switch (stage()) {
    case Stage::kWatched:
      offer(fd);
      break;
    case Stage::kOffered:
      matched_seen_ = slot_->matched.load(std::memory_order_acquire);
      take_answer(fd, Process::broker().fetch(offer_.cookie, Process::page()->token));
      break;
    case Stage::kAttached:
      if (is_input) link_.challenge(fd);
      prove(fd);
      break;
    case Stage::kShared:
      try_open_input(fd);
      break;
    case Stage::kPinned:
      break;
  }
  in_set_up_.store(false, std::memory_order_release);
}

void Connection::offer(int fd) {
  if (!Process::is_on()) return pin(smc::FallbackReason::kIoUring);
  if (!Process::has_broker()) return pin(smc::FallbackReason::kNoBroker);
  smc::FallbackReason reason = smc::identify(fd, offer_);
  if (offer_.cookie != slot_->cookie.load(std::memory_order_relaxed)) {
    // Another socket has the number, unseen.
    reason = smc::FallbackReason::kNotEstablished;
  }
  if (reason == smc::FallbackReason::kNone) reason = forbidden_by_options(fd);
  if (reason == smc::FallbackReason::kNone &&
      !Process::port_is_allowed(offer_.names.local_port, offer_.names.peer_port)) {
    reason = smc::FallbackReason::kDeniedPort;
  }
  if (reason != smc::FallbackReason::kNone) return pin(reason);
  smc::ProcessPage* const page = Process::page();
  slot_->names = offer_.names;
  slot_->reason.store(smc::FallbackReason::kWaitingForPeer, std::memory_order_relaxed);
  slot_->state.store(smc::SlotState::kOffered, std::memory_order_release);
  offer_.slot = static_cast<std::uint32_t>(slot_ - page->slots);
  offer_.big_ring = Process::settings().receive_ring;
  offer_.peer_ring = Process::settings().send_ring;
  offer_.connects = connects_;
  matched_seen_ = slot_->matched.load(std::memory_order_acquire);
  stage_.store(Stage::kOffered, std::memory_order_release);
  take_answer(fd, Process::broker().offer(offer_, page->token));
}

void Connection::take_answer(int fd, const smc::Answer& answer) {
  switch (answer.kind) {
    case smc::Answer::Kind::kPending:
      slot_->reason.store(answer.reason == smc::FallbackReason::kNone
                              ? smc::FallbackReason::kWaitingForPeer
                              : answer.reason,
                          std::memory_order_relaxed);
      return link_.unmap();
    case smc::Answer::Kind::kRefused:
      return pin(answer.reason);
    case smc::Answer::Kind::kUnknown:
      return pin(smc::FallbackReason::kNoProof);
    case smc::Answer::Kind::kNoBroker:
      return pin(smc::FallbackReason::kNoBroker);
    case smc::Answer::Kind::kSegment:
      break;
  }
  link_.find_boards(Process::broker(), offer_, answer, Process::page()->token);
  const smc::FallbackReason reason = link_.attach(fd, offer_, answer, connects_);
  if (reason != smc::FallbackReason::kNone) return pin(reason);
  stage_.store(Stage::kAttached, std::memory_order_release);
  if (link_.is_across()) {
    slot_->reason.store(smc::FallbackReason::kProving, std::memory_order_relaxed);
  }
  prove(fd);
}

void Connection::prove(int fd) {
  // The broker may have found a better match: the first was a dead socket's.
  const std::uint32_t matched = slot_->matched.load(std::memory_order_acquire);
  const smc::Link::Progress progress = link_.prove(fd);
  if (progress == smc::Link::Progress::kRefused) return pin(smc::FallbackReason::kNotEstablished);
  if (progress == smc::Link::Progress::kNoProof) return look_elsewhere(fd);
  if (progress == smc::Link::Progress::kWaiting) {
    if (matched == matched_seen_) return;
    matched_seen_ = matched;
    stage_.store(Stage::kOffered, std::memory_order_release);
    return take_answer(fd, Process::broker().fetch(offer_.cookie, Process::page()->token));
  }
  low_water.store(raw::option(fd, SOL_SOCKET, SO_RCVLOWAT, 1), std::memory_order_relaxed);
  hear_single_bytes(fd);
  no_delay.store(raw::option(fd, IPPROTO_TCP, TCP_NODELAY, 0), std::memory_order_relaxed);
  ring_at_once(fd);
  non_blocking.store(!raw::is_blocking(fd), std::memory_order_relaxed);
  slot_->end = link_.end();
  slot_->token = link_.token();
  slot_->reason.store(smc::FallbackReason::kNone, std::memory_order_relaxed);
  // From here on the others of the family must go by the segment, see NativeScope.
  slot_->state.store(smc::SlotState::kShared, std::memory_order_seq_cst);
  stage_.store(Stage::kShared, std::memory_order_release);
  shared_.store(true, std::memory_order_release);
  Process::page()->counters.shared.fetch_add(1, std::memory_order_relaxed);
  Process::debug("shares memory, segment", slot_->token, fd);
  EpollSets::shared(*this, fd);
  try_open_input(fd);
}

// The peer that the broker has found in another network namespace is not this socket's.
void Connection::look_elsewhere(int fd) {
  Process::debug("is not proved to be one connection, segment", link_.token(), fd);
  constexpr auto kReason = static_cast<std::size_t>(smc::FallbackReason::kNoProof);
  Process::page()->counters.fallback[kReason].fetch_add(1, std::memory_order_relaxed);
  matched_seen_ = slot_->matched.load(std::memory_order_acquire);
  stage_.store(Stage::kOffered, std::memory_order_release);
  take_answer(fd, Process::broker().reject(offer_.cookie, link_.token(), Process::page()->token));
}

void Connection::hear_single_bytes(int fd) const {
  if (low_water.load(std::memory_order_relaxed) <= 1) return;
  const int one = 1;
  raw::raw_syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVLOWAT, raw::raw_argument(&one),
                   sizeof one);
}

void Connection::ring_at_once(int fd) const {
  if (no_delay.load(std::memory_order_relaxed) != 0) return;
  const int on = 1;
  raw::raw_syscall(SYS_setsockopt, fd, IPPROTO_TCP, TCP_NODELAY, raw::raw_argument(&on), sizeof on);
}

// Readers count themselves, then look at the state; we set the state, then look at the count: one
// of the two sees the other.
void Connection::try_open_input(int fd) {
  constexpr std::uint32_t kDone = smc::kFlagInputReady | smc::kFlagFoldWanted;
  if (!is_shared() || (mine().flags.load(std::memory_order_acquire) & kDone) != 0) return;
  const InputLock lock(*this, fd);
  if (!lock.is_held()) return;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (slot_->native_readers.load(std::memory_order_seq_cst) != 0) return;
  const std::uint64_t consumed = smc::tcp_consumed(fd);
  if (consumed != smc::kNoCount) link_.allow_input(consumed);
}

bool Connection::join_family(int fd) {
  if (in_set_up_.exchange(true, std::memory_order_acquire)) return is_shared();
  if (!is_shared()) {
    (void)smc::identify(fd, offer_);
    take_answer(fd, Process::broker().fetch(offer_.cookie, Process::page()->token));
  }
  in_set_up_.store(false, std::memory_order_release);
  return is_shared();
}

void Connection::find_inherited(int fd, std::uint64_t cookie) {
  if (!Process::has_broker()) return pin(smc::FallbackReason::kInherited);
  const smc::Answer answer = Process::broker().lookup_or_pin(cookie);
  if (answer.kind != smc::Answer::Kind::kSegment) return pin(smc::FallbackReason::kInherited);
  offer_ = {};
  offer_.cookie = cookie;
  (void)smc::identify(fd, offer_);
  connects_ = answer.connects;
  take_answer(fd, answer);
  if (is_shared()) mine().flags.fetch_or(smc::kFlagManyFamilies, std::memory_order_acq_rel);
}

}  // namespace leat::preload
