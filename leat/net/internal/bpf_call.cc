#include "leat/net/internal/bpf_call.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace leat::internal {

namespace {

int bpf(bpf_cmd command, bpf_attr& attributes) {
  return static_cast<int>(::syscall(SYS_bpf, command, &attributes, sizeof attributes));
}

Error failed(int number, const char* what) {
  const char* reason = "";
  if (number == EPERM) reason = " (needs CAP_BPF and CAP_NET_ADMIN)";
  if (number == EINVAL) reason = " (needs Linux 5.14)";
  return Error::from_errno(number, std::string(what) + reason);
}

}  // namespace

Result<UniqueFd> make_bpf_map(bpf_map_type type, std::uint32_t value_size, std::uint32_t entries,
                              std::uint32_t flags, const char* name) {
  bpf_attr attributes;
  std::memset(&attributes, 0, sizeof attributes);
  attributes.map_type = type;
  attributes.key_size = sizeof(std::uint32_t);
  attributes.value_size = value_size;
  attributes.max_entries = entries;
  attributes.map_flags = flags;
  std::strncpy(attributes.map_name, name, sizeof attributes.map_name - 1);
  UniqueFd map(bpf(BPF_MAP_CREATE, attributes));
  if (map) return map;
  return failed(errno, "making a BPF map");
}

Result<void> set_bpf_socket(int map, std::uint32_t key, int socket) {
  const auto value = static_cast<std::uint64_t>(socket);
  bpf_attr attributes;
  std::memset(&attributes, 0, sizeof attributes);
  attributes.map_fd = static_cast<std::uint32_t>(map);
  attributes.key = reinterpret_cast<std::uintptr_t>(&key);
  attributes.value = reinterpret_cast<std::uintptr_t>(&value);
  if (bpf(BPF_MAP_UPDATE_ELEM, attributes) == 0) return {};
  return Error::from_errno(errno, "putting a socket into a BPF map");
}

void remove_bpf_element(int map, std::uint32_t key) {
  bpf_attr attributes;
  std::memset(&attributes, 0, sizeof attributes);
  attributes.map_fd = static_cast<std::uint32_t>(map);
  attributes.key = reinterpret_cast<std::uintptr_t>(&key);
  (void)bpf(BPF_MAP_DELETE_ELEM, attributes);
}

Result<UniqueFd> load_reuseport_program(std::span<const bpf_insn> code, const char* name) {
  bpf_attr attributes;
  std::memset(&attributes, 0, sizeof attributes);
  attributes.prog_type = BPF_PROG_TYPE_SK_REUSEPORT;
  attributes.expected_attach_type = BPF_SK_REUSEPORT_SELECT_OR_MIGRATE;
  attributes.insns = reinterpret_cast<std::uintptr_t>(code.data());
  attributes.insn_cnt = static_cast<std::uint32_t>(code.size());
  attributes.license = reinterpret_cast<std::uintptr_t>("Apache-2.0");
  std::strncpy(attributes.prog_name, name, sizeof attributes.prog_name - 1);
  UniqueFd program(bpf(BPF_PROG_LOAD, attributes));
  if (program) return program;
  return failed(errno, "loading a program for a group of sockets");
}

Result<void> attach_reuseport_program(int socket, int program) {
  if (::setsockopt(socket, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &program, sizeof program) == 0) {
    return {};
  }
  return Error::from_errno(errno, "setsockopt SO_ATTACH_REUSEPORT_EBPF");
}

}  // namespace leat::internal
