// Internal: what makes a client's connection: to an address, or to a name.
#pragma once

#include "leat/base/move_only_function.h"
#include "leat/base/result.h"
#include "leat/net/tcp_connection.h"

namespace leat::internal {

/// One attempt at a time, on the loop's thread.
///
///     +------+  start()  +------------+    the end of the attempt     +------+
///     | idle |---------->| connecting |------------------------------>| idle |
///     +------+           +------------+   and then `done` is called   +------+
///         ^     cancel()       |
///         +--------------------+   `done` is not called
class Dialler {
 public:
  /// Called once for each start(), never from inside it. May start(), cancel(), and hand the
  /// dialler's owner to EventLoop::release_later(), but not destroy it.
  using DoneCallback = MoveOnlyFunction<void(Result<ConnectedSocket>)>;

  virtual ~Dialler() = default;
  /// Not while an attempt is under way.
  virtual void start() = 0;
  virtual void cancel() = 0;
  [[nodiscard]] virtual bool is_connecting() const = 0;
};

}  // namespace leat::internal
