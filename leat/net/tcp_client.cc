#include "leat/net/tcp_client.h"

#include <utility>

#include "leat/net/internal/client_core.h"

namespace leat {

TcpClient::TcpClient(EventLoop& loop, const InetAddress& peer, TcpClientOptions options)
    : core_(std::make_shared<internal::ClientCore>(loop, peer, std::move(options))) {}

TcpClient::TcpClient(EventLoop& loop, const HostPort& peer, TcpClientOptions options)
    : core_(std::make_shared<internal::ClientCore>(loop, peer, std::move(options))) {}

TcpClient::~TcpClient() {
  internal::ClientCore::abandon(std::move(core_));
}

void TcpClient::on_connection(ConnectionCallbacks::Event callback) {
  core_->callbacks().on_connection = std::move(callback);
}
void TcpClient::on_message(decltype(ConnectionCallbacks::on_message) callback) {
  core_->callbacks().on_message = std::move(callback);
}
void TcpClient::on_write_complete(ConnectionCallbacks::Event callback) {
  core_->callbacks().on_write_complete = std::move(callback);
}
void TcpClient::on_high_water(decltype(ConnectionCallbacks::on_high_water) callback) {
  core_->callbacks().on_high_water = std::move(callback);
}
void TcpClient::on_low_water(ConnectionCallbacks::Event callback) {
  core_->callbacks().on_low_water = std::move(callback);
}
void TcpClient::on_half_close(ConnectionCallbacks::Event callback) {
  core_->callbacks().on_half_close = std::move(callback);
}
void TcpClient::on_error(decltype(ConnectionCallbacks::on_error) callback) {
  core_->callbacks().on_error = std::move(callback);
}
void TcpClient::on_close(decltype(ConnectionCallbacks::on_close) callback) {
  core_->callbacks().on_close = std::move(callback);
}
void TcpClient::set_callbacks(ConnectionCallbacks callbacks) {
  core_->callbacks() = std::move(callbacks);
}
void TcpClient::on_connect_failed(ConnectFailed callback) {
  core_->on_connect_failed(std::move(callback));
}
void TcpClient::on_attempt_failed(AttemptFailed callback) {
  core_->on_attempt_failed(std::move(callback));
}

Result<void> TcpClient::connect() {
  return core_->connect();
}
void TcpClient::disconnect() {
  core_->disconnect();
}

TcpConnectionPtr TcpClient::connection() const {
  return core_->connection();
}
const InetAddress& TcpClient::peer() const {
  return core_->peer();
}
const std::string& TcpClient::peer_name() const {
  return core_->peer_name();
}
bool TcpClient::is_connecting() const {
  return core_->is_connecting();
}
const NetCounters& TcpClient::counters() const {
  return core_->counters();
}

}  // namespace leat
