// Internal: programs that choose a socket of a SO_REUSEPORT group.
#pragma once

#include <cstddef>
#include <span>

#include "leat/base/result.h"

namespace leat::internal {

// Classic BPF on the group that `socket` belongs to (SO_ATTACH_REUSEPORT_CBPF; UDP from Linux 4.5,
// TCP from 4.6), in place of what was there. What a program returns is a place in the group, which
// is that of the bind() or listen() as long as none of the group was closed: then the last one
// moves into the hole. A number beyond the group means the kernel's hash
// (net/core/sock_reuseport.c, reuseport_select_sock()). Needs no privilege. Fails with ENOPROTOOPT
// where the kernel is too old, and with what setsockopt() fails with.

/// The place of a CPU in `cpus` for packets that this CPU receives; the hash on all other CPUs.
[[nodiscard]] Result<void> choose_by_cpu(int socket, std::span<const int> cpus);
/// Always the first.
[[nodiscard]] Result<void> choose_first(int socket);
/// The big-endian number of `length` (1, 2 or 4) bytes at `offset` of a datagram's payload; the
/// hash where the payload is shorter.
[[nodiscard]] Result<void> choose_by_payload(int socket, std::size_t offset, std::size_t length);

/// The kernel's hash, as before any program. Not an error if there is none (before Linux 5.3 there
/// is no way back, which is one).
[[nodiscard]] Result<void> choose_by_hash(int socket);
/// Whether the socket has SO_REUSEPORT.
[[nodiscard]] bool is_in_group(int socket);

/// Most CPUs that choose_by_cpu() takes: two instructions each, of 4096 (BPF_MAXINSNS).
inline constexpr std::size_t kMostCpus = 2000;

}  // namespace leat::internal
