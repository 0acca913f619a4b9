#include "leat/net/request_migration.h"

#include <linux/bpf.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>

#include "leat/base/unique_fd.h"

namespace leat {

namespace {

/// r0 = SK_PASS; exit. Without a choice of its own the kernel chooses by its hash
/// (reuseport_select_sock() and reuseport_migrate_sock() in net/core/sock_reuseport.c).
constexpr std::array<bpf_insn, 2> kProgram{
    bpf_insn{.code = BPF_ALU64 | BPF_MOV | BPF_K,
             .dst_reg = BPF_REG_0,
             .src_reg = 0,
             .off = 0,
             .imm = SK_PASS},
    bpf_insn{.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};

Result<UniqueFd> load_program() {
  bpf_attr attributes;
  std::memset(&attributes, 0, sizeof attributes);
  attributes.prog_type = BPF_PROG_TYPE_SK_REUSEPORT;
  attributes.expected_attach_type = BPF_SK_REUSEPORT_SELECT_OR_MIGRATE;
  attributes.insns = reinterpret_cast<std::uintptr_t>(kProgram.data());
  attributes.insn_cnt = kProgram.size();
  attributes.license = reinterpret_cast<std::uintptr_t>("Apache-2.0");
  std::strncpy(attributes.prog_name, "leat_migrate", sizeof attributes.prog_name - 1);
  UniqueFd program(
      static_cast<int>(::syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes)));
  if (program) return program;
  const int number = errno;
  const char* reason = "";
  if (number == EPERM) reason = " (needs CAP_BPF and CAP_NET_ADMIN)";
  if (number == EINVAL) reason = " (needs Linux 5.14)";
  return Error::from_errno(number, std::string("loading the request migration program") + reason);
}

}  // namespace

Result<void> attach_request_migration(int listener) {
  const Result<UniqueFd> program = load_program();
  if (!program) return program.error();
  const int fd = program->get();
  if (::setsockopt(listener, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &fd, sizeof fd) == 0) return {};
  return Error::from_errno(errno, "setsockopt SO_ATTACH_REUSEPORT_EBPF");
}

bool system_migrates_requests() {
  int value = 0;
  std::ifstream("/proc/sys/net/ipv4/tcp_migrate_req") >> value;
  return value == 1;
}

}  // namespace leat
