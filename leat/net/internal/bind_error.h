// Internal: why an address could not be bound, for people.
#pragma once

#include <string_view>

#include "leat/base/result.h"
#include "leat/net/inet_address.h"

namespace leat::internal {

/// The error of `call` ("bind" or "listen") with what is in the way, if that can be found out:
/// "bind 0.0.0.0:80 (held by uid 33): Address already in use".
[[nodiscard]] Error bind_error(int number, std::string_view call, const InetAddress& address,
                               bool reuse_address);

}  // namespace leat::internal
