// Public: how a server's connections come to its loops.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "leat/base/result.h"
#include "leat/net/inet_address.h"

namespace leat {

/// How connections come to the loops; docs/decisions/accept-shapes.md and
/// docs/decisions/listener-balance.md say when each wins. kKernelHash, kIncomingCpu,
/// kLeastConnections and kConsistentHash have a SO_REUSEPORT listener on every loop; Unix
/// listeners, which know no SO_REUSEPORT, are shared with them.
enum class Balance : std::uint8_t {
  /// One Acceptor on the base loop gives connections to the loops in turn: exactly even.
  kRoundRobin,
  /// The kernel chooses by a hash of the addresses, and a connection never changes threads.
  kKernelHash,
  /// One listener watched by every loop with EPOLLEXCLUSIVE: whoever is awake takes it.
  kShared,
  /// The loop that is pinned to the CPU on which the kernel received the SYN (Linux 4.6). Without
  /// TcpServerOptions::cpus the loops are pinned to the CPUs that the process may use. Refused on
  /// loopback addresses unless TcpServerOptions::force_balance.
  kIncomingCpu,
  /// As kKernelHash, and then a loop that has more connections than another hands a fresh one to
  /// it: even to within one where they are few.
  kLeastConnections,
  /// As kKernelHash, but when the number of loops changes, or one ends, most clients' addresses
  /// stay with their loop: ConsistentHashGroup, and what that needs.
  kConsistentHash,
  /// One loop serves, and another one when it ends; with TcpServerOptions::share_port another
  /// process's when the process ends (Linux 4.6).
  kStandby,
};

/// "round_robin", "kernel_hash", "shared", "incoming_cpu", "least_connections", "consistent_hash",
/// "standby".
[[nodiscard]] std::string_view to_string(Balance balance);
[[nodiscard]] Result<Balance> parse_balance(std::string_view name);

/// What serves an address, which may be less than what was asked for.
struct ListenerBalance {
  InetAddress address;
  Balance balance;
  std::string reason;  ///< Why it is not what was asked for; empty if it is.
};

}  // namespace leat
