#include "leat/net/internal/connection_keeper.h"

#include <new>
#include <utility>

#include "leat/base/log_rate_limit.h"

namespace leat::internal {

namespace {

/// Closes the connection when the user has let go of it; on any thread.
struct CloseAtLast {
  TcpConnectionPtr connection;

  void operator()(TcpConnection* /*connection*/) noexcept {
    // A weak pointer of the user's keeps this object, but not the connection.
    const TcpConnectionPtr last = std::move(connection);
    try {
      last->close();
    } catch (const std::bad_alloc&) {
      LEAT_LOG_ERROR_LIMITED("a connection that nobody uses stays open: out of memory");
    }
  }
};

}  // namespace

ConnectionKeeper::ConnectionKeeper(EventLoop& loop, const ConnectionOptions& options)
    : loop_(loop), profile_(std::make_shared<ConnectionProfile>()) {
  profile_->options = options;
}

TcpConnectionPtr ConnectionKeeper::adopt(ConnectedSocket socket) {
  const std::uint64_t id = next_id_++;
  auto connection = std::make_shared<TcpConnection>(loop_, std::move(socket), id, profile_, *this);
  connection->keep_for_read();
  connections_.emplace(id, connection);
  try {
    if (connections_.size() == 1) exit_id_ = loop_.at_exit([this] { loop_ends(); });
  } catch (const std::bad_alloc&) {
    connections_.erase(id);
    throw;
  }
  self_ = shared_from_this();
  counters_.accepted.add();
  counters_.open.add();
  try {
    connection->establish();
  } catch (const std::bad_alloc&) {
    connection->finish(CloseReason::kError);
    throw;
  }
  TcpConnection* raw = connection.get();
  return TcpConnectionPtr(raw, CloseAtLast{std::move(connection)});
}

void ConnectionKeeper::connection_closed(TcpConnection& connection) {
  const auto found = connections_.find(connection.id());
  loop_.release_later(std::move(found->second));
  connections_.erase(found);
  counters_.open.subtract();
  if (!connections_.empty()) return;
  loop_.cancel_at_exit(exit_id_);
  loop_.release_later(std::exchange(self_, nullptr));
}

void ConnectionKeeper::loop_ends() {
  const std::shared_ptr<ConnectionKeeper> self = self_;
  while (!connections_.empty()) {
    const TcpConnectionPtr connection = connections_.begin()->second;
    connection->finish(CloseReason::kLoopEnded);
  }
}

}  // namespace leat::internal
