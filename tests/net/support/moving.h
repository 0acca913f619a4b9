// Internal: connections that never rest.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <vector>

#include "leat/net/tcp_server.h"
#include "leat/reactor/event_loop.h"

namespace leat::testing {

/// Moves a connection to the next loop of the server, and on from there, `most` times or until it
/// is closed. Call it on the connection's loop; must outlive the server.
class Mover {
 public:
  explicit Mover(TcpServer& server, std::size_t most = SIZE_MAX) : server_(server), most_(most) {}

  void start(const TcpConnectionPtr& connection) { go_on(connection, 0); }
  [[nodiscard]] std::size_t moves() const { return moves_; }

 private:
  void go_on(const TcpConnectionPtr& connection, std::size_t count) {
    if (count == most_ || stopped_) return;
    const std::vector<EventLoop*> loops = server_.loops();
    const auto here = std::ranges::find(loops, &connection->loop());
    const auto next = static_cast<std::size_t>(here - loops.begin() + 1) % loops.size();
    (void)connection->move_to(
        *loops[next], [this, count](const TcpConnectionPtr& moved, const Result<void>& result) {
          if (!result) return;
          moved->loop().assert_in_loop_thread();
          ++moves_;
          go_on(moved, count + 1);
        });
  }

 public:
  void stop() { stopped_ = true; }

 private:
  TcpServer& server_;
  const std::size_t most_;
  std::atomic<std::size_t> moves_{0};
  std::atomic<bool> stopped_{false};
};

}  // namespace leat::testing
