#include "leat/net/tcp_server.h"

#include <utility>

#include "leat/net/internal/server_core.h"

namespace leat {

TcpServer::TcpServer(EventLoop& base, TcpServerOptions options)
    : core_(std::make_shared<internal::ServerCore>(base, nullptr, std::move(options))) {}

TcpServer::TcpServer(EventLoop& base, EventLoopThreadPool& pool, TcpServerOptions options)
    : core_(std::make_shared<internal::ServerCore>(base, &pool, std::move(options))) {}

TcpServer::~TcpServer() {
  core_->tear_down();
}

void TcpServer::on_connection(ConnectionCallbacks::Event callback) {
  core_->callbacks().on_connection = std::move(callback);
}
void TcpServer::on_message(decltype(ConnectionCallbacks::on_message) callback) {
  core_->callbacks().on_message = std::move(callback);
}
void TcpServer::on_write_complete(ConnectionCallbacks::Event callback) {
  core_->callbacks().on_write_complete = std::move(callback);
}
void TcpServer::on_high_water(decltype(ConnectionCallbacks::on_high_water) callback) {
  core_->callbacks().on_high_water = std::move(callback);
}
void TcpServer::on_low_water(ConnectionCallbacks::Event callback) {
  core_->callbacks().on_low_water = std::move(callback);
}
void TcpServer::on_half_close(ConnectionCallbacks::Event callback) {
  core_->callbacks().on_half_close = std::move(callback);
}
void TcpServer::on_error(decltype(ConnectionCallbacks::on_error) callback) {
  core_->callbacks().on_error = std::move(callback);
}
void TcpServer::on_close(decltype(ConnectionCallbacks::on_close) callback) {
  core_->callbacks().on_close = std::move(callback);
}
void TcpServer::on_stopping(ConnectionCallbacks::Event callback) {
  core_->callbacks().on_stopping = std::move(callback);
}
void TcpServer::set_callbacks(ConnectionCallbacks callbacks) {
  core_->callbacks() = std::move(callbacks);
}
void TcpServer::serve(std::function<Task<>(TcpConnectionPtr)> handler) {
  core_->serve(std::move(handler));
}
void TcpServer::on_loop_start(std::function<void(EventLoop&)> callback) {
  core_->on_loop_start(std::move(callback));
}

Result<void> TcpServer::listen(const InetAddress& address) {
  return core_->listen(address);
}

Result<void> TcpServer::listen(const InetAddress& address, ListenerSet& inherited) {
  return core_->listen(address, inherited);
}

Result<void> TcpServer::resize_loops(std::size_t count) {
  return core_->resize_loops(count);
}

Result<ListenerSet> TcpServer::duplicate_listeners() const {
  return core_->duplicate_listeners();
}

void TcpServer::own_listeners() {
  core_->own_listeners();
}

void TcpServer::disown_listeners() {
  core_->disown_listeners();
}

Result<void> TcpServer::start() {
  return core_->start();
}

void TcpServer::stop(Duration deadline, StopCallback done) {
  core_->base().run_in_loop([core = core_, deadline, done = std::move(done)]() mutable {
    core->stop(deadline, std::move(done));
  });
}

std::vector<InetAddress> TcpServer::addresses() const {
  return core_->addresses();
}

std::vector<ListenerBalance> TcpServer::balances() const {
  return core_->balances();
}

bool TcpServer::is_started() const {
  return core_->is_started();
}

std::size_t TcpServer::accepting_loops() const {
  return core_->accepting_loops();
}

std::vector<EventLoop*> TcpServer::loops() const {
  std::vector<EventLoop*> loops;
  for (const auto& share : core_->loops()) loops.push_back(&share->loop());
  return loops;
}

std::vector<const NetCounters*> TcpServer::counters() const {
  std::vector<const NetCounters*> counters;
  for (const auto& share : core_->loops()) counters.push_back(&share->net_counters());
  return counters;
}

const NetCounters& TcpServer::base_counters() const {
  return core_->base_counters();
}

std::size_t TcpServer::connection_count() const {
  std::size_t count = 0;
  for (const auto& share : core_->loops()) count += share->net_counters().open.load();
  return count;
}

void TcpServer::for_each_connection(std::function<void(const TcpConnectionPtr&)> visit) {
  for (const auto& share : core_->loops()) {
    share->handle().queue([share, visit] { share->for_each(visit); });
  }
}

TcpConnectionPtr TcpServer::find_connection(std::uint64_t id) const {
  for (const auto& share : core_->loops()) {
    if (share->loop().is_in_loop_thread()) return share->find(id);
  }
  return nullptr;
}

}  // namespace leat
