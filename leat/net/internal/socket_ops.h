// Internal: the system calls around a stream socket's birth.
#pragma once

#include <string_view>

#include "leat/base/result.h"
#include "leat/base/unique_fd.h"
#include "leat/net/connection_options.h"
#include "leat/net/inet_address.h"
#include "leat/net/socket_busy_poll.h"

namespace leat::internal {

struct ListenerOptions {
  int backlog = 4096;         ///< The kernel caps it at net.core.somaxconn.
  bool reuse_address = true;  ///< SO_REUSEADDR; docs/reuse.md.
  bool reuse_port = false;    ///< SO_REUSEPORT; fails on Unix sockets, which know none.
  /// With reuse_port: the socket may be joined by others of the same user, yet fails if somebody
  /// listens on the port already. For the first socket of a group: so a second program that
  /// opens its group in the same way is refused instead of taking half of the connections.
  bool first_of_group = false;
  /// Accepted TCP sockets inherit what is set on their listener, which saves system calls for
  /// each; what Unix sockets do not inherit is left to apply_to_accepted().
  ConnectionOptions connection = {};
};

/// A non-blocking stream socket that listens on `address`. Its errors say what is in the way as
/// far as that can be known: who holds the port, which right is missing.
///
/// An IPv6 socket takes IPv4 connections as well (IPV6_V6ONLY off), so [::] is every address of
/// the machine; without IPv6 in the kernel it becomes 0.0.0.0.
///
/// A Unix path that is left over from a socket nobody listens on any more is removed and bound
/// again. One that is listened on is EADDRINUSE, and what is no socket is never removed.
[[nodiscard]] Result<UniqueFd> open_listener(const InetAddress& address,
                                             const ListenerOptions& options = {});

/// A non-blocking stream socket, neither bound nor connected.
[[nodiscard]] Result<UniqueFd> open_stream_socket(int domain);

/// TCP_NODELAY, SO_KEEPALIVE and the kernel's buffers; before connect(), for the buffers decide
/// the window scale (man 7 tcp).
[[nodiscard]] Result<void> apply_options(int socket, const ConnectionOptions& options,
                                         InetAddress::Family family);
/// Of apply_options() what an accepted socket did not inherit: usually nothing, and no call.
[[nodiscard]] Result<void> apply_to_accepted(int socket, const ConnectionOptions& options,
                                             InetAddress::Family family);

/// setsockopt() of an int; `name` is for the error.
[[nodiscard]] Result<void> set_option(int socket, int level, int option, int value,
                                      std::string_view name);

/// Nothing unless something is wanted. EPERM's message says which right is missing, ENOPROTOOPT's
/// which kernel has the option.
[[nodiscard]] Result<void> set_busy_poll(int socket, const SocketBusyPoll& busy_poll);

/// The errno value pending on a socket (SO_ERROR), which reading clears; 0 if none.
[[nodiscard]] int take_socket_error(int socket);

}  // namespace leat::internal
