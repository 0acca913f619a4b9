// Sets that came by exec or from another process: what is in them the kernel tells, once.

#include <string.h>
#include <sys/stat.h>

#include "apps/preload/epoll_sets.h"
#include "apps/preload/raw.h"

namespace leat::preload {
namespace {

/// A line of fdinfo, of whatever length; what does not fit is left out (fs/eventpoll.c,
/// ep_show_fdinfo: `tfd: %8d events: %8x data: %16llx  pos:%lli ino:%lx sdev:%x`).
class Lines {
 public:
  explicit Lines(long fd) : fd_(fd) {}
  /// False at the end.
  bool next() {
    size_ = 0;
    for (char byte = 0; (byte = take()) != 0;) {
      if (byte == '\n') break;
      if (size_ < sizeof line_ - 1) line_[size_++] = byte;
    }
    line_[size_] = 0;
    return size_ != 0 || filled_ != 0;
  }
  /// The number behind `name`; false if it is not there.
  bool number(const char* name, unsigned base, std::uint64_t& value) const {
    const char* at = strstr(line_, name);
    if (at == nullptr) return false;
    at += strlen(name);
    while (*at == ' ') ++at;
    const char* const first = at;
    for (value = 0;; ++at) {
      unsigned digit = 99;
      if (*at >= '0' && *at <= '9') digit = static_cast<unsigned>(*at - '0');
      if (*at >= 'a' && *at <= 'f') digit = static_cast<unsigned>(*at - 'a') + 10;
      if (digit >= base) return at != first;
      value = value * base + digit;
    }
  }

 private:
  char take() {
    if (next_ == filled_) {
      next_ = 0;
      const long got = raw::raw_syscall(SYS_read, fd_, raw::raw_argument(bytes_), sizeof bytes_);
      filled_ = got > 0 ? static_cast<std::size_t>(got) : 0;
      if (filled_ == 0) return 0;
    }
    return bytes_[next_++];
  }

  long fd_;
  std::size_t next_ = 0;
  std::size_t filled_ = 0;
  std::size_t size_ = 0;
  char line_[160];
  char bytes_[2048];
};

long open_about(int fd) {
  char path[] = "/proc/self/fdinfo/0000000000";
  char* digit = path + sizeof path - 1;
  auto left = static_cast<unsigned>(fd);
  do {
    *--digit = static_cast<char>('0' + left % 10);
  } while ((left /= 10) != 0);
  char* to = path + sizeof "/proc/self/fdinfo/" - 1;
  while ((*to++ = *digit++) != 0) {
  }
  constexpr long kHere = AT_FDCWD;
  return raw::raw_syscall(SYS_openat, kHere, raw::raw_argument(path), O_RDONLY | O_CLOEXEC);
}

/// The number is that of the process which has added it: here it may be another file's.
bool is_the_same(int fd, std::uint64_t inode) {
  struct stat about = {};
  return raw::raw_syscall(SYS_fstat, fd, raw::raw_argument(&about)) == 0 && about.st_ino == inode;
}

}  // namespace

EpollSet* EpollSets::inherit(int epfd) {
  if (static_cast<unsigned>(epfd) >= kDescriptors || is_noted_[epfd].exchange(true)) return nullptr;
  const long about = open_about(epfd);
  if (about < 0) return nullptr;
  EpollSet* set = nullptr;
  Lines lines(about);
  while (lines.next()) {
    std::uint64_t fd = 0;
    std::uint64_t events = 0;
    std::uint64_t data = 0;
    std::uint64_t inode = 0;
    if (!lines.number("tfd:", 10, fd) || !lines.number("events:", 16, events) ||
        !lines.number("data:", 16, data) || !lines.number("ino:", 16, inode) ||
        !is_the_same(static_cast<int>(fd), inode)) {
      continue;
    }
    if (set == nullptr) set = created(epfd);
    if (set == nullptr) break;
    epoll_event event = {};
    event.events = static_cast<std::uint32_t>(events);
    event.data.u64 = data;
    set->added_before(static_cast<int>(fd), event);
  }
  raw::raw_syscall(SYS_close, about);
  return set;
}

}  // namespace leat::preload
