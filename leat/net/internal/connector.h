// Internal: one attempt at a time to connect.
#pragma once

#include <memory>
#include <optional>

#include "leat/base/monotonic_time.h"
#include "leat/base/move_only_function.h"
#include "leat/base/result.h"
#include "leat/base/unique_fd.h"
#include "leat/net/connection_options.h"
#include "leat/net/inet_address.h"
#include "leat/net/tcp_connection.h"
#include "leat/reactor/channel.h"
#include "leat/reactor/event_loop.h"
#include "leat/reactor/timer_id.h"

namespace leat::internal {

/// Connects without blocking. Belongs to the loop's thread.
///
///     +------+  start()  +------------+   writable, an error, or the time is over   +------+
///     | idle |---------->| connecting |-------------------------------------------->| idle |
///     +------+           +------------+          and then `done` is called          +------+
///         ^     cancel()       |
///         +--------------------+   `done` is not called
class Connector {
 public:
  /// Called once for each start(), never from inside it. May start(), cancel(), and hand the
  /// connector's owner to EventLoop::release_later(), but not destroy it.
  using DoneCallback = MoveOnlyFunction<void(Result<ConnectedSocket>)>;

  struct Options {
    Duration timeout{0};  ///< ETIMEDOUT afterwards; 0: when the kernel gives up, in minutes.
    std::optional<InetAddress> bind_to;
    ConnectionOptions connection = {};
  };

  Connector(EventLoop& loop, const InetAddress& peer, Options options, DoneCallback done);
  ~Connector() { cancel(); }
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;

  /// Not while an attempt is under way.
  void start();
  void cancel();
  [[nodiscard]] bool is_connecting() const { return connecting_; }

 private:
  [[nodiscard]] Result<void> prepare();
  void try_connect();
  void watch();
  void handle_ready();
  void succeed_unless_self();
  void fail(Error error);
  void fail_soon(Error error);
  [[nodiscard]] Error error(int number, std::string_view hint = {}) const;

  EventLoop& loop_;
  const InetAddress peer_;
  const Options options_;
  const DoneCallback done_;
  bool connecting_ = false;
  UniqueFd socket_;
  std::unique_ptr<Channel> channel_;
  TimerId timeout_timer_;
  TimerId soon_timer_;
};

}  // namespace leat::internal
