// Internal: where `leat load` sends its requests.
#pragma once

#include <string>
#include <string_view>

#include "leat/base/monotonic_time.h"
#include "leat/base/result.h"
#include "leat/net/host_port.h"
#include "leat/net/inet_address.h"

namespace leat {
class EventLoop;
}

namespace leat::app {

struct LoadTarget {
  enum class Protocol { kEcho, kHttp };

  std::string text;  ///< As given.
  Protocol protocol = Protocol::kEcho;
  InetAddress address;
  HostPort name;     ///< That is to be looked up for the address; without a host if none is.
  std::string host;  ///< For the Host field.
  std::string path;  ///< Of the request: begins with '/', has no fragment.
};

/// "http://HOST[:PORT][/PATH]", "http://unix:SOCKET:/PATH", "tcp://HOST:PORT", "unix:SOCKET". HOST
/// is an address or a name. The error says what is wrong and at which column.
[[nodiscard]] Result<LoadTarget> parse_load_target(std::string_view text);

/// Sets the address of a target that has a name to the one that answers (RFC 8305), by a connection
/// that is closed at once. Runs `loop` meanwhile, on its thread. Errors as TcpClient's.
Result<void> find_address(EventLoop& loop, LoadTarget& target, Duration timeout);

}  // namespace leat::app
