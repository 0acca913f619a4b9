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
#include "leat/reactor/internal/uring.h"

namespace leat::internal {

namespace {

// Larger output gains nothing from being handed in with others'.
constexpr std::size_t kLargestSend = 64 * 1024;
// Nothing is left in flight by these: what does not go at once fails with EAGAIN, or with the
// part that went (io_uring_enter.2, IORING_OP_SEND; MSG_DONTWAIT makes the request REQ_F_NOWAIT).
constexpr int kSendFlags = MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL;

}  // namespace

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

UringSocket::UringSocket(EventLoop& loop, Uring& ring, UniqueFd socket, NetCounters& counters)
    : loop_(loop), ring_(ring), counters_(counters), socket_(std::move(socket)) {}

UringSocket::~UringSocket() {
  if (delivery_) *delivery_ = false;
}

// Input.

void UringSocket::set_reading(bool on) {
  reading_ = on;
  if (!on) return;
  if (!held_.empty() || (input_over_ && !end_told_)) {
    deliver_held_later();
  } else if (!receive_.in_flight() && !input_over_) {
    submit_receive();
  }
}

void UringSocket::continue_input() {
  if (!held_.empty() || (input_over_ && !end_told_)) deliver_held_later();
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
    if (result > 0 && !closed_) take(ring_.buffers().bytes(result, flags));
    ring_.buffers().give_back(result, flags);
  }
  if (closed_ || receive_.in_flight()) return;
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
}

void UringSocket::take(std::string_view bytes) {
  while (!bytes.empty() && reading_ && held_.empty()) {
    const std::size_t part = std::min(user_->receive_room(), bytes.size());
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

void UringSocket::deliver_held_later() {
  if (delivery_) return;
  delivery_ = std::make_shared<bool>(true);
  loop_.queue_in_loop([this, alive = delivery_] {
    if (*alive) deliver_held();
  });
}

void UringSocket::deliver_held() {
  const Busy busy(*this);
  delivery_.reset();
  while (!closed_ && reading_ && !held_.empty()) {
    const std::size_t room = user_->receive_room();
    if (room == 0) return;
    std::string bytes = std::exchange(held_, {});
    if (room < bytes.size()) {
      held_ = bytes.substr(room);
      bytes.resize(room);
    }
    user_->bytes_arrived(bytes);
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

bool UringSocket::fits(const SendQueue& queue) const {
  return ring_.has_silent_room() && !queue.has_file() && queue.total_bytes() <= kLargestSend;
}

Transport::Written UringSocket::write(SendQueue& queue, bool at_once) {
  using Kind = Transport::Written::Kind;
  if (is_blocked()) return {Kind::kBlocked};
  if (send_.in_flight() && !(at_once && ring_.retract(send_))) return {Kind::kPending};
  if (send_error_ != 0) return {Kind::kFailed, send_error_};
  if (std::exchange(full_, false)) {
    wait_until_writable();
    return {Kind::kBlocked};
  }
  if (queue.empty()) return {Kind::kAll};
  if (!at_once && fits(queue)) {
    submit_send(queue);
    return {Kind::kPending};
  }
  const Busy busy(*this);
  const Transport::Written written =
      write_to_socket(socket_.get(), closed_, queue, *user_, counters_);
  if (!closed_ && written.kind == Kind::kBlocked) wait_until_writable();
  return written;
}

std::size_t UringSocket::write_now(const SendQueue& queue, std::string_view bytes) {
  // What is already on its way must go first, unless it can be taken back and go along.
  if (is_blocked() || full_ || send_error_ != 0) return 0;
  if (send_.in_flight() && !ring_.retract(send_)) return 0;
  return write_now_to_socket(socket_.get(), queue, bytes, counters_);
}

void UringSocket::submit_send(const SendQueue& queue) {
  io_uring_sqe& entry = ring_.entry();
  const std::string_view block = queue.only_block();
  if (!block.empty()) {
    ::io_uring_prep_send(&entry, socket_.get(), block.data(), block.size(), kSendFlags);
    sending_ = block.size();
  } else {
    message_ = {};
    message_.msg_iov = vectors_.data();
    message_.msg_iovlen = queue.gather(vectors_);
    sending_ = 0;
    for (std::size_t i = 0; i < message_.msg_iovlen; ++i) sending_ += vectors_[i].iov_len;
    ::io_uring_prep_sendmsg(&entry, socket_.get(), &message_, kSendFlags);
  }
  ring_.submit_silently(entry, send_);
}

void UringSocket::sent(int result, std::uint32_t /*flags*/) {
  const Busy busy(*this);
  const std::size_t size = std::exchange(sending_, 0);
  if (closed_) return;
  counters_.writes.add();
  const bool none = result == -EAGAIN || result == -EINTR;
  if (result < 0 && !none) send_error_ = -result;
  const std::size_t count = result < 0 ? 0 : std::min(static_cast<std::size_t>(result), size);
  full_ = send_error_ == 0 && count < size;
  if (count > 0) user_->bytes_sent(count);
  if (!closed_) user_->output_ready();
}

void UringSocket::wait_until_writable() {
  io_uring_sqe& entry = ring_.entry();
  ::io_uring_prep_poll_add(&entry, socket_.get(), POLLOUT);
  ring_.submit(entry, writable_);
}

void UringSocket::writable(int /*result*/, std::uint32_t /*flags*/) {
  const Busy busy(*this);
  if (!closed_) user_->output_ready();
}

// End.

void UringSocket::close(std::unique_ptr<UringSocket> socket, bool reset) {
  UringSocket& self = *socket.release();
  const Busy busy(self);
  self.closed_ = true;
  self.user_ = nullptr;
  self.held_.clear();
  if (self.delivery_) *self.delivery_ = false;
  if (reset) reset_on_close(self.socket_.get());
  if (self.send_.in_flight()) static_cast<void>(self.ring_.retract(self.send_));
  if (self.receive_.in_flight()) self.ring_.cancel(self.receive_);
  if (self.writable_.in_flight()) self.ring_.cancel(self.writable_);
}

void UringSocket::delete_if_done() {
  if (!closed_ || busy_ > 0) return;
  if (receive_.in_flight() || send_.in_flight() || writable_.in_flight()) return;
  delete this;
}

}  // namespace leat::internal
