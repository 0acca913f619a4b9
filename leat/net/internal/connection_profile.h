// Internal: what all connections of one server or client have in common.
#pragma once

#include <memory>
#include <string>

#include "leat/net/connection_callbacks.h"
#include "leat/net/connection_options.h"

namespace leat {
class TlsContext;
}

namespace leat::internal {

/// Shared, and not changed once a connection has it.
struct ConnectionProfile {
  ConnectionOptions options;
  ConnectionCallbacks callbacks;
  std::shared_ptr<TlsContext> tls;  ///< Null: plain.
  std::string tls_server_name;      ///< A client's, of the server.
};

}  // namespace leat::internal
