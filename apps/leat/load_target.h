// Internal: where `leat load` sends its requests.
#pragma once

#include <string>
#include <string_view>

#include "leat/base/result.h"
#include "leat/net/inet_address.h"

namespace leat::app {

struct LoadTarget {
  enum class Protocol { kEcho, kHttp };

  std::string text;  ///< As given.
  Protocol protocol = Protocol::kEcho;
  InetAddress address;
  std::string host;  ///< For the Host field.
  std::string path;  ///< Of the request: begins with '/', has no fragment.
};

/// "http://HOST[:PORT][/PATH]", "http://unix:SOCKET:/PATH", "tcp://HOST:PORT", "unix:SOCKET". HOST
/// is an address or localhost. The error says what is wrong and at which column.
[[nodiscard]] Result<LoadTarget> parse_load_target(std::string_view text);

}  // namespace leat::app
