// Internal: removes a listener's path when the listener goes.
#pragma once

#include <sys/types.h>

#include <string>

#include "leat/net/inet_address.h"

namespace leat::internal {

/// Remembers the file that bind() made and removes it when destroyed, unless another has taken
/// its place: a successor that binds the path first keeps it.
class BoundUnixPath {
 public:
  /// Of an address just bound; owns nothing if that is no path.
  explicit BoundUnixPath(const InetAddress& address);
  ~BoundUnixPath();
  BoundUnixPath(BoundUnixPath&& other) noexcept;
  BoundUnixPath& operator=(BoundUnixPath&&) = delete;
  BoundUnixPath(const BoundUnixPath&) = delete;
  BoundUnixPath& operator=(const BoundUnixPath&) = delete;

  /// Leaves the file to another, who has the listener now.
  void forget() { path_.clear(); }

 private:
  std::string path_;  // empty: nothing to remove
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace leat::internal
