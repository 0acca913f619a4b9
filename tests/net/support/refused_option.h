// Internal: a kernel that does not know a socket option, for a child process.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cstddef>
#include <cstdint>

namespace leat::testing {

/// From here on setsockopt(..., SOL_SOCKET, `option`) does nothing in this process, and returns
/// `number` as its errno value; 0: success, which is a lie. False if that cannot be had.
[[nodiscard]] inline bool refuse_socket_option(int option, int number) {
  constexpr auto kNumber = offsetof(seccomp_data, nr);
  constexpr auto kName = offsetof(seccomp_data, args) + 2 * sizeof(std::uint64_t);
  const auto refused = SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(number);
  sock_filter code[] = {
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, kNumber},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 3, __NR_setsockopt},
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, kName},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, static_cast<std::uint32_t>(option)},
      {BPF_RET | BPF_K, 0, 0, refused},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  };
  const sock_fprog program{static_cast<unsigned short>(sizeof code / sizeof code[0]), code};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

}  // namespace leat::testing
