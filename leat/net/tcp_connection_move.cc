// The way of a connection from one loop to another; docs/decisions/listener-balance.md draws it.

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "leat/base/assert.h"
#include "leat/net/internal/connection_call.h"
#include "leat/net/internal/connection_move.h"
#include "leat/net/internal/connection_owner.h"
#include "leat/net/internal/connection_profile.h"
#include "leat/net/internal/send_queue.h"
#include "leat/net/tcp_connection.h"

namespace leat {

bool TcpConnection::is_here() const {
  // If it is this thread's, then nobody else can change it; and if not, it cannot become so.
  const internal::ConnectionSeat* const seat = home_.load(std::memory_order_acquire);
  return seat != nullptr && seat->handle.is_in_loop_thread();
}

// On the old loop.

Result<void> TcpConnection::check_move() const {
  if (state() != State::kOpen || !announced_) {
    return Error::from_errno(EPIPE, "move_to: the connection is not open");
  }
  if (shares_) return Error::from_errno(ENOTSUP, "move_to: its bytes go by shared memory");
  if (tls_ != nullptr || !transport_->can_detach()) {
    return Error::from_errno(ENOTSUP, "move_to: a connection with TLS stays on its loop");
  }
  if (coroutines_) {
    return Error::from_errno(ENOTSUP, "move_to: coroutines of the loop use the connection");
  }
  if (stays_) return Error::from_errno(ENOTSUP, "move_to: it has state on its loop");
  return {};
}

Result<void> TcpConnection::move_to(EventLoop& target, MoveCallback done) {
  LEAT_ASSERT(is_here(), "move_to() of a connection that is not on this thread's loop");
  if (move_) return Error::from_errno(EALREADY, "move_to: it is moving");
  if (Result<void> checked = check_move(); !checked) return checked;
  auto move = std::make_unique<internal::ConnectionMove>();
  move->target = &target;
  move->done = std::move(done);
  const auto begin = [self = shared_from_this()] { self->let_go(); };
  if (&target == &home()) {
    home().queue_in_loop(begin);
    move_ = std::move(move);
    return {};
  }
  Result<std::shared_ptr<internal::ConnectionOwner>> owner = owner_->reserve_on(target);
  if (!owner) return owner.error();
  try {
    home().queue_in_loop(begin);
  } catch (const std::bad_alloc&) {
    (*owner)->give_up_place();
    throw;
  }
  move->owner = std::move(*owner);
  move_ = std::move(move);
  return {};
}

void TcpConnection::let_go() {
  if (!move_) return;  // it has ended
  Result<void> checked = check_move();
  if (!checked || !move_->owner) {
    const std::unique_ptr<internal::ConnectionMove> move = std::move(move_);
    if (move->owner) move->owner->give_up_place();
    tell_moved(*move, checked);
    if (state() != State::kClosed) owner_->connection_settled(*this);
    return;
  }
  // The pointer first: without memory nothing has happened yet.
  internal::ConnectionSeat& seat = seat_on(*move_->target);
  move_->seat = &seat;
  move_->leaving = true;
  if (transport_->detach()) switch_seat();
}

void TcpConnection::detached() {
  try {
    home().queue_in_loop([self = shared_from_this()] { self->switch_seat(); });
  } catch (const std::bad_alloc&) {
    finish(CloseReason::kError);
  }
}

internal::ConnectionSeat& TcpConnection::seat_on(EventLoop& loop) {
  if (first_seat_.loop == &loop) return first_seat_;
  const auto is_there = [&loop](const auto& seat) { return seat->loop == &loop; };
  const auto found = std::ranges::find_if(other_seats_, is_there);
  if (found != other_seats_.end()) return **found;
  other_seats_.push_back(std::make_unique<internal::ConnectionSeat>(loop));
  return *other_seats_.back();
}

/// Calls of other threads go to the new loop, where they wait.
void TcpConnection::switch_seat() {
  if (!move_) return;
  seat_.store(move_->seat);
  leave_when_quiet();
}

/// Once nobody is about to queue here any more, what is queued comes before leave().
void TcpConnection::leave_when_quiet() {
  if (!move_) return;
  const bool quiet = home_.load()->posting.load() == 0;
  try {
    home().queue_in_loop(
        [self = shared_from_this(), quiet] { quiet ? self->leave() : self->leave_when_quiet(); });
  } catch (const std::bad_alloc&) {
    end_soon(CloseReason::kError);
  }
}

void TcpConnection::leave() {
  if (!move_ || ending_soon_) return;  // it has ended, or will at once
  try {
    send_queue_ = send_queue_->move_to(move_->target->buffers());
  } catch (const std::bad_alloc&) {
    finish(CloseReason::kError);
    return;
  }
  if (limit_timer_.is_valid()) home().cancel(std::exchange(limit_timer_, {}));
  join_ = nullptr;
  const TcpConnectionPtr self = shared_from_this();
  owner_->connection_leaves(*this);
  const LoopHandle there = move_->seat->handle;
  internal::Transport::Detached detached = transport_->take_detached();
  transport_.reset();
  internal::ConnectionPassage passage(self, std::move(move_), std::move(detached));
  home_.store(nullptr, std::memory_order_release);
  try {
    there.queue([passage = std::move(passage)]() mutable { passage.land(); });
  } catch (const std::bad_alloc&) {
    // The passage was destroyed, and the connection with it.
  }
}

/// The connection ends on the old loop.
void TcpConnection::end_move() {
  const std::unique_ptr<internal::ConnectionMove> move = std::move(move_);
  if (move->owner) move->owner->give_up_place();
}

void TcpConnection::tell_moved(internal::ConnectionMove& move, const Result<void>& result) {
  if (!move.done) return;
  const ConnectionCallbacks::Event tell = [&](const TcpConnectionPtr& self) {
    move.done(self, result);
  };
  call(tell);
}

// Between.

internal::ConnectionPassage::~ConnectionPassage() {
  if (connection_) connection_->lose(*move_, CloseReason::kLoopEnded);
}

void internal::ConnectionPassage::land() {
  const TcpConnectionPtr connection = std::move(connection_);
  connection->land(*move_, std::move(detached_));
}

/// The new loop has ended, or there is no memory for the connection there. On whatever thread.
void TcpConnection::lose(internal::ConnectionMove& move, CloseReason reason) {
  home_.store(nullptr, std::memory_order_release);
  state_.store(State::kClosed, std::memory_order_relaxed);
  close_reason_ = reason;
  send_queue_->clear();
  receive_buffer_.consume_all();
  call(profile_->callbacks.on_close, reason);
  move.owner->give_up_place();
}

// On the new loop.

void TcpConnection::land(internal::ConnectionMove& move, internal::Transport::Detached detached) {
  home_.store(move.seat, std::memory_order_release);
  owner_ = move.owner.get();
  counters_ = &owner_->counters();
  try {
    transport_ = internal::make_socket_transport(home(), std::move(detached.socket), *counters_);
    owner_->connection_lands(shared_from_this());
  } catch (const std::bad_alloc&) {
    if (transport_) transport_->close(true);
    lose(move, CloseReason::kError);
    return;
  }
  try {
    settle(move, detached);
  } catch (const std::bad_alloc&) {
    finish(CloseReason::kError);
  }
}

void TcpConnection::settle(internal::ConnectionMove& move,
                           const internal::Transport::Detached& detached) {
  const Result<void> started = transport_->start(*this);
  if (!started) return finish(CloseReason::kError);
  take_along(detached.input);
  if (delivery_scheduled_) {
    // Before whatever is queued below: one that is moved on at once gets its input all the same.
    home().queue_in_loop([self = shared_from_this()] { self->deliver_again(); });
  }
  for (auto& call_by_others : std::exchange(move.seat->waiting, {})) call_by_others(*this);
  tell_moved(move, {});
  if (state() == State::kClosed) return;
  owner_->connection_settled(*this);
  if (state() == State::kClosed) return;
  if (detached.error != 0) {
    home().queue_in_loop([self = shared_from_this(), error = detached.error] {
      self->transport_failed(error, "receiving");
    });
  }
  watch_input();
  arm_limits();
  flush();
}

/// Input that had arrived on the old loop.
void TcpConnection::take_along(std::string_view input) {
  if (input.empty()) return;
  counters_->bytes_received.add(input.size());
  bytes_received_.add(input.size());
  last_received_ = std::max(last_received_, home().now());
  if (state() == State::kOpen) {
    receive_buffer_.append(input);
    delivery_scheduled_ = true;
  } else {
    counters_->bytes_discarded.add(input.size());
  }
}

}  // namespace leat
