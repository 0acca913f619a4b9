// Internal: whether a memory file that somebody has passed may be mapped.
#pragma once

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

#include "leat/smc/internal/raw_syscall.h"

namespace leat::smc::internal {

/// Its size in bytes; 0 for a file that can be cut or grown under a mapping, which would end the
/// process by SIGBUS, whoever made it. Leaves errno as it is, and moves the file's offset.
[[nodiscard]] inline std::uint64_t sealed_size(int fd) {
  constexpr long kNeeded = F_SEAL_SHRINK | F_SEAL_GROW;
  const long seals = raw_syscall(SYS_fcntl, fd, F_GET_SEALS);
  if (seals < 0 || (seals & kNeeded) != kNeeded) return 0;
  const long end = raw_syscall(SYS_lseek, fd, 0, SEEK_END);
  return end > 0 ? static_cast<std::uint64_t>(end) : 0;
}

}  // namespace leat::smc::internal
