#include "leat/net/request_migration.h"

#include <array>
#include <fstream>

#include "leat/net/internal/bpf_call.h"

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

}  // namespace

Result<void> attach_request_migration(int listener) {
  const Result<UniqueFd> program = internal::load_reuseport_program(kProgram, "leat_migrate");
  if (!program) return program.error();
  return internal::attach_reuseport_program(listener, program->get());
}

bool system_migrates_requests() {
  int value = 0;
  std::ifstream("/proc/sys/net/ipv4/tcp_migrate_req") >> value;
  return value == 1;
}

}  // namespace leat
