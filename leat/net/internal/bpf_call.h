// Internal: bpf(2), as far as groups of sockets need it.
#pragma once

#include <linux/bpf.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "leat/base/result.h"
#include "leat/base/unique_fd.h"

namespace leat::internal {

// Errors say what was tried, and for EPERM and EINVAL what that needs.

/// Its keys are numbers below `entries`; `name` has at most 15 characters.
[[nodiscard]] Result<UniqueFd> make_bpf_map(bpf_map_type type, std::uint32_t value_size,
                                            std::uint32_t entries, std::uint32_t flags,
                                            const char* name);
/// Puts a socket into a BPF_MAP_TYPE_REUSEPORT_SOCKARRAY.
[[nodiscard]] Result<void> set_bpf_socket(int map, std::uint32_t key, int socket);
/// Not an error if there is none.
void remove_bpf_element(int map, std::uint32_t key);

/// A program for a SO_REUSEPORT group that also chooses when requests migrate (Linux 5.14).
[[nodiscard]] Result<UniqueFd> load_reuseport_program(std::span<const bpf_insn> code,
                                                      const char* name);
/// In place of the group's program, if it has one.
[[nodiscard]] Result<void> attach_reuseport_program(int socket, int program);

}  // namespace leat::internal
