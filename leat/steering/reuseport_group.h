// Public: the sockets that share one port, as a kernel since 4.5 keeps them, and the choice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "leat/base/move_only_function.h"
#include "leat/base/result.h"

namespace leat::steering {

/// One socket of a group. A value.
struct ReuseportSocket {
  std::uint64_t id = 0;               ///< The user's; no two of a port may have the same.
  std::uint32_t user = 0;             ///< Who bound it.
  std::optional<int> incoming_cpu{};  ///< SO_INCOMING_CPU.
  bool connected = false;             ///< Connected UDP: never chosen by hash.
};

/// A program on a group: by which socket, or what else.
struct ReuseportVerdict {
  enum class Kind : std::uint8_t {
    kIndex,   ///< SO_ATTACH_REUSEPORT_CBPF and _EBPF: an index; one beyond the sockets is as kPass.
    kSocket,  ///< bpf_sk_select_reuseport(): an id; one that does not listen is as kPass.
    kPass,    ///< The hash decides.
    kDrop,    ///< Refused.
  };
  Kind kind = Kind::kPass;
  std::uint64_t value = 0;
};

/// Listening sockets in the order they came, except that the last one moves into the hole that a
/// closed one leaves; closed sockets whose requests may migrate wait at the back. One thread at a
/// time; select() allocates nothing. (Linux net/core/sock_reuseport.c)
///
///     slots_  | 0 | 1 | 2 |   ...free...   | closed | closed |
///             |<- size ->|                 |<- closed_size ->|   128 slots, doubling to 32,768
class ReuseportGroup {
 public:
  static constexpr std::size_t kFirstSlots = 128;
  static constexpr std::size_t kMaxSlots = 32'768;

  /// For a packet on `cpu`.
  struct Packet {
    std::uint32_t hash = 0;
    int cpu = 0;
  };
  using Program = MoveOnlyFunction<ReuseportVerdict(const Packet&)>;

  /// Appends. EADDRINUSE for another user than that of the first socket; ENOMEM if all slots are
  /// used by listening sockets (a closed one makes room).
  Result<void> add(const ReuseportSocket& socket);
  /// It listens no more. With `migrate` (net.ipv4.tcp_migrate_req, or a program that migrates) it
  /// waits at the back until forget(), so that what it had can find another socket. False if it
  /// does not listen here.
  bool close(std::uint64_t id, bool migrate = false);
  /// Nothing of a closed socket is left. False if it is not there.
  bool forget(std::uint64_t id);
  /// An empty one removes it. `migrates`: it was loaded for migration too
  /// (BPF_SK_REUSEPORT_SELECT_OR_MIGRATE); any other is not asked where a request migrates to.
  void set_program(Program program, bool migrates = false) {
    program_ = std::move(program);
    program_migrates_ = migrates;
  }
  void set_incoming_cpu(std::uint64_t id, std::optional<int> cpu);

  /// The id of the socket that gets the packet; nothing if there is none or the program refuses.
  [[nodiscard]] std::optional<std::uint64_t> select(const Packet& packet) const;
  /// The socket that takes over a request, or a connection not yet accepted, of closed socket `id`:
  /// by the program if that migrates, else by the hash. Nothing if it was closed without migration,
  /// nobody listens or the program refuses: then it is lost.
  [[nodiscard]] std::optional<std::uint64_t> migrate(std::uint64_t id, const Packet& packet) const;

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t closed_size() const { return closed_; }
  /// The id in a slot below size().
  [[nodiscard]] std::uint64_t at(std::size_t index) const { return slots_[index].id; }

 private:
  [[nodiscard]] std::size_t first_closed() const { return slots_.size() - closed_; }
  [[nodiscard]] std::optional<std::size_t> find(std::size_t first, std::size_t last,
                                                std::uint64_t id) const;
  [[nodiscard]] bool make_room();
  void remove_closed(std::size_t index);
  [[nodiscard]] std::optional<std::uint64_t> by_hash(const Packet& packet) const;

  std::vector<ReuseportSocket> slots_;
  std::size_t size_ = 0;
  std::size_t closed_ = 0;
  std::size_t with_incoming_cpu_ = 0;
  Program program_;
  bool program_migrates_ = false;
};

}  // namespace leat::steering
