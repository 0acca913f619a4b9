// Internal: the owner of connections that coroutines have made.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>

#include "leat/net/connection_options.h"
#include "leat/net/internal/connection_owner.h"
#include "leat/net/internal/connection_profile.h"
#include "leat/net/tcp_connection.h"
#include "leat/reactor/event_loop.h"

namespace leat::internal {

/// Keeps connections while they are open, and itself meanwhile. Belongs to the loop's thread; when
/// the loop ends, so do its connections.
class ConnectionKeeper final : public ConnectionOwner,
                               public std::enable_shared_from_this<ConnectionKeeper> {
 public:
  ConnectionKeeper(EventLoop& loop, const ConnectionOptions& options);

  /// An open connection, which is closed when the last copy of this pointer has gone. Throws
  /// std::bad_alloc without memory; the socket is closed then.
  [[nodiscard]] TcpConnectionPtr adopt(ConnectedSocket socket);

  // ConnectionOwner
  void connection_closed(TcpConnection& connection) override;
  NetCounters& counters() override { return counters_; }

 private:
  void loop_ends();

  EventLoop& loop_;
  const std::shared_ptr<ConnectionProfile> profile_;
  NetCounters counters_;
  std::uint64_t next_id_ = 1;
  std::unordered_map<std::uint64_t, TcpConnectionPtr> connections_;
  EventLoop::ExitId exit_id_ = 0;
  std::shared_ptr<ConnectionKeeper> self_;  // while there are connections
};

}  // namespace leat::internal
