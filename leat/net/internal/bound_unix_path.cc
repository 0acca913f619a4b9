#include "leat/net/internal/bound_unix_path.h"

#include <sys/stat.h>
#include <unistd.h>

#include <utility>

namespace leat::internal {

BoundUnixPath::BoundUnixPath(const InetAddress& address) {
  struct stat file{};
  std::string path(address.path());
  if (path.empty() || ::stat(path.c_str(), &file) != 0) return;
  path_ = std::move(path);
  device_ = file.st_dev;
  inode_ = file.st_ino;
}

BoundUnixPath::BoundUnixPath(BoundUnixPath&& other) noexcept
    : path_(std::exchange(other.path_, {})), device_(other.device_), inode_(other.inode_) {}

BoundUnixPath::~BoundUnixPath() {
  struct stat file{};
  if (path_.empty() || ::stat(path_.c_str(), &file) != 0) return;
  if (file.st_dev == device_ && file.st_ino == inode_) ::unlink(path_.c_str());
}

}  // namespace leat::internal
