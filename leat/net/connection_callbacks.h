// Public: what a connection tells its user.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "leat/base/result.h"
#include "leat/base/timestamp.h"
#include "leat/net/close_reason.h"

namespace leat {

class ReceiveBuffer;
class TcpConnection;

/// Keep a copy to use a connection later or from another thread; that does not keep it open.
using TcpConnectionPtr = std::shared_ptr<TcpConnection>;

/// Called on the connection's loop. One set serves all connections of a server, so the same
/// function runs on several loops at once: what it captures is shared between threads. An
/// exception that leaves a callback ends that connection (CloseReason::kCallbackException) and
/// nothing else.
struct ConnectionCallbacks {
  using Event = std::function<void(const TcpConnectionPtr&)>;

  /// The connection is open. The first callback.
  Event on_connection;
  /// Input has come. Consume what is understood; the rest is there again, with what follows it,
  /// the next time. The time is that at which the poll returned.
  std::function<void(const TcpConnectionPtr&, ReceiveBuffer&, Timestamp)> on_message;
  /// All output has gone to the kernel.
  Event on_write_complete;
  /// Output passed the high-water mark, or fell to the low one again.
  std::function<void(const TcpConnectionPtr&, std::size_t queued)> on_high_water;
  Event on_low_water;
  /// The peer has finished sending. With this callback the connection stays open for sending
  /// until shutdown() or close(); without it, what is queued is sent and the connection closed.
  Event on_half_close;
  /// An error of the socket, before on_close.
  std::function<void(const TcpConnectionPtr&, const Error&)> on_error;
  /// The connection is closed. The last callback, exactly one for each on_connection.
  std::function<void(const TcpConnectionPtr&, CloseReason)> on_close;
  /// The server is stopping: finish by close() when what is being served is done. Without it,
  /// the connection is closed after what is queued.
  Event on_stopping;
};

}  // namespace leat
