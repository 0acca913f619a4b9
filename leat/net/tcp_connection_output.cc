// The way of bytes from send() to the socket.

#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
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
// Pieces in one system call.
constexpr std::size_t kVectors = 64;
// Written to one connection before the others on the loop have their turn.
constexpr std::size_t kWriteBudget = 1024 * 1024;

// A task on its way from another thread.
constexpr std::size_t kPostCost = 256;

Error not_open() {
  return Error::from_errno(EPIPE, "send on a connection that is closing");
}

}  // namespace

// send(), from any thread.

Result<void> TcpConnection::send(std::string_view bytes) {
  if (loop_handle_.is_in_loop_thread()) return send_in_loop(bytes);
  return send(std::string(bytes));
}

Result<void> TcpConnection::send(std::string&& bytes) {
  if (!loop_handle_.is_in_loop_thread()) {
    const std::size_t size = bytes.size();
    return post(size, [text = std::move(bytes)](TcpConnection& connection) mutable {
      return connection.send(std::move(text));
    });
  }
  Result<void> admitted = admit(bytes.size());
  if (!admitted) return admitted;
  send_queue_->append(std::move(bytes));
  schedule_flush();
  return {};
}

Result<void> TcpConnection::send(std::span<const std::string_view> pieces) {
  std::size_t size = 0;
  for (const std::string_view piece : pieces) size += piece.size();
  if (!loop_handle_.is_in_loop_thread()) {
    std::string joined;
    joined.reserve(size);
    for (const std::string_view piece : pieces) joined += piece;
    return send(std::move(joined));
  }
  Result<void> admitted = admit(size);
  if (!admitted) return admitted;
  send_queue_->append(pieces);
  schedule_flush();
  return {};
}

Result<void> TcpConnection::send(std::shared_ptr<const void> owner, std::string_view bytes) {
  if (!loop_handle_.is_in_loop_thread()) {
    return post(bytes.size(), [owner = std::move(owner), bytes](TcpConnection& connection) mutable {
      return connection.send(std::move(owner), bytes);
    });
  }
  Result<void> admitted = admit(bytes.size());
  if (!admitted) return admitted;
  send_queue_->append(std::move(owner), bytes);
  schedule_flush();
  return {};
}

Result<void> TcpConnection::send_file(std::shared_ptr<const UniqueFd> file, std::uint64_t offset,
                                      std::uint64_t length) {
  if (!loop_handle_.is_in_loop_thread()) {
    return post(0, [file = std::move(file), offset, length](TcpConnection& connection) mutable {
      return connection.send_file(std::move(file), offset, length);
    });
  }
  Result<void> admitted = admit(0);
  if (!admitted) return admitted;
  send_queue_->append_file(std::move(file), offset, length);
  schedule_flush();
  return {};
}

Result<void> TcpConnection::post(std::size_t bytes, PostedSend send) {
  if (!is_open() || posted_too_much_.load(std::memory_order_relaxed)) return not_open();
  bytes += kPostCost;
  if (posted_bytes_.fetch_add(bytes) + bytes > profile_->options.max_buffered) {
    posted_bytes_.fetch_sub(bytes);
    if (!posted_too_much_.exchange(true)) {
      loop_handle_.queue(
          [self = shared_from_this()] { self->end_soon(CloseReason::kBufferLimit); });
    }
    return Error::from_errno(ENOBUFS, "send passes the connection's max_buffered");
  }
  bool queued = false;
  try {
    queued =
        loop_handle_.queue([self = shared_from_this(), bytes, send = std::move(send)]() mutable {
          self->posted_bytes_.fetch_sub(bytes);
          // The sender was told that it had gone through; so what is lost after all is counted.
          if (!send(*self) && self->state() != State::kClosed) {
            self->counters_.bytes_unsent.add(bytes - kPostCost);
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
                           posted_bytes_.load(std::memory_order_relaxed);
  if (held + bytes <= profile_->options.max_buffered) return {};
  end_soon(CloseReason::kBufferLimit);
  return Error::from_errno(ENOBUFS, "send passes the connection's max_buffered");
}

Result<void> TcpConnection::send_in_loop(std::string_view bytes) {
  Result<void> admitted = admit(bytes.size());
  if (!admitted) return admitted;
  if (bytes.size() < kDirectWrite || !write_directly(bytes)) send_queue_->append(bytes);
  schedule_flush();
  return {};
}

/// Writes now what waits and `bytes`, and queues what the kernel did not take of them. False if
/// nothing was written, and nothing queued.
bool TcpConnection::write_directly(std::string_view bytes) {
  // What waits must go first; a blocked socket or a file in the queue means that it cannot.
  if (channel_.is_writing()) return false;
  const std::uint64_t queued_bytes = send_queue_->total_bytes();
  ssize_t count = 0;
  if (queued_bytes == 0) {
    count = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  } else {
    std::array<iovec, kVectors> vectors;
    const std::size_t queued = send_queue_->gather(std::span(vectors).first(kVectors - 1));
    std::size_t gathered = 0;
    for (std::size_t i = 0; i < queued; ++i) gathered += vectors[i].iov_len;
    if (gathered != queued_bytes) return false;
    vectors[queued] = {.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = queued + 1;
    count = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
  }
  counters_.writes.add();
  // An error is left to flush(), which is never inside a call of the user's.
  if (count <= 0) return false;
  const auto sent = static_cast<std::size_t>(count);
  counters_.bytes_sent.add(sent);
  bytes_sent_.add(sent);
  wrote_since_complete_ = true;
  last_progress_ = loop_.now();
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

void TcpConnection::schedule_flush() {
  // An own callback is followed by a flush.
  if (in_own_callback_ || flush_scheduled_) return;
  loop_.at_iteration_end([self = shared_from_this()] { self->flush(); });
  flush_scheduled_ = true;
}

void TcpConnection::flush() {
  flush_scheduled_ = false;
  if (state() == State::kClosed || ending_soon_) return;
  if (channel_.is_writing()) {
    // Blocked; handle_writable() goes on when the kernel can take more.
    check_water_marks();
  } else {
    handle_writable();
  }
}

void TcpConnection::handle_writable() {
  std::size_t written = 0;
  while (state() != State::kClosed && !send_queue_->empty()) {
    const std::size_t count = write_some();
    if (count == 0) break;
    written += count;
    if (written >= kWriteBudget) break;
  }
  if (state() != State::kClosed) handle_output_written();
}

/// Returns the bytes written; 0 if the socket takes no more now, or the connection has ended.
std::size_t TcpConnection::write_some() {
  const bool file = send_queue_->file_is_next();
  const ssize_t count = file ? write_file() : write_memory();
  counters_.writes.add();
  if (count > 0) {
    const auto sent = static_cast<std::size_t>(count);
    send_queue_->consume(sent);
    counters_.bytes_sent.add(sent);
    bytes_sent_.add(sent);
    wrote_since_complete_ = true;
    last_progress_ = loop_.now();
    return sent;
  }
  if (count == 0 && file) {
    finish(CloseReason::kFileTruncated);
  } else if (count < 0 && errno != EAGAIN && errno != EINTR) {
    handle_error(errno, file ? "sending a file" : "sending");
  }
  return 0;
}

ssize_t TcpConnection::write_file() {
  const internal::SendQueue::FileRange range = send_queue_->file();
  auto offset = static_cast<off_t>(range.offset);
  const std::size_t count = std::min<std::uint64_t>(range.length, kWriteBudget);
  return ::sendfile(socket_.get(), range.fd, &offset, count);
}

ssize_t TcpConnection::write_memory() {
  // The common case, which costs the kernel less than a list of vectors.
  const std::string_view block = send_queue_->only_block();
  if (!block.empty()) return ::send(socket_.get(), block.data(), block.size(), MSG_NOSIGNAL);
  std::array<iovec, kVectors> vectors;
  msghdr message{};
  message.msg_iov = vectors.data();
  message.msg_iovlen = send_queue_->gather(vectors);
  // With a file to follow, its first bytes may share a segment with these.
  const int more = send_queue_->has_file() ? MSG_MORE : 0;
  return ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL | more);
}

void TcpConnection::handle_output_written() {
  check_water_marks();
  if (state() == State::kClosed) return;
  if (!send_queue_->empty()) {
    if (channel_.is_writing()) return;
    counters_.write_blocked.add();
    last_progress_ = loop_.now();
    if (!channel_.enable_writing()) end_soon(CloseReason::kError);
    arm_limits();
    return;
  }
  if (channel_.is_writing()) channel_.disable_writing();
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
    counters_.high_water.add();
    if (state() == State::kOpen) pause(kByOutput);
    call(profile_->callbacks.on_high_water, queued);
  } else if (above_high_water_ && queued <= profile_->options.low_water_mark) {
    above_high_water_ = false;
    resume(kByOutput);
    call(profile_->callbacks.on_low_water);
  }
}

void TcpConnection::send_fin() {
  ::shutdown(socket_.get(), SHUT_WR);
  finish_ = Finish::kSent;
  if (peer_finished_) {
    finish(state() == State::kClosing ? close_reason_ : CloseReason::kPeerClosed);
  } else if (state() == State::kClosing) {
    state_.store(State::kLingering, std::memory_order_relaxed);
    last_progress_ = loop_.now();
    arm_limits();
  }
}

}  // namespace leat
