// Internal: what a TcpListener is made of.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "leat/net/acceptor.h"
#include "leat/net/internal/accept_wait.h"
#include "leat/net/internal/connection_keeper.h"
#include "leat/net/tcp_listener.h"
#include "leat/reactor/event_loop.h"

namespace leat::internal {

/// Outlives its TcpListener until the end of the loop's iteration, because a task that it made go
/// on may be what destroyed that; and until the last wait has gone.
class ListenerCore final : public std::enable_shared_from_this<ListenerCore> {
 public:
  ListenerCore(EventLoop& loop, TcpListenerOptions options);

  Result<void> listen(const InetAddress& address);
  /// The listener is destroyed, or its loop; a second call does nothing.
  void close();

  /// False if the wait already has a socket, or never will.
  [[nodiscard]] bool begin_accept(AcceptWait& wait);
  [[nodiscard]] TcpConnectionPtr adopt(ConnectedSocket socket);

  [[nodiscard]] const Acceptor* acceptor() const { return acceptor_.get(); }
  [[nodiscard]] const NetCounters& counters() const { return keeper_->counters(); }

 private:
  void take(std::vector<ConnectedSocket>&& sockets);

  EventLoop& loop_;
  const TcpListenerOptions options_;
  const std::shared_ptr<ConnectionKeeper> keeper_;
  std::unique_ptr<Acceptor> acceptor_;
  bool is_paused_ = false;
  bool closed_ = false;
  bool in_callback_ = false;  // of the acceptor
  EventLoop::ExitId exit_id_ = 0;
  std::deque<ConnectedSocket> sockets_;  // that nobody has asked for yet
  LinkedList<AcceptWait, AcceptTag> waits_;
};

}  // namespace leat::internal
