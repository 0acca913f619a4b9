// Internal: opens the connections of `leat load`, a bounded number at a time.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>

#include "leat/base/monotonic_time.h"
#include "leat/base/result.h"
#include "leat/net/connection_options.h"
#include "leat/net/inet_address.h"
#include "leat/reactor/event_loop.h"

#include "apps/leat/load_connection.h"

namespace leat::app {

/// Belongs to its loop. A server's accept queue is finite, so connects wait for each other here.
class LoadDialler {
 public:
  /// Called once for each dial(), also from inside it.
  using Done = std::function<void(LoadConnection&, Result<UniqueFd>)>;

  LoadDialler(EventLoop& loop, const InetAddress& target, const ConnectionOptions& options,
              std::size_t most_under_way, Duration timeout, Done done);

  /// The connection must stay where it is until Done, or until forget_all().
  void dial(LoadConnection& connection);
  /// Drops what waits and what is under way in `connections`, without a call back.
  void forget_all(std::deque<LoadConnection>& connections);

 private:
  void pump();
  void begin(LoadConnection& connection);
  void attempt(LoadConnection& connection);
  void wait_for(LoadConnection& connection);
  void finish(LoadConnection& connection, int error);

  EventLoop& loop_;
  const InetAddress target_;
  const ConnectionOptions options_;
  const std::size_t most_under_way_;
  const Duration timeout_;
  const Done done_;
  std::deque<LoadConnection*> waiting_;
  std::size_t under_way_ = 0;
  bool pumping_ = false;
};

}  // namespace leat::app
