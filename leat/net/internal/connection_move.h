// Internal: what a connection knows of the loops it was on, and of its way to another.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "leat/base/move_only_function.h"
#include "leat/net/connection_callbacks.h"
#include "leat/net/internal/transport.h"
#include "leat/reactor/event_loop.h"
#include "leat/reactor/loop_handle.h"

namespace leat::internal {

class ConnectionOwner;

/// A loop that a connection is on, was on or goes to: one for each, kept as long as the connection,
/// so that other threads may look at any of them.
///
/// Who calls from another thread raises `posting`, looks whether this is still the seat, and only
/// then queues; so once a connection has turned to another seat and has seen 0 here, no further
/// call comes this way. Both sides write before they read, in one total order (seq_cst).
struct ConnectionSeat {
  explicit ConnectionSeat(EventLoop& loop_in) : loop(&loop_in), handle(loop_in.handle()) {}

  EventLoop* const loop;
  const LoopHandle handle;
  std::atomic<std::size_t> posting{0};
  /// Calls that came before the connection did. Of the loop's thread.
  std::vector<MoveOnlyFunction<void(TcpConnection&)>> waiting;
};

/// From move_to() until the connection has left, which takes it along until it has landed.
struct ConnectionMove {
  EventLoop* target = nullptr;
  std::shared_ptr<ConnectionOwner> owner = nullptr;  ///< There, with a place reserved; null: here.
  MoveOnlyFunction<void(const TcpConnectionPtr&, const Result<void>&)> done = {};
  ConnectionSeat* seat = nullptr;  ///< On the target.
  bool leaving = false;            ///< Neither read nor written any more.
};

/// A connection between two loops. If the task that carries it never runs, because the loop has
/// ended, the connection ends with it.
class ConnectionPassage {
 public:
  ConnectionPassage(TcpConnectionPtr connection, std::unique_ptr<ConnectionMove> move,
                    Transport::Detached detached)
      : connection_(std::move(connection)),
        move_(std::move(move)),
        detached_(std::move(detached)) {}
  ConnectionPassage(ConnectionPassage&&) = default;
  ConnectionPassage& operator=(ConnectionPassage&&) = delete;
  ~ConnectionPassage();

  /// On the new loop.
  void land();

 private:
  TcpConnectionPtr connection_;
  std::unique_ptr<ConnectionMove> move_;
  Transport::Detached detached_;
};

}  // namespace leat::internal
