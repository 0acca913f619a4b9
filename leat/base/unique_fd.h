// Public: sole owner of a file descriptor.
#pragma once

#include <unistd.h>

#include <utility>

#include "leat/base/assert.h"

namespace leat {

/// Closes its descriptor when destroyed. -1 means none. Not thread-safe, like any value.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  [[nodiscard]] int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

  /// Gives up ownership without closing.
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }

  /// Closes the present descriptor and owns `fd`. An error of close() is not reported: on Linux
  /// the descriptor is gone in every case (man 2 close), and a retry could close another's.
  void reset(int fd = -1) {
    LEAT_ASSERT(fd < 0 || fd != fd_, "a descriptor that this object already owns");
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

}  // namespace leat
