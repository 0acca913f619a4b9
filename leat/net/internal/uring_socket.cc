#include "leat/net/internal/uring_socket.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "leat/base/assert.h"
#include "leat/net/internal/send_queue.h"
#include "leat/net/internal/socket_output.h"
#include "leat/net/net_counters.h"
#include "leat/reactor/event_loop.h"
#include "leat/reactor/internal/uring.h"

namespace leat::internal {

class UringSocket::Busy {
 public:
  explicit Busy(UringSocket& socket) : socket_(socket) { ++socket_.busy_; }
  ~Busy() {
    --socket_.busy_;
    socket_.delete_if_done();
  }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;

 private:
  UringSocket& socket_;
};

/// The buffer of a completion goes back whatever its receiver does: where the next bytes lie is
/// known by what was given back before.
class UringSocket::GiveBack {
 public:
  GiveBack(UringBuffers& buffers, int result, std::uint32_t flags)
      : buffers_(buffers), result_(result), flags_(flags) {}
  ~GiveBack() { buffers_.give_back(result_, flags_); }
  GiveBack(const GiveBack&) = delete;
  GiveBack& operator=(const GiveBack&) = delete;

 private:
  UringBuffers& buffers_;
  const int result_;
  const std::uint32_t flags_;
};

UringSocket::UringSocket(Uring& ring, UniqueFd socket, NetCounters& counters)
    : ring_(ring), counters_(counters), socket_(std::move(socket)) {}

// Input.

void UringSocket::set_reading(bool on) {
  reading_ = on;
  if (!on) return;
  if (!held_.empty() || (input_over_ && !end_told_)) {
    deliver_later();
  } else if (!receive_.in_flight() && !input_over_) {
    submit_receive();
  }
}

void UringSocket::continue_input() {
  if (!held_.empty() || (input_over_ && !end_told_)) deliver_later();
}

void UringSocket::submit_receive() {
  io_uring_sqe& entry = ring_.entry();
  ::io_uring_prep_recv_multishot(&entry, socket_.get(), nullptr, 0, 0);
  entry.flags |= IOSQE_BUFFER_SELECT;
  entry.buf_group = UringBuffers::kGroup;
  ring_.submit(entry, receive_);
  cancelling_ = false;
}

void UringSocket::received(int result, std::uint32_t flags) {
  const Busy busy(*this);
  if (!closed_) counters_.reads.add();
  if ((flags & IORING_CQE_F_BUFFER) != 0) {
    // A message over the end of a buffer: one piece for the user, and one answer.
    if (ring_.next_receives(receive_) && ring_.buffers().keep_for_next(result, flags)) return;
    const GiveBack give_back(ring_.buffers(), result, flags);
    if (result > 0 && !closed_) take(ring_.buffers().bytes(result, flags));
  }
  if (closed_ || receive_.in_flight()) return;
  if (result == -ENOBUFS) {
    ring_.buffers().starved();
    counters_.receive_starved.add();
  }
  // The receive is over. An empty ring of buffers, a cancelled pause that is over, or a full
  // completion queue begin it again, in the submission that follows this dispatch.
  const bool begins_again = result > 0 || result == -ENOBUFS || result == -ECANCELED ||
                            result == -EAGAIN || result == -EINTR;
  if (!begins_again) {
    input_over_ = true;
    input_error_ = -result;
    tell_end();
  } else if (reading_ && held_.empty()) {
    submit_receive();
  }
  if (detaching_) note_answer();
}

/// In pieces as one recv() brings over epoll: the user bounds what is under way by their size.
std::size_t UringSocket::next_piece(std::string_view bytes) const {
  return std::min({user_->receive_room(), bytes.size(), EventLoop::kScratchSize});
}

void UringSocket::take(std::string_view bytes) {
  while (!bytes.empty() && reading_ && held_.empty()) {
    const std::size_t part = next_piece(bytes);
    if (part == 0) break;
    user_->bytes_arrived(bytes.substr(0, part));
    if (closed_) return;
    bytes.remove_prefix(part);
  }
  if (!bytes.empty()) hold(bytes);
}

void UringSocket::hold(std::string_view bytes) {
  try {
    held_.append(bytes);
  } catch (const std::bad_alloc&) {
    user_->transport_failed(ENOMEM, "receiving");
    return;
  }
  // Until now the kernel had not been told of the pause, which might have been a short one.
  if (receive_.in_flight() && !std::exchange(cancelling_, true)) ring_.cancel(receive_);
}

void UringSocket::deliver_later() {
  if (deliver_.in_flight()) return;
  io_uring_sqe& entry = ring_.entry();
  ::io_uring_prep_nop(&entry);
  ring_.submit(entry, deliver_);
}

void UringSocket::deliver_held(int /*result*/, std::uint32_t /*flags*/) {
  const Busy busy(*this);
  if (detaching_) return note_answer();
  while (!closed_ && reading_ && !held_.empty()) {
    const std::string_view rest = std::string_view(held_).substr(held_told_);
    const std::size_t part = next_piece(rest);
    if (part == 0) return;
    // In place: what arrives meanwhile waits for its dispatch, and close() lets the memory be.
    user_->bytes_arrived(rest.substr(0, part));
    held_told_ += part;
    if (held_told_ < held_.size()) continue;
    held_ = std::string();
    held_told_ = 0;
  }
  if (closed_ || !reading_) return;
  if (input_over_) {
    tell_end();
  } else if (!receive_.in_flight()) {
    submit_receive();
  }
}

/// In its turn: behind what was held back, and when input is wanted at all.
void UringSocket::tell_end() {
  if (end_told_ || !reading_ || !held_.empty() || user_->receive_room() == 0) return;
  end_told_ = true;
  if (input_error_ == 0) {
    user_->input_ended();
  } else {
    user_->transport_failed(input_error_, "receiving");
  }
}

// Output.

Transport::Written UringSocket::write(SendQueue& queue) {
  if (is_blocked()) return {Transport::Written::Kind::kBlocked};
  const Busy busy(*this);
  const Transport::Written written =
      write_to_socket(socket_.get(), closed_, queue, *user_, counters_);
  if (!closed_ && written.kind == Transport::Written::Kind::kBlocked) wait_until_writable();
  return written;
}

std::size_t UringSocket::write_now(const SendQueue& queue, std::string_view bytes) {
  if (is_blocked()) return 0;
  return write_now_to_socket(socket_.get(), queue, bytes, counters_);
}

void UringSocket::wait_until_writable() {
  io_uring_sqe& entry = ring_.entry();
  ::io_uring_prep_poll_add(&entry, socket_.get(), POLLOUT);
  ring_.submit(entry, writable_);
}

void UringSocket::writable(int /*result*/, std::uint32_t /*flags*/) {
  const Busy busy(*this);
  if (detaching_) return note_answer();
  if (!closed_) user_->output_ready();
}

// End.

void UringSocket::close(std::unique_ptr<UringSocket> socket, bool reset) {
  UringSocket& self = *socket.release();
  const Busy busy(self);
  self.closed_ = true;
  self.user_ = nullptr;
  if (reset) reset_on_close(self.socket_.get());
  if (!self.is_in_flight()) return;
  if (self.receive_.in_flight()) self.ring_.cancel(self.receive_);
  if (self.writable_.in_flight()) self.ring_.cancel(self.writable_);
  self.ring_.close_later(std::move(self.socket_));
  if (self.ring_.is_resting()) self.ring_.flush();
}

// To another loop.

bool UringSocket::detach() {
  detaching_ = true;
  reading_ = false;
  if (receive_.in_flight() && !std::exchange(cancelling_, true)) ring_.cancel(receive_);
  if (writable_.in_flight()) ring_.cancel(writable_);
  return !is_in_flight();
}

/// An operation has ended while the socket is let go of.
void UringSocket::note_answer() {
  if (!closed_ && !is_in_flight()) user_->detached();
}

Transport::Detached UringSocket::take_detached() {
  LEAT_ASSERT(!is_in_flight(), "a socket was taken from under its operations");
  held_.erase(0, held_told_);
  // The peer's end shows again when the socket is read there; an error is told only once.
  return {.socket = std::move(socket_), .input = std::move(held_), .error = input_error_};
}

bool UringSocket::is_in_flight() const {
  return receive_.in_flight() || deliver_.in_flight() || writable_.in_flight();
}

void UringSocket::delete_if_done() {
  if (closed_ && busy_ == 0 && !is_in_flight()) delete this;
}

}  // namespace leat::internal
