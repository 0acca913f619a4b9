// Public: consistent hashing over the sockets of a SO_REUSEPORT group.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "leat/base/result.h"
#include "leat/base/unique_fd.h"

namespace leat {

/// Chooses the sockets of a SO_REUSEPORT group, listeners or UDP sockets, so that a flow keeps its
/// socket when others come or go: of n sockets, one that goes takes about one flow in n along, and
/// one that comes gets as many; the rest stays, but for a few in a hundred. By the kernel's own
/// hash, in comparison, most flows change.
///
///     packet (TCP: a SYN) -> the kernel's hash of both ends
///                                  |  modulo
///                  +---+---+---+---+---+---+---+
///     table        | 1 | 0 | 2 | 0 | 1 | 2 | . |   steering::MaglevTable, in a BPF array
///                  +---+---+---+---+---+---+---+
///                                  |
///     sockets      [0] [1] [2] [3]   BPF_MAP_TYPE_REUSEPORT_SOCKARRAY
///
/// The program is one that also lets requests migrate (attach_request_migration()): what waits in
/// a listener that closes goes to the one that the table names then. It stays as long as the group
/// does, also when this object or its process ends. A flow whose socket has closed without
/// set_members() goes by the kernel's hash. TCP asks for new connections only.
///
/// Needs Linux 5.14, CAP_BPF and CAP_NET_ADMIN. For one thread at a time.
class ConsistentHashGroup {
 public:
  struct Member {
    std::uint64_t id;  ///< Stands for this one socket as long as it is a member.
    int socket;        ///< Bound, with SO_REUSEPORT; a TCP one listens. Stays the caller's.
  };

  /// The table has a hundred entries for each of so many.
  static constexpr std::size_t kMostMembers = 655;

  /// For at most so many members at a time. Fails with EPERM (the rights), EINVAL (a number out of
  /// range), and what bpf(2) fails with where the kernel is too old.
  [[nodiscard]] static Result<std::unique_ptr<ConsistentHashGroup>> create(std::size_t most);
  ~ConsistentHashGroup();
  ConsistentHashGroup(const ConsistentHashGroup&) = delete;
  ConsistentHashGroup& operator=(const ConsistentHashGroup&) = delete;

  /// From now on these, at least one, and no others. All of one group, to which the first call
  /// gives the program. Take a socket out before you close it. The same ids give the same table in
  /// any order and on every machine. Fails with EINVAL (none, too many, an id twice, a socket that
  /// is in no group), EBUSY (a socket that is in the map of another program: one whose object
  /// lives, or that is attached; see detach()); all is then as before.
  Result<void> set_members(std::span<const Member> members);

  /// Leaves the group of `socket` to the kernel's hash, whichever program it had. The kernel lets
  /// go of the sockets a moment later (milliseconds; it waits for its readers). Not an error if
  /// there is none. Linux 5.3.
  static Result<void> detach(int socket);

 private:
  /// The table's entries, shared with the kernel.
  class Table;

  ConsistentHashGroup(std::size_t most, UniqueFd sockets, std::unique_ptr<Table> table);
  [[nodiscard]] std::optional<std::uint32_t> key_of(std::uint64_t id) const;
  Result<std::uint32_t> add(const Member& member);
  void remove(std::uint32_t key);
  Result<void> serve(std::span<const Member> members);
  Result<void> attach(int socket);

  const std::size_t most_;
  std::vector<std::optional<std::uint64_t>> ids_;  // by key of the map of sockets
  UniqueFd sockets_;
  std::unique_ptr<Table> table_;
  bool attached_ = false;
};

}  // namespace leat
