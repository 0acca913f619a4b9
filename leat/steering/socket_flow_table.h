// Public: on which CPU each flow was last read (the global table of RFS).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "leat/base/result.h"

namespace leat::steering {

/// rps_sock_flow_entries: one word for each of 2^n slots, written by readers with the CPU they run
/// on, read by every receive queue. One thread at a time.
///
///     word   +-----------------------------+-------------+
///            | the hash's bits above       | CPU         |   CPU bits: as many as the number of
///            +-----------------------------+-------------+   CPUs needs, rounded up to 2^n
///     slot   hash & (size - 1)
///
/// Two flows of one slot are told apart by the bits above; the last writer has the slot. A word
/// never written is 0xffff.
class SocketFlowTable {
 public:
  static constexpr std::size_t kMaxEntries = std::size_t{1} << 29;
  static constexpr std::uint32_t kEmpty = 0xffff;

  /// What a reader does, for the kernel records in each of these calls.
  enum class Call : std::uint8_t { kReceive, kSend, kSendfile, kSplice };
  static constexpr std::size_t kCalls = 4;

  /// The socket that is read.
  struct Reader {
    std::uint32_t hash = 0;  ///< Of the last packet it received; 0 if none had a hash.
    /// TCP in ESTABLISHED, or UDP after connect(). Others record nothing, so RFS does nothing for
    /// a UDP server's usual socket (Linux include/net/rps.h).
    bool connected = false;
  };

  /// For CPUs 0 ... cpus - 1 (1 to 65,535). It has no entries until set_size().
  explicit SocketFlowTable(int cpus);

  /// Rounded up to a power of two; 0 turns the table off. All entries are empty afterwards, also if
  /// the size is the one it had (writing the sysctl again is how one resets them). EINVAL above
  /// kMaxEntries.
  Result<void> set_size(std::size_t entries);
  [[nodiscard]] std::size_t size() const { return words_.size(); }
  [[nodiscard]] bool empty() const { return words_.empty(); }

  /// recvmsg(2) and read(2) on `cpu`.
  void on_receive(const Reader& reader, int cpu) { record(Call::kReceive, reader, cpu); }
  /// sendmsg(2) and write(2).
  void on_send(const Reader& reader, int cpu) { record(Call::kSend, reader, cpu); }
  /// sendfile(2).
  void on_sendfile(const Reader& reader, int cpu) { record(Call::kSendfile, reader, cpu); }
  /// splice(2) out of the socket.
  void on_splice(const Reader& reader, int cpu) { record(Call::kSplice, reader, cpu); }

  /// The CPU that reads the flow; nothing if its slot holds another flow, or the table is off. What
  /// comes out may be above the highest CPU: an empty word whose bits happen to be the hash's.
  [[nodiscard]] std::optional<std::uint32_t> cpu_of(std::uint32_t hash) const {
    if (words_.empty()) return std::nullopt;
    const std::uint32_t word = words_[hash & mask_];
    if (((word ^ hash) & ~cpu_mask_) != 0) return std::nullopt;
    return word & cpu_mask_;
  }

  /// How often a call of that kind changed a word; the same word again is no write.
  [[nodiscard]] std::uint64_t writes(Call call) const {
    return writes_[static_cast<std::size_t>(call)];
  }

 private:
  void record(Call call, const Reader& reader, int cpu);

  std::vector<std::uint32_t> words_;
  std::uint32_t mask_ = 0;
  std::uint32_t cpu_mask_;
  std::array<std::uint64_t, kCalls> writes_{};
};

}  // namespace leat::steering
