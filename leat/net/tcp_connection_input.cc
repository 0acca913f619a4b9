// The way of bytes from the transport to on_message.

#include <algorithm>
#include <cerrno>
#include <limits>
#include <new>

#include "leat/net/internal/connection_call.h"
#include "leat/net/internal/connection_profile.h"
#include "leat/net/tcp_connection.h"
#include "leat/reactor/event_loop.h"

namespace leat {

std::size_t TcpConnection::receive_room() const {
  switch (state()) {
    case State::kOpen: {
      // What is to be delivered again comes before what follows it, the peer's end above all.
      if (delivery_scheduled_) return 0;
      const std::size_t limit = profile_->options.receive_limit;
      return limit - std::min(limit, held_input());
    }
    case State::kClosing:
    case State::kLingering:
      return std::numeric_limits<std::size_t>::max();  // to be thrown away
    case State::kClosed:
      break;
  }
  return 0;
}

void TcpConnection::bytes_arrived(std::string_view bytes) {
  counters_->bytes_received.add(bytes.size());
  bytes_received_.add(bytes.size());
  last_received_ = home().now();
  count_towards_sharing();
  if (join_ != nullptr) tell_join();
  if (state() != State::kOpen) {
    counters_->bytes_discarded.add(bytes.size());
    return;
  }
  try {
    if (receive_buffer_.empty()) {
      receive_buffer_.borrow(bytes);
    } else {
      receive_buffer_.append(bytes);
    }
    deliver();
  } catch (const std::bad_alloc&) {
    transport_failed(ENOMEM, "receiving");
  }
}

void TcpConnection::deliver() {
  const auto& on_message = profile_->callbacks.on_message;
  in_own_callback_ = true;
  if (is_read_by_coroutine()) {
    input_for_coroutine();
  } else if (on_message) {
    call(on_message, receive_buffer_, home().poll_return_time());
  } else {
    receive_buffer_.consume_all();
  }
  in_own_callback_ = false;
  if (state() != State::kOpen) drop_input();
  if (state() == State::kClosed) return;
  receive_buffer_.keep();
  if (held_input() >= profile_->options.receive_limit) {
    counters_->receive_full.add();
    pause(kByFullBuffer);
  }
  flush();
}

void TcpConnection::deliver_again() {
  if (is_leaving()) return;  // it is for the loop where this lands
  delivery_scheduled_ = false;
  try {
    if (state() == State::kOpen && !receive_buffer_.empty() && (pauses_ & kByUser) == 0) deliver();
  } catch (const std::bad_alloc&) {
    transport_failed(ENOMEM, "receiving");
  }
  if (state() != State::kClosed) transport_->continue_input();
}

void TcpConnection::input_ended() {
  if (peer_finished_) return;
  peer_finished_ = true;
  pause(kByEnd);
  if (has_unread_end()) {
    input_for_coroutine();
  } else if (finish_ == Finish::kSent) {
    finish(CloseReason::kLocalClose);
  } else if (state() == State::kOpen) {
    if (profile_->callbacks.on_half_close) {
      call(profile_->callbacks.on_half_close);
    } else {
      begin_close(CloseReason::kPeerClosed);
    }
  }
}

void TcpConnection::input_cut() {
  if (peer_finished_) return;
  if (state() != State::kOpen) {
    // What might be missing would have been thrown away.
    input_ended();
    return;
  }
  peer_finished_ = true;
  pause(kByEnd);
  if (finish_ == Finish::kSent) {
    finish(CloseReason::kTruncated);
  } else {
    begin_close(CloseReason::kTruncated);
  }
}

void TcpConnection::drop_input() {
  // Inside on_message the user may still be looking at it; deliver() drops it afterwards.
  if (!in_own_callback_) receive_buffer_.consume_all();
}

void TcpConnection::pause_reading() {
  home().assert_in_loop_thread();
  if (state() == State::kOpen) pause(kByUser);
}

void TcpConnection::resume_reading() {
  home().assert_in_loop_thread();
  if (state() != State::kOpen) return;
  const bool is_full = held_input() >= profile_->options.receive_limit;
  const bool changes = (pauses_ & kByUser) != 0 || (!is_full && (pauses_ & kByFullBuffer) != 0);
  if (changes && !receive_buffer_.empty() && !delivery_scheduled_) {
    // First: if there is no memory for it, nothing has happened and one can try again.
    if (!is_leaving()) {
      home().queue_in_loop([self = shared_from_this()] { self->deliver_again(); });
    }
    delivery_scheduled_ = true;
  }
  if (!is_full) resume(kByFullBuffer);
  resume(kByUser);
}

void TcpConnection::pause(PauseReason reason) {
  pauses_ |= reason;
  watch_input();
}

void TcpConnection::resume(PauseReason reason) {
  if ((pauses_ & reason) == 0) return;
  pauses_ &= static_cast<std::uint8_t>(~reason);
  // The time in which nobody listened does not count against the peer.
  last_received_ = std::max(last_received_, home().now());
  watch_input();
  arm_limits();
}

void TcpConnection::watch_input() {
  // Before on_connection nothing is read.
  if (state() == State::kClosed || !announced_ || is_leaving()) return;
  const Result<void> watched = transport_->set_reading(pauses_ == 0);
  if (!watched) {
    LEAT_LOG_ERROR("connection {} is cut: {}", id_, watched.error().message());
    end_soon(CloseReason::kError);
  }
}

}  // namespace leat
