#include "leat/net/udp_socket.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "leat/net/internal/reuseport_program.h"
#include "leat/net/internal/udp_core.h"
#include "leat/net/internal/udp_open.h"

namespace leat {

UdpSocket::UdpSocket(std::shared_ptr<internal::UdpCore> core) : core_(std::move(core)) {
  core_->close_with_loop();
}

UdpSocket::~UdpSocket() {
  core_->close();
}

Result<std::unique_ptr<UdpSocket>> UdpSocket::bind(EventLoop& loop, const InetAddress& address,
                                                   UdpOptions options) {
  Result<internal::OpenedUdp> opened = internal::open_bound_udp(address, options);
  if (!opened) return std::move(opened).error();
  return std::unique_ptr<UdpSocket>(new UdpSocket(
      std::make_shared<internal::UdpCore>(loop, std::move(*opened), std::move(options))));
}

Result<std::unique_ptr<UdpSocket>> UdpSocket::adopt(EventLoop& loop, ListenerSocket socket,
                                                    UdpOptions options) {
  if (socket.kind != ListenerSocket::Kind::kUdp) {
    return Error::invalid_argument("UdpSocket::adopt() of a stream socket");
  }
  Result<internal::OpenedUdp> opened = internal::adopt_bound_udp(std::move(socket.fd), options);
  if (!opened) return std::move(opened).error();
  return std::unique_ptr<UdpSocket>(new UdpSocket(
      std::make_shared<internal::UdpCore>(loop, std::move(*opened), std::move(options))));
}

Result<std::unique_ptr<UdpSocket>> UdpSocket::connect(EventLoop& loop, const InetAddress& peer,
                                                      UdpOptions options) {
  Result<internal::OpenedUdp> opened = internal::open_connected_udp(peer, options);
  if (!opened) return std::move(opened).error();
  return std::unique_ptr<UdpSocket>(new UdpSocket(
      std::make_shared<internal::UdpCore>(loop, std::move(*opened), std::move(options))));
}

void UdpSocket::on_datagrams(DatagramsCallback callback) {
  core_->on_datagrams = std::move(callback);
}
void UdpSocket::on_error(ErrorCallback callback) {
  core_->on_error = std::move(callback);
}
void UdpSocket::on_writable(WritableCallback callback) {
  core_->on_writable = std::move(callback);
}

Result<void> UdpSocket::start() {
  return core_->start();
}
void UdpSocket::pause() {
  core_->pause();
}
Result<void> UdpSocket::resume() {
  return core_->start();
}
bool UdpSocket::is_receiving() const {
  return core_->is_receiving();
}

Result<void> UdpSocket::choose_by_session_id(const SessionIdRule& rule) {
  if (!is_open()) return Error::from_errno(EPIPE, "this UDP socket is closed");
  if (rule.length != 1 && rule.length != 2 && rule.length != 4) {
    return Error::invalid_argument("SessionIdRule::length is none of 1, 2, 4");
  }
  if (rule.offset > kMaxPayloadIpv6 - rule.length) {
    return Error::invalid_argument("SessionIdRule::offset is beyond a datagram");
  }
  int shared = 0;
  socklen_t size = sizeof shared;
  if (::getsockopt(fd(), SOL_SOCKET, SO_REUSEPORT, &shared, &size) != 0 || shared == 0) {
    return Error::invalid_argument("choose_by_session_id() without UdpOptions::reuse_port");
  }
  return internal::choose_by_payload(fd(), rule.offset, rule.length);
}

Result<void> UdpSocket::send(std::string_view payload, const DatagramRoute& route) {
  return core_->send(payload, route);
}
void UdpSocket::flush() {
  core_->flush();
}
std::size_t UdpSocket::queued() const {
  return core_->queued();
}

void UdpSocket::close() {
  core_->close();
}
bool UdpSocket::is_open() const {
  return core_->is_open();
}

Result<ListenerSocket> UdpSocket::duplicate() const {
  if (!is_open()) return Error::from_errno(EPIPE, "this UDP socket is closed");
  UniqueFd copy(::fcntl(core_->fd(), F_DUPFD_CLOEXEC, 0));
  if (!copy) return Error::from_errno(errno, "duplicating a UDP socket");
  return ListenerSocket::inspect(std::move(copy));
}

Result<InetAddress> UdpSocket::address() const {
  if (!is_open()) return Error::from_errno(EPIPE, "this UDP socket is closed");
  return InetAddress::local_of(core_->fd());
}
Result<std::size_t> UdpSocket::path_mtu() const {
  return core_->path_mtu();
}
void UdpSocket::refresh_kernel_drops() {
  core_->refresh_kernel_drops();
}
const UdpCounters& UdpSocket::counters() const {
  return core_->counters();
}
EventLoop& UdpSocket::loop() const {
  return core_->loop();
}
int UdpSocket::fd() const {
  return core_->fd();
}

}  // namespace leat
