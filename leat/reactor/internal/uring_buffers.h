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
/// lost. Whoever received submits again, which takes effect when all completions of this round were
/// dispatched, so all buffers are there again. docs/decisions/io-uring.md has the reasons.
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

  /// What a completion with IORING_CQE_F_BUFFER brought.
  [[nodiscard]] std::string_view bytes(int result, std::uint32_t flags) const;
  /// The bytes are not needed any more. Once for each such completion, in their order.
  void give_back(int result, std::uint32_t flags);

 private:
  static constexpr unsigned kMostBuffers = 64;

  [[nodiscard]] int try_to_register(io_uring& ring, unsigned count, std::uint16_t flags);
  [[nodiscard]] char* memory_of(unsigned id) const { return memory_ + id * size_; }

  io_uring_buf_ring* entries_ = nullptr;
  char* memory_ = nullptr;
  unsigned count_ = 0;
  unsigned size_ = 0;                               // of each
  std::array<std::uint32_t, kMostBuffers> used_{};  // bytes of each that came and were given back
};

}  // namespace leat::internal
