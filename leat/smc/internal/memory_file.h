// Internal: a sealed memory file, and whether anybody still maps it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "leat/base/result.h"
#include "leat/base/unique_fd.h"

namespace leat::smc::internal {

/// A memfd of a fixed size: F_SEAL_SHRINK and F_SEAL_GROW are set, so that no holder can cut it
/// under another's mapping (SIGBUS). The broker itself never maps it, but reads and writes by
/// pread() and pwrite(): a mapping that may write would keep probe() from telling the truth, and
/// a page that a mapping looks at is memory, where one read by pread() stays a hole.
class MemoryFile {
 public:
  /// `name` is shown in /proc/PID/maps. `size` in bytes. EMFILE, ENFILE, ENOMEM.
  static Result<MemoryFile> create(const char* name, std::uint64_t size);

  [[nodiscard]] int fd() const { return fd_.get(); }

  enum class Holders : std::uint8_t {
    kSome,     ///< Somebody has a shared mapping that may write.
    kNone,     ///< Nobody; and nobody can make one any more.
    kUnknown,  ///< A holder has sealed the seals: the file will not tell.
  };
  /// Asks the kernel by F_SEAL_WRITE, which it grants when there is no such mapping (memfd.c,
  /// memfd_add_seals): so never ask while a receiver of fd() may not have mapped it yet.
  [[nodiscard]] Holders probe() const;

  /// The bytes at `offset`; false if the file is shorter, which sealed it cannot be.
  bool read(void* to, std::size_t size, std::uint64_t offset) const;
  bool write(const void* from, std::size_t size, std::uint64_t offset) const;
  /// Where the next bytes that are not a hole begin, from `offset` on; `end` if there are none.
  [[nodiscard]] std::uint64_t next_data(std::uint64_t offset, std::uint64_t end) const;

 private:
  explicit MemoryFile(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace leat::smc::internal
