// Internal: bytes that were read for a program that is to get them from elsewhere.
#pragma once

#include <errno.h>

#include <cstddef>
#include <span>

#include "apps/preload/raw.h"

namespace leat::preload {

/// A memory file; its offset is where the next reader begins.
class RestFile {
 public:
  RestFile() {
    constexpr long kCloseOnExec = 1;  // MFD_CLOEXEC
    const char* const name = "leat-rest";
    fd_ = raw::raw_syscall(SYS_memfd_create, raw::raw_argument(name), kCloseOnExec);
  }
  RestFile(const RestFile&) = delete;
  RestFile& operator=(const RestFile&) = delete;
  ~RestFile() {
    if (fd_ >= 0) raw::raw_syscall(SYS_close, fd_);
  }

  [[nodiscard]] int fd() const { return static_cast<int>(fd_); }

  bool append(std::span<const char> bytes) {
    while (!bytes.empty()) {
      const long written = raw::raw_syscall(SYS_pwrite64, fd_, raw::raw_argument(bytes.data()),
                                            static_cast<long>(bytes.size()), size_);
      if (written <= 0 && written != -EINTR) return false;
      if (written <= 0) continue;
      size_ += written;
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return fd_ >= 0;
  }

  /// As much as the socket takes now; true: that was all of it.
  bool pour_into(int socket) {
    char bytes[16384];
    for (;;) {
      const long got =
          raw::raw_syscall(SYS_pread64, fd_, raw::raw_argument(bytes), sizeof bytes, offset_);
      if (got <= 0) break;
      const long sent =
          raw::send(socket, bytes, static_cast<std::size_t>(got), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent <= 0) break;
      offset_ += sent;
    }
    raw::raw_syscall(SYS_lseek, fd_, offset_, 0 /* SEEK_SET */);
    return offset_ == size_;
  }

 private:
  long fd_ = -1;
  long size_ = 0;
  long offset_ = 0;
};

}  // namespace leat::preload
