// Internal: who keeps a connection while it is open.
#pragma once

#include <cerrno>
#include <memory>

#include "leat/base/result.h"
#include "leat/net/net_counters.h"

namespace leat {

class EventLoop;
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

  // Moving. Who knows only one loop has none of it.

  /// The owner that connections on `target` have, with a place there for one more. Fails as
  /// TcpConnection::move_to() does.
  [[nodiscard]] virtual Result<std::shared_ptr<ConnectionOwner>> reserve_on(EventLoop& /*target*/) {
    return Error::from_errno(ENOTSUP, "move_to: its owner lives on one loop");
  }
  /// The place is not needed after all. Any thread.
  virtual void give_up_place() {}
  /// It is not here any more. Its pointer is held by the caller.
  virtual void connection_leaves(TcpConnection& /*connection*/) {}
  /// It takes the place that was reserved. On this owner's loop; throws without memory.
  virtual void connection_lands(const std::shared_ptr<TcpConnection>& /*connection*/) {}
  /// It works again, here: what the owner has meanwhile asked of all connections is due.
  virtual void connection_settled(TcpConnection& /*connection*/) {}
};

}  // namespace internal
}  // namespace leat
