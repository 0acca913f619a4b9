// Internal: what all connections of one server or client have in common.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "leat/net/connection_callbacks.h"
#include "leat/net/connection_options.h"
#include "leat/reactor/task.h"

namespace leat {
class TlsContext;
}

namespace leat::internal {

/// Shared, and not changed once a connection has it.
struct ConnectionProfile {
  ConnectionOptions options;
  ConnectionCallbacks callbacks;
  std::shared_ptr<TlsContext> tls;                ///< Null: plain.
  std::string tls_server_name;                    ///< A client's, of the server.
  std::function<Task<>(TcpConnectionPtr)> serve;  // empty, or TcpServer::serve()
};

}  // namespace leat::internal
