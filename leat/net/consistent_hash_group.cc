#include "leat/net/consistent_hash_group.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <utility>

#include <fmt/format.h>

#include "leat/net/internal/bpf_call.h"
#include "leat/net/internal/reuseport_program.h"
#include "leat/steering/maglev_table.h"

namespace leat {

namespace {

constexpr std::size_t kTableSize = steering::MaglevTable::kDefaultSize;
constexpr std::size_t kStride = 8;  // an array's values are aligned so (array_map_alloc())

constexpr bpf_insn instruction(int code, int to, int from, int offset, int value) {
  return {.code = static_cast<std::uint8_t>(code),
          .dst_reg = static_cast<std::uint8_t>(to & 0xF),
          .src_reg = static_cast<std::uint8_t>(from & 0xF),
          .off = static_cast<std::int16_t>(offset),
          .imm = value};
}
constexpr bpf_insn copy(int to, int from) {
  return instruction(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0);
}
constexpr bpf_insn set(int to, int value) {
  return instruction(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value);
}
constexpr bpf_insn add(int to, int value) {
  return instruction(BPF_ALU64 | BPF_ADD | BPF_K, to, 0, 0, value);
}
constexpr bpf_insn load(int to, int from, int offset) {
  return instruction(BPF_LDX | BPF_W | BPF_MEM, to, from, offset, 0);
}
constexpr bpf_insn store(int to, int from, int offset) {
  return instruction(BPF_STX | BPF_W | BPF_MEM, to, from, offset, 0);
}
constexpr bpf_insn map(int to, int fd) {  // and a second half of zeros
  return instruction(BPF_LD | BPF_DW | BPF_IMM, to, BPF_PSEUDO_MAP_FD, 0, fd);
}
constexpr bpf_insn call(int function) {
  return instruction(BPF_JMP | BPF_CALL, 0, 0, 0, function);
}

/// If it selects nothing the kernel chooses by its hash (net/core/sock_reuseport.c).
std::array<bpf_insn, 21> program_over(int table, int sockets) {
  constexpr int kEntry = -4;
  constexpr int kKey = -8;
  constexpr auto kHash = static_cast<int>(offsetof(sk_reuseport_md, hash));
  return {
      copy(6, 1),
      load(2, 1, kHash),
      instruction(BPF_ALU | BPF_MOD | BPF_K, 2, 0, 0, static_cast<int>(kTableSize)),
      store(10, 2, kEntry),
      map(1, table),
      {},
      copy(2, 10),
      add(2, kEntry),
      call(BPF_FUNC_map_lookup_elem),
      instruction(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 9, 0),  // none: to the end
      load(1, 0, 0),
      store(10, 1, kKey),
      copy(1, 6),
      map(2, sockets),
      {},
      copy(3, 10),
      add(3, kKey),
      set(4, 0),
      call(BPF_FUNC_sk_select_reuseport),
      set(0, SK_PASS),
      instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
  };
}

}  // namespace

class ConsistentHashGroup::Table {
 public:
  static Result<std::unique_ptr<Table>> create() {
    Result<UniqueFd> map = internal::make_bpf_map(BPF_MAP_TYPE_ARRAY, sizeof(std::uint32_t),
                                                  kTableSize, BPF_F_MMAPABLE, "leat_maglev");
    if (!map) return std::move(map).error();
    void* const memory =
        ::mmap(nullptr, kTableSize * kStride, PROT_READ | PROT_WRITE, MAP_SHARED, map->get(), 0);
    if (memory == MAP_FAILED) return Error::from_errno(errno, "mmap of a BPF array");
    return std::unique_ptr<Table>(new Table(*std::move(map), static_cast<std::byte*>(memory)));
  }
  ~Table() { ::munmap(memory_, kTableSize * kStride); }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  [[nodiscard]] int fd() const { return map_.get(); }
  /// Each entry is the old or the new one to a packet that comes meanwhile.
  void set(std::size_t entry, std::uint32_t key) {
    auto& value = *reinterpret_cast<std::uint32_t*>(memory_ + entry * kStride);
    std::atomic_ref(value).store(key, std::memory_order_relaxed);
  }

 private:
  Table(UniqueFd map, std::byte* memory) : map_(std::move(map)), memory_(memory) {}

  const UniqueFd map_;
  std::byte* const memory_;
};

Result<std::unique_ptr<ConsistentHashGroup>> ConsistentHashGroup::create(std::size_t most) {
  if (most < 1 || most > kMostMembers) {
    return Error::invalid_argument(
        fmt::format("ConsistentHashGroup: {} members, from 1 to {}", most, kMostMembers));
  }
  // Twice as many: all may be replaced at once.
  Result<UniqueFd> sockets =
      internal::make_bpf_map(BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, sizeof(std::uint64_t),
                             static_cast<std::uint32_t>(2 * most), 0, "leat_sockets");
  if (!sockets) return std::move(sockets).error();
  Result<std::unique_ptr<Table>> table = Table::create();
  if (!table) return std::move(table).error();
  return std::unique_ptr<ConsistentHashGroup>(
      new ConsistentHashGroup(most, *std::move(sockets), *std::move(table)));
}

ConsistentHashGroup::ConsistentHashGroup(std::size_t most, UniqueFd sockets,
                                         std::unique_ptr<Table> table)
    : most_(most), ids_(2 * most), sockets_(std::move(sockets)), table_(std::move(table)) {}

ConsistentHashGroup::~ConsistentHashGroup() = default;

std::optional<std::uint32_t> ConsistentHashGroup::key_of(std::uint64_t id) const {
  const auto found = std::ranges::find(ids_, std::optional(id));
  if (found == ids_.end()) return std::nullopt;
  return static_cast<std::uint32_t>(found - ids_.begin());
}

Result<std::uint32_t> ConsistentHashGroup::add(const Member& member) {
  const auto free = std::ranges::find_if(ids_, [](const auto& id) { return !id; });
  const auto key = static_cast<std::uint32_t>(free - ids_.begin());
  if (Result<void> put = internal::set_bpf_socket(sockets_.get(), key, member.socket); !put) {
    return std::move(put).error();
  }
  *free = member.id;
  return key;
}

void ConsistentHashGroup::remove(std::uint32_t key) {
  internal::remove_bpf_element(sockets_.get(), key);
  ids_[key].reset();
}

/// Those that come, then the table, then those that go: no packet finds an entry empty.
Result<void> ConsistentHashGroup::set_members(std::span<const Member> members) {
  if (members.empty() || members.size() > most_) {
    return Error::invalid_argument(
        fmt::format("ConsistentHashGroup: {} members, from 1 to {}", members.size(), most_));
  }
  std::vector<std::uint32_t> added;
  Result<void> served;
  for (const Member& member : members) {
    if (key_of(member.id)) continue;
    const Result<std::uint32_t> key = add(member);
    if (!key) {
      served = key.error();
      break;
    }
    added.push_back(*key);
  }
  if (served) served = serve(members);
  if (!served) {
    for (const std::uint32_t key : added) remove(key);
    return served;
  }
  for (std::uint32_t key = 0; key < ids_.size(); ++key) {
    const auto is_it = [&](const Member& member) { return ids_[key] == member.id; };
    if (ids_[key] && std::ranges::none_of(members, is_it)) remove(key);
  }
  return {};
}

Result<void> ConsistentHashGroup::serve(std::span<const Member> members) {
  std::vector<steering::MaglevBackend> backends;
  backends.reserve(members.size());
  for (const Member& member : members) backends.push_back({.id = member.id});
  const Result<steering::MaglevTable> chosen = steering::MaglevTable::create(backends, kTableSize);
  if (!chosen) return chosen.error();
  std::vector<std::uint32_t> keys;
  keys.reserve(members.size());
  for (const Member& member : members) keys.push_back(*key_of(member.id));
  const std::span<const std::uint32_t> entries = chosen->entries();
  for (std::size_t i = 0; i < entries.size(); ++i) table_->set(i, keys[entries[i]]);
  if (!attached_) {
    // The last that can fail, and nobody reads the table before.
    if (Result<void> attached = attach(members.front().socket); !attached) return attached;
    attached_ = true;
  }
  return {};
}

Result<void> ConsistentHashGroup::attach(int socket) {
  const Result<UniqueFd> program =
      internal::load_reuseport_program(program_over(table_->fd(), sockets_.get()), "leat_maglev");
  if (!program) return program.error();
  return internal::attach_reuseport_program(socket, program->get());
}

Result<void> ConsistentHashGroup::detach(int socket) {
  return internal::choose_by_hash(socket);
}

}  // namespace leat
