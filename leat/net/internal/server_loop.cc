#include "leat/net/internal/server_loop.h"

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

#include "leat/base/assert.h"
#include "leat/base/log_rate_limit.h"
#include "leat/net/internal/socket_ops.h"

namespace leat::internal {

ServerLoop::ServerLoop(EventLoop& loop, std::size_t index, const TcpServerOptions& options,
                       std::shared_ptr<const ConnectionProfile> profile)
    : loop_(loop),
      handle_(loop.handle()),
      accept_batch_(options.accept_batch),
      max_connections_(options.max_connections_per_loop),
      first_input_grace_(options.first_input_grace),
      profile_(std::move(profile)),
      // Unique in a server: the number of the loop that accepts, then a sequence number.
      next_id_((static_cast<std::uint64_t>(index) << 48) + 1) {}

ServerLoop::~ServerLoop() {
  LEAT_ASSERT(connections_.empty(), "a server's connections outlived it");
}

bool ServerLoop::is_full() const {
  return max_connections_ != 0 && load() >= max_connections_;
}

void ServerLoop::attach(LoopTask ended) {
  loop_.assert_in_loop_thread();
  exit_id_ = loop_.at_exit([this, ended = std::move(ended)] {
    tear_down(CloseReason::kLoopEnded);
    ended();
  });
}

Result<void> ServerLoop::accept_from(UniqueFd listener, bool shared) {
  loop_.assert_in_loop_thread();
  auto acceptor = std::make_unique<Acceptor>(
      loop_, std::move(listener),
      AcceptorOptions{.batch = accept_batch_, .exclusive = shared, .counters = &counters_});
  acceptor->on_accept([this](std::vector<ConnectedSocket>&& sockets) {
    if (balances_load_ && !stopping_) return spread(std::move(sockets));
    expect(sockets.size());
    adopt(std::move(sockets));
  });
  Result<void> started = acceptor->start();
  if (!started) return started;
  if (paused_) acceptor->pause();
  acceptors_.push_back(std::move(acceptor));
  return {};
}

void ServerLoop::drop_acceptor(int listener, bool drain) {
  loop_.assert_in_loop_thread();
  const auto found = std::find_if(acceptors_.begin(), acceptors_.end(),
                                  [&](const auto& acceptor) { return acceptor->fd() == listener; });
  if (found == acceptors_.end()) return;  // as after tear_down()
  if (drain) (*found)->drain();
  acceptors_.erase(found);
}

void ServerLoop::accept_what_waits() {
  if (paused_) return;
  for (const auto& acceptor : acceptors_) acceptor->drain();
}

void ServerLoop::adopt(std::vector<ConnectedSocket>&& sockets) {
  loop_.assert_in_loop_thread();
  for (ConnectedSocket& socket : sockets) {
    const TcpConnectionPtr connection = torn_down_ ? nullptr : take_over(std::move(socket));
    if (!connection) {
      load_.fetch_sub(1, std::memory_order_relaxed);
      continue;
    }
    counters_.accepted.add();
    counters_.open.add();
    try {
      connection->establish();
      if (stopping_) ask_to_finish(connection);
    } catch (const std::bad_alloc&) {
      LEAT_LOG_ERROR_LIMITED("a new connection is cut: out of memory");
      connection->finish(CloseReason::kError);
    }
  }
  report_if_stopped();
  pause_if_full();
}

/// Null if memory ran out: the peer finds its connection closed, and the others go on.
TcpConnectionPtr ServerLoop::take_over(ConnectedSocket socket) {
  try {
    const Result<void> applied =
        apply_to_accepted(socket.fd.get(), profile_->options, socket.peer.family());
    if (!applied) LEAT_LOG_WARN_LIMITED("{}", applied.error().message());
    const std::uint64_t id = next_id_++;
    auto connection =
        std::make_shared<TcpConnection>(loop_, std::move(socket), id, profile_, *this);
    connections_.emplace(id, connection);
    return connection;
  } catch (const std::bad_alloc&) {
    counters_.accept_failed.add();
    LEAT_LOG_ERROR_LIMITED("a new connection is closed: out of memory");
    return nullptr;
  }
}

void ServerLoop::connection_ready(TcpConnection& connection) {
  if (!profile_->serve) return;
  try {
    connection.keep_for_read();
    tasks_[connection.id()] = spawn(loop_, serve(connection.shared_from_this()));
  } catch (const std::bad_alloc&) {
    LEAT_LOG_ERROR_LIMITED("a new connection is cut: out of memory");
    connection.finish(CloseReason::kError);
  }
}

/// What the user's task is to a connection. Dropped before this share goes.
Task<> ServerLoop::serve(TcpConnectionPtr connection) {
  try {
    co_await profile_->serve(connection);
    connection->close();
  } catch (const std::exception& e) {
    connection->finish_for_exception(e.what());
  } catch (...) {
    connection->finish_for_exception("something");
  }
  // This task's own handle: it ends without.
  tasks_.erase(connection->id());
}

void ServerLoop::pause_if_full() {
  if (paused_ || !is_full()) return;
  paused_ = true;
  for (const auto& acceptor : acceptors_) acceptor->pause();
}

void ServerLoop::connection_closed(TcpConnection& connection) {
  const auto found = connections_.find(connection.id());
  LEAT_ASSERT(found != connections_.end(), "a connection was closed twice");
  loop_.release_later(std::move(found->second));
  connections_.erase(found);
  const auto task = tasks_.find(connection.id());
  if (task != tasks_.end()) task->second.cancel();
  counters_.open.subtract();
  load_.fetch_sub(1, std::memory_order_relaxed);
  if (stopping_) ++(cutting_ ? report_.cut : report_.drained);
  note_room();
}

/// There is one connection less.
void ServerLoop::note_room() {
  if (torn_down_) return;
  if (stopping_) {
    report_if_stopped();
  } else if (paused_ && !is_full()) {
    paused_ = false;
    for (const auto& acceptor : acceptors_) acceptor->resume();
  }
  if (on_room_) on_room_();
}

/// Who has connected only now has a request on the way, which to close at once would lose.
/// And one that is moving is asked when it has settled, there or here.
void ServerLoop::ask_to_finish(const TcpConnectionPtr& connection) {
  if (connection->is_moving()) return;
  const bool is_unheard =
      first_input_grace_ > Duration::zero() && !cutting_ && connection->bytes_received() == 0;
  if (!is_unheard || grace_is_over_) return connection->stop_gracefully();
  unheard_.push_back(connection->id());
  if (grace_timer_.is_valid()) return;
  grace_timer_ = loop_.run_after(first_input_grace_, [this] {
    grace_timer_ = {};
    grace_is_over_ = true;
    for (const std::uint64_t id : std::exchange(unheard_, {})) {
      if (const TcpConnectionPtr late = find(id)) ask_to_finish(late);
    }
  });
}

void ServerLoop::stop(bool drain, StoppedCallback stopped) {
  loop_.assert_in_loop_thread();
  if (torn_down_) {
    stopped(report_);
    return;
  }
  // From here on others give nothing, and what is given already is counted in load().
  refuses_.store(true);
  balances_load_ = false;
  if (drain) {
    for (const auto& acceptor : acceptors_) acceptor->drain();
  }
  stopping_ = true;
  unsent_before_stop_ = counters_.bytes_unsent.load();
  acceptors_.clear();
  stopped_ = std::move(stopped);
  for (const TcpConnectionPtr& connection : snapshot()) ask_to_finish(connection);
  report_if_stopped();
}

void ServerLoop::report_if_stopped() {
  if (!stopped_ || load_.load() != 0) return;
  const StoppedCallback stopped = std::exchange(stopped_, {});
  report_.bytes_unsent = counters_.bytes_unsent.load() - unsent_before_stop_;
  stopped(report_);
}

void ServerLoop::cut(CloseReason reason) {
  loop_.assert_in_loop_thread();
  cutting_ = true;
  for (const TcpConnectionPtr& connection : snapshot()) connection->finish(reason);
}

void ServerLoop::tear_down(CloseReason reason) {
  loop_.assert_in_loop_thread();
  if (torn_down_) return;
  torn_down_ = true;
  refuses_.store(true);
  loop_.cancel(std::exchange(grace_timer_, {}));
  acceptors_.clear();
  for (const TcpConnectionPtr& connection : snapshot()) connection->finish(reason);
  // Nothing of the user's runs afterwards; what their locals do in destructors may reach this.
  while (!tasks_.empty()) {
    auto task = tasks_.extract(tasks_.begin());
    task.mapped().drop();
  }
  loop_.cancel_at_exit(exit_id_);
  if (const StoppedCallback stopped = std::exchange(stopped_, {})) stopped(report_);
  on_room_ = {};
  peers_ = nullptr;  // they hold each other
}

void ServerLoop::for_each(const std::function<void(const TcpConnectionPtr&)>& visit) {
  loop_.assert_in_loop_thread();
  for (const TcpConnectionPtr& connection : snapshot()) visit(connection);
}

TcpConnectionPtr ServerLoop::find(std::uint64_t id) const {
  loop_.assert_in_loop_thread();
  const auto found = connections_.find(id);
  return found == connections_.end() ? nullptr : found->second;
}

/// A copy to walk over while connections end.
std::vector<TcpConnectionPtr> ServerLoop::snapshot() const {
  std::vector<TcpConnectionPtr> connections;
  connections.reserve(connections_.size());
  for (const auto& [id, connection] : connections_) connections.push_back(connection);
  return connections;
}

}  // namespace leat::internal
