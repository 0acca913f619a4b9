// Internal: connections that never rest.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

#include "leat/net/tcp_server.h"
#include "leat/reactor/event_loop.h"

namespace leat::testing {

/// Moves a connection to the next loop of the server, and on from there, until that is stopped or
/// the connection is closed. The server may outlive it.
class Mover {
 public:
  explicit Mover(TcpServer& server) : state_(std::make_shared<State>(server)) {}
  ~Mover() { stop(); }
  Mover(const Mover&) = delete;
  Mover& operator=(const Mover&) = delete;

  /// On the connection's loop.
  void start(const TcpConnectionPtr& connection) { go_on(state_, connection); }
  void stop() { state_->stopped = true; }
  [[nodiscard]] std::size_t moves() const { return state_->moves; }

 private:
  struct State {
    explicit State(TcpServer& server_in) : server(server_in) {}
    TcpServer& server;
    std::atomic<std::size_t> moves{0};
    std::atomic<bool> stopped{false};
  };

  static void go_on(const std::shared_ptr<State>& state, const TcpConnectionPtr& connection) {
    if (state->stopped) return;
    const std::vector<EventLoop*> loops = state->server.loops();
    const auto here = std::ranges::find(loops, &connection->loop());
    const auto next = static_cast<std::size_t>(here - loops.begin() + 1) % loops.size();
    (void)connection->move_to(*loops[next],
                              [state](const TcpConnectionPtr& moved, const Result<void>& result) {
                                if (!result) return;
                                moved->loop().assert_in_loop_thread();
                                ++state->moves;
                                go_on(state, moved);
                              });
  }

  const std::shared_ptr<State> state_;
};

}  // namespace leat::testing
