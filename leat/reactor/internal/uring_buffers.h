// Internal: memory that an io_uring receives into, shared by all connections of a loop.
#pragma once

#include <liburing.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "leat/base/result.h"

namespace leat::internal {

/// A ring of provided buffers (IORING_REGISTER_PBUF_RING, Linux 5.19). The kernel takes from them
/// when bytes have come for a connection, so an idle connection holds none. The bytes of a
/// completion are valid until give_back(), which comes before the next completion is looked at: the
/// ring is only ever empty while completions wait to be dispatched.
///
/// Where the kernel can (6.12), it fills a buffer piece by piece, so that small messages lie side
/// by side in memory that is in the cache; before, each message took a buffer of its own.
///
/// When the ring is empty, a receive ends with ENOBUFS and its bytes stay in the socket: nothing is
/// lost. Whoever received calls starved() and submits again, which takes effect when all
/// completions of this round were dispatched, so all buffers are there again.
///
/// The ring hands buffers out in turn, so the kernel would write through all of the memory however
/// little is on its way, and out of the cache. So it is lent few; more when they did not suffice,
/// and fewer again after a long calm:
///
///     +------------------- kMemory --------------------+
///     | lent to the kernel, in turn | spare, last first |
///     +-----------------------------+-------------------+
///            starved(): half as many more -->
///            <-- one less, each kCalm buffers without
///
/// A message that begins in the last bytes of a buffer comes in two completions. Both lie in one
/// piece all the same, for the first is copied to the room in front of the second:
///
///     |room|........| 1st |  |room      | 2nd |........|
///                      `--------> | 1st |
///
/// docs/decisions/io-uring.md has the reasons.
class UringBuffers {
 public:
  static constexpr std::uint16_t kGroup = 0;
  static constexpr std::size_t kMemory = 1024 * 1024;

  UringBuffers() = default;
  ~UringBuffers();
  UringBuffers(const UringBuffers&) = delete;
  UringBuffers& operator=(const UringBuffers&) = delete;

  /// Allocates and registers; `ring` must outlive it. Fails with ENOMEM, or EINVAL on old kernels.
  Result<void> open(io_uring& ring);

  /// For a completion with IORING_CQE_F_BUFFER, if the next one brings more of the same: whether
  /// bytes() and give_back() of that one will do for both. Only the end of a buffer can wait.
  [[nodiscard]] bool keep_for_next(int result, std::uint32_t flags);
  /// What a completion with IORING_CQE_F_BUFFER brought, behind what was kept for it.
  [[nodiscard]] std::string_view bytes(int result, std::uint32_t flags);
  /// The bytes are not needed any more. Once for each such completion, in their order.
  void give_back(int result, std::uint32_t flags);
  /// A receive ended with ENOBUFS: from the next submission on there are more, if there are.
  void starved();
  /// Buffers that the kernel has to choose from.
  [[nodiscard]] unsigned lent() const { return lent_; }
  /// So many buffers come back, without a starved(), until one less is lent.
  static constexpr unsigned kCalm = 64;

 private:
  static constexpr unsigned kMostBuffers = 64;

  [[nodiscard]] int try_to_register(io_uring& ring, unsigned count, std::uint16_t flags);
  void lend(unsigned id);
  void take_back(unsigned id);
  [[nodiscard]] char* memory_of(unsigned id) const {
    return memory_ + id * (room_ + size_) + room_;
  }

  io_uring_buf_ring* entries_ = nullptr;
  char* memory_ = nullptr;
  unsigned count_ = 0;
  unsigned size_ = 0;    // of each
  unsigned room_ = 0;    // in front of each
  unsigned lent_ = 0;    // ids in the ring, or with a completion that was not given back
  unsigned fewest_ = 0;  // of lent_
  unsigned calm_ = 0;    // buffers that have come back since lent_ changed
  std::array<std::uint16_t, kMostBuffers> spare_{};  // the count_ - lent_ ids that are not lent
  std::array<std::uint32_t, kMostBuffers> used_{};   // bytes of each that came and were given back
  std::string_view kept_;                            // the end of buffer kept_id_
  unsigned kept_id_ = 0;
};

}  // namespace leat::internal
