#include "leat/net/internal/shared_join.h"

#include <utility>

#include "leat/net/tcp_connection.h"

namespace leat::internal {

SharedJoin::SharedJoin(std::shared_ptr<TcpConnection> connection, SharedProcess& process,
                       bool connects)
    : connection_(connection),
      process_(process),
      memory_(std::make_unique<SharedMemory>()),
      connects_(connects) {
  connection->set_join(this);
  smc::FallbackReason reason = smc::identify(connection->fd(), offer_);
  smc::ConnectionSlot* slot = reason == smc::FallbackReason::kNone ? process.take_slot() : nullptr;
  if (slot == nullptr) {
    if (reason == smc::FallbackReason::kNone) reason = smc::FallbackReason::kTableFull;
    over_ = refuse(reason);
    return;
  }
  memory_->slot = SlotLease(process, slot);
  slot->names = offer_.names;
  slot->cookie.store(offer_.cookie, std::memory_order_release);
  slot->state.store(smc::SlotState::kOffered, std::memory_order_relaxed);
  slot->reason.store(smc::FallbackReason::kWaitingForPeer, std::memory_order_relaxed);
  connection->stay_on_tcp(smc::FallbackReason::kWaitingForPeer);
  offer_.slot = process.index_of(*slot);
  offer_.connects = connects;
  over_ = take(process.broker().offer(offer_, process.token()), connection->fd());
}

SharedJoin::~SharedJoin() {
  const std::shared_ptr<TcpConnection> connection = connection_.lock();
  if (connection && connection->join() == this) connection->set_join(nullptr);
}

bool SharedJoin::refuse(smc::FallbackReason reason) {
  if (memory_->slot) {
    memory_->slot->reason.store(reason, std::memory_order_relaxed);
    memory_->slot->state.store(smc::SlotState::kPinned, std::memory_order_relaxed);
  }
  process_.counters().fallback[static_cast<std::uint32_t>(reason)].fetch_add(
      1, std::memory_order_relaxed);
  if (const auto connection = connection_.lock()) connection->stay_on_tcp(reason);
  return true;
}

/// True if it is over.
bool SharedJoin::take(const smc::Answer& answer, int socket) {
  switch (answer.kind) {
    case smc::Answer::Kind::kPending:
      wait(answer.reason == smc::FallbackReason::kNone ? smc::FallbackReason::kWaitingForPeer
                                                       : answer.reason);
      memory_->link.unmap();
      return false;
    case smc::Answer::Kind::kSegment:
      break;
    case smc::Answer::Kind::kRefused:
      return refuse(answer.reason);
    case smc::Answer::Kind::kUnknown:
      return refuse(smc::FallbackReason::kNoProof);
    case smc::Answer::Kind::kNoBroker:
      return refuse(smc::FallbackReason::kNoBroker);
  }
  memory_->link.find_boards(process_.broker(), offer_, answer, process_.token());
  const smc::FallbackReason reason = memory_->link.attach(socket, offer_, answer, connects_);
  if (reason == smc::FallbackReason::kNone && memory_->link.is_across()) {
    wait(smc::FallbackReason::kProving);
  }
  return reason != smc::FallbackReason::kNone && refuse(reason);
}

void SharedJoin::wait(smc::FallbackReason reason) {
  memory_->slot->reason.store(reason, std::memory_order_relaxed);
  if (const auto connection = connection_.lock()) connection->stay_on_tcp(reason);
}

void SharedJoin::input_came() {
  const std::shared_ptr<TcpConnection> connection = connection_.lock();
  if (over_ || !connection || !memory_ || !memory_->link.is_mapped()) return;
  memory_->link.challenge(connection->fd());
}

bool SharedJoin::step() {
  const std::shared_ptr<TcpConnection> connection = connection_.lock();
  if (over_ || !connection || connection->join() != this || connection->fd() < 0) return true;
  const std::uint32_t matched = memory_->slot->matched.load(std::memory_order_acquire);
  if (matched != matched_) {
    matched_ = matched;
    if (take(process_.broker().fetch(offer_.cookie, process_.token()), connection->fd()))
      return true;
  }
  if (!memory_->link.is_mapped()) return false;
  switch (memory_->link.prove(connection->fd())) {
    case smc::Link::Progress::kWaiting:
      return false;
    case smc::Link::Progress::kNoProof:
      return look_elsewhere(connection->fd());
    case smc::Link::Progress::kRefused:
      return refuse(smc::FallbackReason::kNotEstablished);
    case smc::Link::Progress::kReady:
      break;
  }
  const bool over = connection->share(memory_);
  if (memory_ == nullptr) process_.counters().shared.fetch_add(1, std::memory_order_relaxed);
  return over;
}

// The peer that the broker has found in another network namespace is not this socket's.
bool SharedJoin::look_elsewhere(int socket) {
  constexpr auto kReason = static_cast<std::size_t>(smc::FallbackReason::kNoProof);
  process_.counters().fallback[kReason].fetch_add(1, std::memory_order_relaxed);
  matched_ = memory_->slot->matched.load(std::memory_order_acquire);
  const std::uint64_t token = memory_->link.token();
  return take(process_.broker().reject(offer_.cookie, token, process_.token()), socket);
}

}  // namespace leat::internal
