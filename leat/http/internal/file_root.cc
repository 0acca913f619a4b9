#include "leat/http/internal/file_root.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace leat::http::internal {

namespace {

// The headers of Debian 12 have it; older ones do not.
constexpr std::uint64_t kResolveCached = 0x20;
// The kernel gives EAGAIN when a rename runs beside a path with "..", or a mount changes.
constexpr int kTries = 16;

int openat2(int directory, const std::string& path, std::uint64_t resolve) {
  open_how how{};
  // O_NONBLOCK: opening a FIFO must not wait for its other end; it means nothing for files.
  how.flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | resolve;
  return static_cast<int>(::syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how));
}

}  // namespace

Result<FileRoot> FileRoot::open(const std::string& directory) {
  UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return Error::from_errno(errno, "serving the directory " + directory);
  const UniqueFd beneath(openat2(fd.get(), ".", 0));
  if (!beneath) {
    if (errno != ENOSYS && errno != EPERM) {
      return Error::from_errno(errno, "serving the directory " + directory);
    }
    return Error::from_errno(
        ENOSYS,
        "files are served by openat2(2), which this kernel (before Linux 5.6) or the "
        "filter of this container refuses");
  }
  const UniqueFd cached(openat2(fd.get(), ".", kResolveCached));
  const bool has_cached = cached || errno != EINVAL;
  return FileRoot(std::move(fd), has_cached);
}

Result<OpenedFile> FileRoot::open_file(const std::string& path, Waiting waiting) const {
  if (waiting == Waiting::kNever && !has_cached_) {
    return Error::from_errno(EAGAIN, "opening a file without waiting");
  }
  UniqueFd fd;
  for (int tries = waiting == Waiting::kNever ? 1 : kTries; !fd && tries > 0; --tries) {
    fd.reset(openat2(directory_.get(), path, waiting == Waiting::kNever ? kResolveCached : 0));
    if (!fd && errno != EAGAIN) break;
  }
  if (!fd) return Error::from_errno(errno, "opening " + path);
  OpenedFile file;
  if (::fstat(fd.get(), &file.status) != 0) return Error::from_errno(errno, "fstat of " + path);
  file.fd = std::make_shared<const UniqueFd>(std::move(fd));
  return file;
}

}  // namespace leat::http::internal
