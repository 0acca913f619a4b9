// Internal: who holds a TCP port that could not be bound.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "leat/net/inet_address.h"

namespace leat::internal {

struct PortHolder {
  enum class Kind {
    kListener,  ///< A listening socket of `uid`.
    kTimeWait,  ///< Only old connections that wait for stragglers (RFC 9293, 3.6.1).
  };
  Kind kind;
  uid_t uid;  ///< 0 for kTimeWait.
};

/// Looks for a socket in the way of bind(`address`) in the tables `tcp` and `tcp6` (man 5 proc) of
/// the folder `proc_net`: of this network namespace, as they are now, which may be later than the
/// failure. None if there is no such socket: one that is bound and does not listen is in no table.
/// Reads a line for each TCP socket of the machine: for error messages only.
[[nodiscard]] std::optional<PortHolder> find_port_holder(const InetAddress& address,
                                                         const std::string& proc_net = "/proc/net");

}  // namespace leat::internal
