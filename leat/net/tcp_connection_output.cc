// The way of bytes from send() to the transport.

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "leat/net/internal/connection_call.h"
#include "leat/net/internal/connection_profile.h"
#include "leat/net/internal/send_queue.h"
#include "leat/net/tcp_connection.h"
#include "leat/reactor/event_loop.h"

namespace leat {

namespace {

// From this size on, copying into the queue costs more than a system call of its own.
constexpr std::size_t kDirectWrite = 8 * 1024;
// A task on its way from another thread.
constexpr std::size_t kPostCost = 256;

Error not_open() {
  return Error::from_errno(EPIPE, "send on a connection that is closing");
}

}  // namespace

// send(), from any thread.

Result<void> TcpConnection::send(std::string_view bytes) {
  if (is_here()) return send_in_loop(bytes);
  return send(std::string(bytes));
}

Result<void> TcpConnection::send(std::string&& bytes) {
  if (!is_here()) {
    const std::size_t size = bytes.size();
    return post(size, [text = std::move(bytes)](TcpConnection& connection) mutable {
      return connection.send(std::move(text));
    });
  }
  Result<void> admitted = admit(bytes.size());
  if (!admitted) return admitted;
  schedule_flush();
  send_queue_->append(std::move(bytes));
  return {};
}

Result<void> TcpConnection::send(std::span<const std::string_view> pieces) {
  std::size_t size = 0;
  for (const std::string_view piece : pieces) size += piece.size();
  if (!is_here()) {
    std::string joined;
    joined.reserve(size);
    for (const std::string_view piece : pieces) joined += piece;
    return send(std::move(joined));
  }
  Result<void> admitted = admit(size);
  if (!admitted) return admitted;
  schedule_flush();
  send_queue_->append(pieces);
  return {};
}

Result<void> TcpConnection::send(std::shared_ptr<const void> owner, std::string_view bytes) {
  if (!is_here()) {
    return post(bytes.size(), [owner = std::move(owner), bytes](TcpConnection& connection) mutable {
      return connection.send(std::move(owner), bytes);
    });
  }
  Result<void> admitted = admit(bytes.size());
  if (!admitted) return admitted;
  schedule_flush();
  send_queue_->append(std::move(owner), bytes);
  return {};
}

Result<void> TcpConnection::send_file(std::shared_ptr<const UniqueFd> file, std::uint64_t offset,
                                      std::uint64_t length) {
  if (!is_here()) {
    return post(0, [file = std::move(file), offset, length](TcpConnection& connection) mutable {
      return connection.send_file(std::move(file), offset, length);
    });
  }
  Result<void> admitted = admit(0);
  if (!admitted) return admitted;
  schedule_flush();
  send_queue_->append_file(std::move(file), offset, length);
  return {};
}

Result<void> TcpConnection::post(std::size_t bytes, PostedSend send) {
  if (!is_open() || posted_too_much_.load(std::memory_order_relaxed)) return not_open();
  bytes += kPostCost;
  if (posted_bytes_.fetch_add(bytes) + bytes > profile_->options.max_buffered) {
    posted_bytes_.fetch_sub(bytes);
    if (!posted_too_much_.exchange(true)) {
      post_call([](TcpConnection& self) { self.end_soon(CloseReason::kBufferLimit); });
    }
    return Error::from_errno(ENOBUFS, "send passes the connection's max_buffered");
  }
  bool queued = false;
  try {
    queued = post_call([bytes, send = std::move(send)](TcpConnection& self) mutable {
      self.posted_bytes_.fetch_sub(bytes);
      // The sender was told that it had gone through; so what is lost after all is counted.
      if (!send(self) && self.state() != State::kClosed) {
        self.counters_->bytes_unsent.add(bytes - kPostCost);
      }
    });
  } catch (...) {
    posted_bytes_.fetch_sub(bytes);
    throw;
  }
  if (queued) return {};
  posted_bytes_.fetch_sub(bytes);
  return not_open();
}

// On the loop.

Result<void> TcpConnection::admit(std::size_t bytes) {
  if (state() != State::kOpen || finish_ != Finish::kNo) return not_open();
  const std::size_t held = send_queue_->held_bytes() + receive_buffer_.capacity() +
                           (coroutines_ ? coroutines_->account->held() : 0) +
                           posted_bytes_.load(std::memory_order_relaxed);
  if (held + bytes <= profile_->options.max_buffered) return {};
  end_soon(CloseReason::kBufferLimit);
  return Error::from_errno(ENOBUFS, "send passes the connection's max_buffered");
}

Result<void> TcpConnection::send_in_loop(std::string_view bytes) {
  Result<void> admitted = admit(bytes.size());
  if (!admitted) return admitted;
  schedule_flush();
  if (bytes.size() < kDirectWrite || !write_directly(bytes)) send_queue_->append(bytes);
  return {};
}

/// Writes now what waits and `bytes`, and queues what the kernel did not take of them. False if
/// nothing was written, and nothing queued.
bool TcpConnection::write_directly(std::string_view bytes) {
  const std::uint64_t queued_bytes = send_queue_->total_bytes();
  const std::size_t sent = transport_->write_now(*send_queue_, bytes);
  if (sent == 0) return false;
  note_sent(sent);
  const std::size_t of_queue = std::min<std::size_t>(sent, queued_bytes);
  try {
    // The rest first, for whoever is told by consume() that his bytes are sent may send more.
    send_queue_->append(bytes.substr(sent - of_queue));
  } catch (const std::bad_alloc&) {
    // The peer has a part of what will never be whole.
    end_soon(CloseReason::kError);
    throw;
  }
  send_queue_->consume(of_queue);
  return true;
}

/// Before anything is queued, for it needs memory, and a send() that throws has queued nothing.
void TcpConnection::schedule_flush() {
  // An own callback is followed by a flush.
  if (in_own_callback_ || flush_scheduled_ || is_leaving()) return;
  home().at_iteration_end([self = shared_from_this()] { self->flush(); });
  flush_scheduled_ = true;
}

void TcpConnection::flush() {
  flush_scheduled_ = false;
  if (state() == State::kClosed || ending_soon_ || is_leaving()) return;
  if (transport_->is_blocked()) {
    // output_ready() goes on when the kernel can take more.
    check_water_marks();
  } else {
    write_output();
  }
}

void TcpConnection::write_output() {
  const bool was_blocked = transport_->is_blocked();
  handle_written(transport_->write(*send_queue_), was_blocked);
}

void TcpConnection::bytes_sent(std::size_t count) {
  note_sent(count);
  send_queue_->consume(count);
}

void TcpConnection::note_sent(std::size_t count) {
  counters_->bytes_sent.add(count);
  bytes_sent_.add(count);
  wrote_since_complete_ = true;
  count_towards_sharing();
  last_progress_ = home().now();
}

void TcpConnection::handle_written(const internal::Transport::Written& written, bool was_blocked) {
  using Kind = internal::Transport::Written::Kind;
  if (state() == State::kClosed) return;
  switch (written.kind) {
    case Kind::kFailed:
      transport_failed(written.error, written.what);
      return;
    case Kind::kTruncated:
      finish(CloseReason::kFileTruncated);
      return;
    case Kind::kAll:
    case Kind::kNotReady:
    case Kind::kBlocked:
      break;
  }
  check_water_marks();
  if (state() == State::kClosed) return;
  if (written.kind == Kind::kBlocked) {
    if (was_blocked) return;
    counters_->write_blocked.add();
    last_progress_ = home().now();
    arm_limits();
  } else if (written.kind == Kind::kAll && send_queue_->empty()) {
    // Whoever was told of the low-water mark may have sent more.
    handle_all_written();
  }
}

void TcpConnection::handle_all_written() {
  if (finish_ == Finish::kAfterOutput) {
    send_fin();
  } else if (std::exchange(wrote_since_complete_, false)) {
    call(profile_->callbacks.on_write_complete);
  }
}

void TcpConnection::check_water_marks() {
  const std::size_t queued = send_queue_->held_bytes();
  if (!above_high_water_ && queued > profile_->options.high_water_mark) {
    above_high_water_ = true;
    counters_->high_water.add();
    if (state() == State::kOpen) pause(kByOutput);
    call(profile_->callbacks.on_high_water, queued);
  } else if (above_high_water_ && queued <= profile_->options.low_water_mark) {
    above_high_water_ = false;
    resume(kByOutput);
    call(profile_->callbacks.on_low_water);
  }
  if (coroutines_ && state() != State::kClosed) output_for_coroutines();
}

void TcpConnection::send_fin() {
  transport_->shutdown_write();
  finish_ = Finish::kSent;
  if (peer_finished_ && !has_unread_end()) {
    finish(state() == State::kClosing ? close_reason_ : CloseReason::kPeerClosed);
  } else if (state() == State::kClosing) {
    state_.store(State::kLingering, std::memory_order_relaxed);
    last_progress_ = home().now();
    arm_limits();
  }
}

}  // namespace leat
