// Internal: who keeps a connection while it is open.
#pragma once

#include "leat/net/net_counters.h"

namespace leat {

class TcpConnection;

namespace internal {

/// Holds the pointer of each of its connections from establish() to connection_closed(). Lives
/// on the connection's loop and must outlive the open ones.
class ConnectionOwner {
 public:
  ConnectionOwner() = default;
  ConnectionOwner(const ConnectionOwner&) = delete;
  ConnectionOwner& operator=(const ConnectionOwner&) = delete;
  virtual ~ConnectionOwner() = default;

  /// on_connection was called and the connection is open. Nothing of it has been read yet.
  virtual void connection_ready(TcpConnection& /*connection*/) {}
  /// The connection has entered kClosed and on_close was called. Give the pointer to
  /// EventLoop::release_later(), for the connection is on the stack.
  virtual void connection_closed(TcpConnection& connection) = 0;
  virtual NetCounters& counters() = 0;
};

}  // namespace internal
}  // namespace leat
