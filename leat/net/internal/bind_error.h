// Internal: bind() as all of Leat calls it, and why an address could not be bound, for people.
#pragma once

#include <string_view>

#include "leat/base/result.h"
#include "leat/net/inet_address.h"

namespace leat::internal {

/// bind(); 0 or an errno value. While the address is in use it tries again, for up to
/// 100 ms: the kernel puts the io_uring of a process that was killed away a moment after the
/// process, and with the ring the sockets that requests in it hold (12 ms were seen). A Unix path
/// on which nobody listens any more is removed.
[[nodiscard]] int bind_patiently(int socket, const InetAddress& address);

/// The error of `call` ("bind" or "listen") with what is in the way, if that can be found out:
/// "bind 0.0.0.0:80 (held by uid 33): Address already in use".
[[nodiscard]] Error bind_error(int number, std::string_view call, const InetAddress& address,
                               bool reuse_address);

}  // namespace leat::internal
