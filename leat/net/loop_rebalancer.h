// Public: moving live connections by measured load.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "leat/base/monotonic_time.h"
#include "leat/base/result.h"
#include "leat/net/tcp_connection.h"
#include "leat/reactor/timer_id.h"

namespace leat {

class EventLoop;
class TcpServer;

struct LoopRebalancerOptions {
  /// How often it measures, and at most a third as often moves a connection. At least 1 ms.
  Duration interval = std::chrono::milliseconds(100);
  /// So much above the mean of the loops that accept, as a share of it, may a loop be: 0 or more.
  double slack = 0.25;
  /// What a connection has cost so far, in any unit; it must not fall. Called on the connection's
  /// loop. Empty: the bytes that it has received and sent.
  std::function<std::uint64_t(const TcpConnection&)> cost = {};
};

/// Evens out what the loops of a server do by TcpConnection::move_to(): from the loop with the most
/// to the one with the least, of those that accept, goes the connection whose cost of the last
/// interval comes closest to half of the difference, if that is less uneven then. One at a time,
/// and then a look at what has become of it. What cannot move (TLS, coroutines, HTTP) is passed
/// over.
///
///     tick: by the last samples, the busiest loop is asked to move_to() one connection
///           every loop is asked for a new sample: it looks at all of its connections
///
/// Belongs to the base loop of the server, which must outlive it.
class LoopRebalancer {
 public:
  LoopRebalancer(EventLoop& base, TcpServer& server, LoopRebalancerOptions options = {});
  ~LoopRebalancer();
  LoopRebalancer(const LoopRebalancer&) = delete;
  LoopRebalancer& operator=(const LoopRebalancer&) = delete;

  /// When the server has started. Fails with EINVAL before that, and for options out of range. A
  /// second call does nothing.
  Result<void> start();
  /// Moves that are on their way are completed.
  void stop();
  /// How many were begun. Any thread.
  [[nodiscard]] std::uint64_t moves() const;

 private:
  struct State;

  void tick();
  void decide();
  void sample();

  EventLoop& base_;
  TcpServer& server_;
  const LoopRebalancerOptions options_;
  std::shared_ptr<State> state_;
  TimerId timer_;
  std::uint64_t asked_ = 0;  // samples
  int settling_ = 0;
};

}  // namespace leat
