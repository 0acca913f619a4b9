// Internal: system calls that the preloaded library makes for itself. Past the C library: no
// cancellation point, errno untouched. Results are the kernel's: -errno on failure.
#pragma once

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <atomic>
#include <climits>
#include <cstddef>
#include <cstdint>

#include "leat/smc/internal/raw_syscall.h"

namespace leat::preload::raw {

using smc::internal::raw_argument;
using smc::internal::raw_syscall;

inline long receive(int fd, void* to, std::size_t size, int flags) {
  return raw_syscall(SYS_recvfrom, fd, raw_argument(to), static_cast<long>(size), flags, 0, 0);
}
inline long receive_parts(int fd, iovec* parts, std::size_t count, int flags) {
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = count;
  return raw_syscall(SYS_recvmsg, fd, raw_argument(&message), flags);
}
inline long send(int fd, const void* from, std::size_t size, int flags) {
  return raw_syscall(SYS_sendto, fd, raw_argument(from), static_cast<long>(size), flags, 0, 0);
}
inline long close(int fd) {
  return raw_syscall(SYS_close, fd);
}
inline long status_flags(int fd) {
  return raw_syscall(SYS_fcntl, fd, F_GETFL);
}
inline bool is_blocking(int fd) {
  const long flags = status_flags(fd);
  return flags >= 0 && (flags & O_NONBLOCK) == 0;
}
template <typename T>
bool get_option(int fd, int level, int name, T& value) {
  socklen_t size = sizeof value;
  return raw_syscall(SYS_getsockopt, fd, level, name, raw_argument(&value), raw_argument(&size)) ==
         0;
}
inline int option(int fd, int level, int name, int otherwise) {
  int value = otherwise;
  return get_option(fd, level, name, value) ? value : otherwise;
}
/// Events of one descriptor, waiting `milliseconds` for them (-1: for ever); 0 also on failure.
inline short poll_one(int fd, short events, int milliseconds) {
  pollfd one{fd, events, 0};
  struct {
    long seconds;
    long nanoseconds;
  } limit{milliseconds / 1000, milliseconds % 1000 * 1'000'000L};
  const long result = raw_syscall(SYS_ppoll, raw_argument(&one), 1,
                                  milliseconds < 0 ? 0 : raw_argument(&limit), 0, 0);
  return result > 0 ? one.revents : static_cast<short>(0);
}
inline void wake_all(std::atomic<std::uint32_t>& word) {
  raw_syscall(SYS_futex, raw_argument(&word), FUTEX_WAKE, INT_MAX);
}
inline int process_id() {
  return static_cast<int>(raw_syscall(SYS_getpid));
}

}  // namespace leat::preload::raw
