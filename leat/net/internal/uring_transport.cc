#include "leat/net/internal/uring_transport.h"

#include <sys/socket.h>

#include <utility>

#include "leat/net/internal/uring_socket.h"

namespace leat::internal {

UringTransport::UringTransport(Uring& ring, UniqueFd socket, NetCounters& counters)
    : socket_(std::make_unique<UringSocket>(ring, std::move(socket), counters)) {}

UringTransport::~UringTransport() {
  close(false);
}

Result<void> UringTransport::start(TransportUser& user) {
  set_user(user);
  return {};
}

void UringTransport::set_user(TransportUser& user) {
  socket_->set_user(user);
}

Result<void> UringTransport::set_reading(bool on) {
  if (socket_) socket_->set_reading(on);
  return {};
}

void UringTransport::continue_input() {
  if (socket_) socket_->continue_input();
}

Transport::Written UringTransport::write(SendQueue& queue) {
  return socket_->write(queue);
}

std::size_t UringTransport::write_now(const SendQueue& queue, std::string_view bytes) {
  return socket_->write_now(queue, bytes);
}

bool UringTransport::is_blocked() const {
  return socket_ && socket_->is_blocked();
}

void UringTransport::shutdown_write() {
  ::shutdown(fd(), SHUT_WR);
}

void UringTransport::close(bool reset) {
  if (socket_) UringSocket::close(std::move(socket_), reset);
}

bool UringTransport::detach() {
  return socket_->detach();
}

Transport::Detached UringTransport::take_detached() {
  Detached detached = socket_->take_detached();
  socket_.reset();
  return detached;
}

int UringTransport::fd() const {
  return socket_ ? socket_->fd() : -1;
}

}  // namespace leat::internal
