#include "leat/net/tcp_connection.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <any>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "leat/base/assert.h"
#include "leat/net/internal/connection_call.h"
#include "leat/net/internal/connection_owner.h"
#include "leat/net/internal/connection_profile.h"
#include "leat/net/internal/send_queue.h"
#include "leat/net/internal/socket_ops.h"
#include "leat/reactor/event_loop.h"
#include "leat/reactor/internal/deadline.h"

namespace leat {

TcpConnection::TcpConnection(EventLoop& loop, ConnectedSocket socket, std::uint64_t id,
                             std::shared_ptr<const internal::ConnectionProfile> profile,
                             internal::ConnectionOwner& owner)
    : first_seat_(loop),
      id_(id),
      profile_(std::move(profile)),
      owner_(&owner),
      counters_(&owner.counters()),
      transport_(internal::make_socket_transport(loop, std::move(socket.fd), *counters_)),
      peer_(socket.peer),
      send_queue_(std::make_unique<internal::SendQueue>(loop.buffers())),
      idle_timeout_(profile_->options.idle_timeout),
      read_timeout_(profile_->options.read_timeout),
      write_timeout_(profile_->options.write_timeout),
      last_received_(loop.now()),
      last_progress_(loop.now()) {}

TcpConnection::~TcpConnection() {
  if (coroutines_) coroutines_->account->forget_connection();
  LEAT_ASSERT(!started_ || state() == State::kClosed,
              "a connection was destroyed while it was open");
}

void TcpConnection::establish() {
  home().assert_in_loop_thread();
  Result<void> started;
  if (profile_->tls) started = put_tls_below(*profile_->tls, profile_->tls_server_name, {});
  started_ = true;
  if (started) started = transport_->start(*this);
  if (!started) {
    transport_failed(started.error().number(), started.error().context());
  } else if (transport_->is_ready()) {
    transport_ready();
  }
}

void TcpConnection::transport_ready() {
  if (ending_soon_) return;
  const std::unique_ptr<ConnectionCallbacks::Event> on_tls_ready = std::move(on_tls_ready_);
  const bool is_new = !std::exchange(announced_, true);
  in_own_callback_ = true;
  if (is_new) {
    call(profile_->callbacks.on_connection);
  } else if (on_tls_ready && is_open()) {
    call(*on_tls_ready);
  }
  in_own_callback_ = false;
  if (state() == State::kClosed) return;
  if (is_new) owner_->connection_ready(*this);
  if (state() == State::kClosed) return;
  if (std::exchange(stop_when_ready_, false)) stop_gracefully();
  watch_input();
  arm_limits();
  flush();
}

// End.

void TcpConnection::in_loop(void (TcpConnection::*action)()) {
  if (is_here()) {
    (this->*action)();
  } else {
    post_call([action](TcpConnection& self) { (self.*action)(); });
  }
}

void TcpConnection::shutdown() {
  in_loop(&TcpConnection::shutdown_in_loop);
}
void TcpConnection::close() {
  in_loop(&TcpConnection::close_in_loop);
}
void TcpConnection::abort() {
  in_loop(&TcpConnection::abort_in_loop);
}

void TcpConnection::shutdown_in_loop() {
  if (state() != State::kOpen || finish_ != Finish::kNo) return;
  finish_ = Finish::kAfterOutput;
  schedule_flush();
}

void TcpConnection::begin_close(CloseReason reason) {
  if (state() != State::kOpen) return;
  if (!announced_) {
    // Nothing was said that would have to be finished.
    end_soon(reason);
    return;
  }
  state_.store(State::kClosing, std::memory_order_relaxed);
  close_reason_ = reason;
  last_progress_ = home().now();
  drop_input();
  if (coroutines_) tell_reader_of_end();
  if (finish_ == Finish::kSent && peer_finished_) {
    // Only a coroutine had not read on until the end.
    end_soon(reason);
  } else if (finish_ == Finish::kSent) {
    state_.store(State::kLingering, std::memory_order_relaxed);
  } else {
    finish_ = Finish::kAfterOutput;
    schedule_flush();
  }
  // From here on input is thrown away, whatever had stopped it.
  pauses_ &= kByEnd;
  watch_input();
  arm_limits();
}

void TcpConnection::end_soon(CloseReason reason) {
  if (state() == State::kClosed || ending_soon_) return;
  home().queue_in_loop([self = shared_from_this(), reason] { self->finish(reason); });
  ending_soon_ = true;
  close_reason_ = reason;
  state_.store(State::kClosing, std::memory_order_relaxed);
}

void TcpConnection::stop_gracefully() {
  if (state() != State::kOpen) return;
  if (!announced_) {
    // As one that waited to be accepted: it is let in first.
    stop_when_ready_ = true;
  } else if (profile_->callbacks.on_stopping) {
    call(profile_->callbacks.on_stopping);
  } else if (is_read_by_coroutine()) {
    end_reads();
  } else {
    begin_close(CloseReason::kLocalClose);
  }
}

void TcpConnection::transport_failed(int number, std::string_view what) {
  if (state() == State::kClosed) return;
  try {
    Error error = Error::from_errno(number, std::string(what) + " with " + peer_.to_string());
    if (!announced_) {
      LEAT_LOG_DEBUG("connection {} fails: {}", id_, error.message());
      start_error_ = std::make_unique<Error>(std::move(error));
    } else if (profile_->callbacks.on_error) {
      call(profile_->callbacks.on_error, error);
    }
  } catch (const std::bad_alloc&) {
    // Then it ends without the words.
  }
  const bool reset = number == ECONNRESET || number == EPIPE;
  const CloseReason reason = reset ? CloseReason::kReset : CloseReason::kError;
  finish(tls_ != nullptr && !transport_->is_ready() ? CloseReason::kHandshakeFailed : reason);
}

void TcpConnection::finish(CloseReason reason) {
  home().assert_in_loop_thread();
  if (state() == State::kClosed) return;
  const bool orderly = reason == CloseReason::kPeerClosed || reason == CloseReason::kLocalClose ||
                       reason == CloseReason::kTruncated;
  state_.store(State::kClosed, std::memory_order_relaxed);
  close_reason_ = reason;
  if (limit_timer_.is_valid()) home().cancel(std::exchange(limit_timer_, {}));
  if (move_) end_move();
  counters_->bytes_unsent.add(send_queue_->total_bytes() + transport_->held_output());
  transport_->close(!orderly);
  counters_->closed[static_cast<std::size_t>(reason)].add();
  send_queue_->clear();
  drop_input();
  if (coroutines_) tell_coroutines_of_end();
  if (announced_) call(profile_->callbacks.on_close, reason);
  // The context may hold this connection, and a callback on the stack may use the context.
  if (context_.has_value()) {
    try {
      auto kept = std::make_shared<std::any>();
      kept->swap(context_);
      home().release_later(std::move(kept));
    } catch (const std::bad_alloc&) {
      // Then it stays with this object.
    }
  }
  owner_->connection_closed(*this);
}

void TcpConnection::finish_for_exception(std::string_view what) {
  tell_cut(what);
  finish(CloseReason::kCallbackException);
}

void TcpConnection::tell_cut(std::string_view what) noexcept {
  try {
    LEAT_LOG_ERROR("connection {} with {} is cut: a callback threw: {}", id_, peer_.to_string(),
                   what);
  } catch (const std::bad_alloc&) {
    // Then nobody is told.
  }
}

// Limits. One timer a connection: activity only notes the time, and the timer, when it fires,
// looks whether the deadline has moved.

void TcpConnection::set_idle_timeout(Duration limit) {
  idle_timeout_ = limit;
  arm_limits();
}

void TcpConnection::set_read_timeout(Duration limit) {
  read_timeout_ = limit;
  arm_limits();
}

void TcpConnection::set_write_timeout(Duration limit) {
  write_timeout_ = limit;
  arm_limits();
}

std::optional<TcpConnection::Limit> TcpConnection::next_limit() const {
  std::optional<Limit> next;
  const auto consider = [&next](MonotonicTime since, Duration limit, CloseReason reason) {
    if (limit <= Duration::zero()) return;
    const MonotonicTime due = internal::deadline_after(since, limit);
    if (!next || due < next->due) next = Limit{due, reason};
  };
  switch (state()) {
    case State::kOpen:
      consider(std::max(last_received_, last_progress_), idle_timeout_, CloseReason::kIdleTimeout);
      if (pauses_ == 0) {
        consider(last_received_, read_timeout_, CloseReason::kReadTimeout);
      }
      // Only if the kernel takes no more: what is gathered has not been tried yet.
      if (transport_->is_blocked()) {
        consider(last_progress_, write_timeout_, CloseReason::kWriteTimeout);
      }
      break;
    case State::kClosing:
    case State::kLingering:
      consider(last_progress_, profile_->options.linger_timeout, CloseReason::kLingerTimeout);
      break;
    case State::kClosed:
      break;
  }
  return next;
}

void TcpConnection::arm_limits() {
  home().assert_in_loop_thread();
  if (state() == State::kClosed) return;
  const std::optional<Limit> next = next_limit();
  if (!next || (limit_timer_.is_valid() && limit_due_ <= next->due)) return;
  if (limit_timer_.is_valid()) home().cancel(limit_timer_);
  limit_due_ = next->due;
  limit_timer_ = home().run_at(limit_due_, [this] { check_limits(); });
}

void TcpConnection::check_limits() {
  limit_timer_ = {};
  const std::optional<Limit> next = next_limit();
  const bool is_due = next && next->due <= home().now();
  if (is_due && (next->reason == CloseReason::kReadTimeout || !peer_goes_on_taking())) {
    finish(next->reason);
    return;
  }
  if (is_due) last_progress_ = home().now();
  arm_limits();
}

/// The kernel's queue may hold more than a slow peer takes in the time of a limit, so what was
/// acknowledged is progress as well. Asked for only when a limit is due, and compared with the last
/// time it was: one may be kept to for up to twice its time.
bool TcpConnection::peer_goes_on_taking() {
  int left = 0;
  if (::ioctl(fd(), SIOCOUTQ, &left) != 0) return false;
  // Taken to the last byte since the last time: its reader may be about to answer.
  if (left == 0) return std::exchange(kernel_had_output_, false);
  kernel_had_output_ = true;
  const auto taken = static_cast<std::int64_t>(transport_->carried(bytes_sent_.load())) - left;
  return taken > std::exchange(taken_, std::max(taken_, taken));
}

// Queries.

Result<InetAddress> TcpConnection::local() const {
  return InetAddress::local_of(fd());
}

std::size_t TcpConnection::queued_bytes() const {
  return send_queue_->memory_bytes() + transport_->held_output();
}

Result<void> TcpConnection::set_no_delay(bool on) {
  return internal::set_option(fd(), IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0, "TCP_NODELAY");
}

}  // namespace leat
