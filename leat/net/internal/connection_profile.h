// Internal: what all connections of one server or client have in common.
#pragma once

#include <functional>

#include "leat/net/connection_callbacks.h"
#include "leat/net/connection_options.h"
#include "leat/reactor/task.h"

namespace leat::internal {

/// Shared, and not changed once a connection has it.
struct ConnectionProfile {
  ConnectionOptions options;
  ConnectionCallbacks callbacks;
  std::function<Task<>(TcpConnectionPtr)> serve;  // empty, or TcpServer::serve()
};

}  // namespace leat::internal
