// The way of bytes from the socket to on_message.

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>

#include "leat/net/internal/connection_call.h"
#include "leat/net/internal/connection_profile.h"
#include "leat/net/internal/send_queue.h"
#include "leat/net/tcp_connection.h"
#include "leat/reactor/event_loop.h"

namespace leat {

namespace {
// Room made behind unread input; what does not fit goes through the scratch memory.
constexpr std::size_t kSmallestRoom = 2048;
}  // namespace

void TcpConnection::handle_read(Timestamp time) {
  if (state() != State::kOpen) {
    discard_input();
    return;
  }
  // What is to be delivered again comes before what follows it, the peer's end above all.
  if (delivery_scheduled_) return;
  try {
    if (receive_buffer_.empty()) {
      receive_into_scratch(time);
    } else {
      receive_behind_rest(time);
    }
  } catch (const std::bad_alloc&) {
    handle_error(ENOMEM, "receiving");
  }
}

void TcpConnection::receive_into_scratch(Timestamp time) {
  const std::span<char> scratch = loop_.scratch();
  const std::size_t room = std::min(scratch.size(), profile_->options.receive_limit);
  const ssize_t count = ::recv(socket_.get(), scratch.data(), room, 0);
  if (!received(count)) return;
  receive_buffer_.borrow({scratch.data(), static_cast<std::size_t>(count)});
  deliver(time);
}

void TcpConnection::receive_behind_rest(Timestamp time) {
  const std::size_t limit = profile_->options.receive_limit;
  const std::size_t room = limit - std::min(limit, receive_buffer_.size());
  if (room == 0) {
    pause(kByFullBuffer);
    return;
  }
  std::span<char> own = receive_buffer_.prepare(std::min(room, kSmallestRoom));
  own = own.first(std::min(own.size(), room));
  const std::span<char> scratch = loop_.scratch();
  const std::size_t more = std::min(scratch.size(), room - own.size());
  const std::array<iovec, 2> vectors{{{.iov_base = own.data(), .iov_len = own.size()},
                                      {.iov_base = scratch.data(), .iov_len = more}}};
  const ssize_t count = ::readv(socket_.get(), vectors.data(), static_cast<int>(vectors.size()));
  if (!received(count)) return;
  const auto total = static_cast<std::size_t>(count);
  const std::size_t in_own = std::min(total, own.size());
  receive_buffer_.commit(in_own);
  receive_buffer_.append({scratch.data(), total - in_own});
  deliver(time);
}

bool TcpConnection::received(ssize_t count) {
  counters_.reads.add();
  if (count > 0) {
    counters_.bytes_received.add(static_cast<std::uint64_t>(count));
    bytes_received_.add(static_cast<std::uint64_t>(count));
    last_received_ = loop_.now();
    return true;
  }
  if (count == 0) {
    handle_end_of_input();
  } else if (errno != EAGAIN && errno != EINTR) {
    handle_error(errno, "receiving");
  }
  return false;
}

void TcpConnection::deliver(Timestamp time) {
  const auto& on_message = profile_->callbacks.on_message;
  if (!on_message) receive_buffer_.consume_all();
  in_own_callback_ = true;
  call(on_message, receive_buffer_, time);
  in_own_callback_ = false;
  if (state() != State::kOpen) drop_input();
  if (state() == State::kClosed) return;
  receive_buffer_.keep();
  if (receive_buffer_.size() >= profile_->options.receive_limit) {
    counters_.receive_full.add();
    pause(kByFullBuffer);
  }
  flush();
}

void TcpConnection::deliver_again() {
  delivery_scheduled_ = false;
  if (state() != State::kOpen || receive_buffer_.empty() || (pauses_ & kByUser) != 0) return;
  deliver(loop_.poll_return_time());
}

void TcpConnection::discard_input() {
  const std::span<char> scratch = loop_.scratch();
  const ssize_t count = ::recv(socket_.get(), scratch.data(), scratch.size(), 0);
  if (received(count)) counters_.bytes_discarded.add(static_cast<std::uint64_t>(count));
}

void TcpConnection::handle_end_of_input() {
  if (peer_finished_) return;
  peer_finished_ = true;
  pause(kByEnd);
  if (finish_ == Finish::kSent) {
    finish(CloseReason::kLocalClose);
  } else if (state() == State::kOpen) {
    if (profile_->callbacks.on_half_close) {
      call(profile_->callbacks.on_half_close);
    } else {
      begin_close(CloseReason::kPeerClosed);
    }
  }
}

void TcpConnection::drop_input() {
  // Inside on_message the user may still be looking at it; deliver() drops it afterwards.
  if (!in_own_callback_) receive_buffer_.consume_all();
}

void TcpConnection::pause_reading() {
  loop_.assert_in_loop_thread();
  if (state() == State::kOpen) pause(kByUser);
}

void TcpConnection::resume_reading() {
  loop_.assert_in_loop_thread();
  if (state() != State::kOpen) return;
  const std::uint8_t before = pauses_;
  if (receive_buffer_.size() < profile_->options.receive_limit) resume(kByFullBuffer);
  resume(kByUser);
  if (before == pauses_ || receive_buffer_.empty() || delivery_scheduled_) return;
  loop_.queue_in_loop([self = shared_from_this()] { self->deliver_again(); });
  delivery_scheduled_ = true;
}

void TcpConnection::pause(PauseReason reason) {
  pauses_ |= reason;
  watch_input();
}

void TcpConnection::resume(PauseReason reason) {
  if ((pauses_ & reason) == 0) return;
  pauses_ &= static_cast<std::uint8_t>(~reason);
  // The time in which nobody listened does not count against the peer.
  last_received_ = std::max(last_received_, loop_.now());
  watch_input();
  arm_limits();
}

void TcpConnection::watch_input() {
  if (state() == State::kClosed) return;
  const Result<void> watched =
      pauses_ == 0 ? channel_.enable_reading() : channel_.disable_reading();
  if (!watched) {
    LEAT_LOG_ERROR("connection {} is cut: {}", id_, watched.error().message());
    end_soon(CloseReason::kError);
  }
}

}  // namespace leat
