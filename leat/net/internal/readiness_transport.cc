#include "leat/net/internal/readiness_transport.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "leat/net/internal/send_queue.h"
#include "leat/net/internal/socket_ops.h"
#include "leat/net/internal/socket_output.h"
#include "leat/net/net_counters.h"
#include "leat/reactor/event_loop.h"

namespace leat::internal {

ReadinessTransport::ReadinessTransport(EventLoop& loop, UniqueFd socket, NetCounters& counters)
    : socket_(std::move(socket)), channel_(loop, socket_.get()), counters_(counters) {}

Result<void> ReadinessTransport::start(TransportUser& user) {
  user_ = &user;
  channel_.on_read([this](Timestamp) { handle_read(); });
  channel_.on_write([this] { user_->output_ready(); });
  channel_.on_error([this] { handle_error(); });
  return {};
}

Result<void> ReadinessTransport::set_reading(bool on) {
  return on ? channel_.enable_reading() : channel_.disable_reading();
}

void ReadinessTransport::handle_read() {
  const std::size_t room = user_->receive_room();
  if (room == 0) return;
  const std::span<char> scratch = channel_.loop().scratch();
  const ssize_t count = ::recv(fd(), scratch.data(), std::min(room, scratch.size()), 0);
  counters_.reads.add();
  if (count > 0) {
    user_->bytes_arrived({scratch.data(), static_cast<std::size_t>(count)});
  } else if (count == 0) {
    user_->input_ended();
  } else if (errno != EAGAIN && errno != EINTR) {
    user_->transport_failed(errno, "receiving");
  }
}

void ReadinessTransport::handle_error() {
  const int number = take_socket_error(fd());
  if (number != 0) user_->transport_failed(number, "connection");
}

Transport::Written ReadinessTransport::write(SendQueue& queue) {
  const Written written = write_to_socket(fd(), closed_, queue, *user_, counters_);
  if (closed_) return written;
  if (written.kind == Written::Kind::kBlocked) {
    const Result<void> watched = channel_.enable_writing();
    if (!watched) return {Written::Kind::kFailed, watched.error().number()};
  } else if (channel_.is_writing()) {
    channel_.disable_writing();
  }
  return written;
}

std::size_t ReadinessTransport::write_now(const SendQueue& queue, std::string_view bytes) {
  if (is_blocked()) return 0;
  return write_now_to_socket(fd(), queue, bytes, counters_);
}

void ReadinessTransport::shutdown_write() {
  ::shutdown(fd(), SHUT_WR);
}

/// What is ready, also an error, is so on another loop as well: polling is level-triggered.
bool ReadinessTransport::detach() {
  channel_.remove();
  return true;
}

Transport::Detached ReadinessTransport::take_detached() {
  closed_ = true;
  return {.socket = std::move(socket_)};
}

void ReadinessTransport::close(bool reset) {
  if (std::exchange(closed_, true)) return;
  if (reset) reset_on_close(fd());
  channel_.remove();
  socket_.reset();
}

}  // namespace leat::internal
