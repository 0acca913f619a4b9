// Public: a closed listener's waiting connections go to others of its group.
#pragma once

#include "leat/base/result.h"

namespace leat {

/// Linux 5.14: when a listener of a SO_REUSEPORT group closes, the kernel gives what it had
/// (half-open requests and connections not accepted yet) to another listener of the group instead
/// of resetting it, if
///
/// - net.ipv4.tcp_migrate_req of the network namespace is 1, or
/// - the group has a program that allows it (BPF_SK_REUSEPORT_SELECT_OR_MIGRATE).
///
/// Nothing helps what the last listener of a group had. The kernel counts in
/// TcpExtTCPMigrateReqSuccess and TcpExtTCPMigrateReqFailure. docs/restart.md.

/// Gives the group of `listener`, which has SO_REUSEPORT and is bound, such a program; it chooses
/// by the kernel's own hash. It takes the place of another program of the group, and stays as
/// long as the group. Fails with EPERM (needs CAP_BPF and CAP_NET_ADMIN), EINVAL (a socket that is
/// in no group, or a kernel before 5.14).
[[nodiscard]] Result<void> attach_request_migration(int listener);

/// What net.ipv4.tcp_migrate_req is in this thread's network namespace; false where it is unknown.
[[nodiscard]] bool system_migrates_requests();

}  // namespace leat
