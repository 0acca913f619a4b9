#include "leat/net/internal/reuseport_program.h"

#include <linux/filter.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <vector>

#include "leat/base/assert.h"

#ifndef SO_ATTACH_REUSEPORT_CBPF
#define SO_ATTACH_REUSEPORT_CBPF 51
#endif
#ifndef SO_DETACH_REUSEPORT_BPF
#define SO_DETACH_REUSEPORT_BPF 68
#endif

namespace leat::internal {

namespace {

constexpr std::uint32_t kByHash = 0xFFFFFFFF;  // more than any group has

constexpr sock_filter statement(int code, std::uint32_t value) {
  return {static_cast<std::uint16_t>(code), 0, 0, value};
}
constexpr sock_filter jump(int code, std::uint32_t value, std::uint8_t yes, std::uint8_t no) {
  return {static_cast<std::uint16_t>(code), yes, no, value};
}

Result<void> attach(int socket, std::vector<sock_filter>& code) {
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  if (::setsockopt(socket, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program) == 0) {
    return {};
  }
  const bool too_old = errno == ENOPROTOOPT;
  return Error::from_errno(
      errno, too_old ? "SO_ATTACH_REUSEPORT_CBPF (needs Linux 4.6)" : "SO_ATTACH_REUSEPORT_CBPF");
}

}  // namespace

Result<void> choose_by_cpu(int socket, std::span<const int> cpus) {
  LEAT_ASSERT(cpus.size() <= kMostCpus, "more CPUs than a program can tell apart");
  std::vector<sock_filter> code;
  code.push_back(
      statement(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(SKF_AD_OFF) + SKF_AD_CPU));
  for (std::size_t i = 0; i < cpus.size(); ++i) {
    code.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(cpus[i]), 0, 1));
    code.push_back(statement(BPF_RET | BPF_K, static_cast<std::uint32_t>(i)));
  }
  code.push_back(statement(BPF_RET | BPF_K, kByHash));
  return attach(socket, code);
}

Result<void> choose_first(int socket) {
  std::vector<sock_filter> code{statement(BPF_RET | BPF_K, 0)};
  return attach(socket, code);
}

Result<void> choose_by_payload(int socket, std::size_t offset, std::size_t length) {
  LEAT_ASSERT(length == 1 || length == 2 || length == 4, "a number that BPF cannot load");
  const auto at = static_cast<std::uint32_t>(offset);
  const int size = length == 1 ? BPF_B : length == 2 ? BPF_H : BPF_W;
  std::vector<sock_filter> code{
      // A load beyond the end would end the program with 0, the first socket.
      statement(BPF_LD | BPF_W | BPF_LEN, 0),
      jump(BPF_JMP | BPF_JGE | BPF_K, at + static_cast<std::uint32_t>(length), 0, 2),
      statement(BPF_LD | size | BPF_ABS, at),
      statement(BPF_RET | BPF_A, 0),
      statement(BPF_RET | BPF_K, kByHash),
  };
  return attach(socket, code);
}

Result<void> choose_by_hash(int socket) {
  const int unused = 0;
  if (::setsockopt(socket, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &unused, sizeof unused) == 0 ||
      errno == ENOENT) {
    return {};
  }
  return Error::from_errno(errno, "SO_DETACH_REUSEPORT_BPF");
}

bool is_in_group(int socket) {
  int value = 0;
  socklen_t size = sizeof value;
  return ::getsockopt(socket, SOL_SOCKET, SO_REUSEPORT, &value, &size) == 0 && value != 0;
}

}  // namespace leat::internal
