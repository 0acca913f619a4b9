// Internal: output to a stream socket that goes at once or not at all.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string_view>

#include "leat/net/internal/transport.h"

namespace leat {
struct NetCounters;
}

namespace leat::internal {

class SendQueue;

/// Written to one connection before the others on the loop have their turn.
inline constexpr std::size_t kWriteBudget = 1024 * 1024;
/// Pieces in one system call.
inline constexpr std::size_t kWriteVectors = 64;

/// Sends from `queue` by system calls until it is empty, the kernel takes no more or the budget is
/// used up (both kBlocked), telling `user` of each part. Stops if `closed` becomes true meanwhile.
[[nodiscard]] Transport::Written write_to_socket(int fd, const bool& closed, SendQueue& queue,
                                                 TransportUser& user, NetCounters& counters);

/// Transport::write_now() for a socket.
[[nodiscard]] std::size_t write_now_to_socket(int fd, const SendQueue& queue,
                                              std::string_view bytes, NetCounters& counters);

/// Makes the close() that follows discard the kernel's queue and send RST (man 7 socket,
/// SO_LINGER).
void reset_on_close(int fd);

}  // namespace leat::internal
