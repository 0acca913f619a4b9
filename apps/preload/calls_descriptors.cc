// The C library's calls that close, double and control descriptors.

#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <stdarg.h>

#include "apps/preload/fold.h"
#include "apps/preload/held.h"
#include "apps/preload/lifecycle.h"
#include "apps/preload/native_scope.h"
#include "apps/preload/process.h"
#include "apps/preload/raw.h"
#include "apps/preload/real.h"
#include "apps/preload/receive.h"

using namespace leat::preload;

namespace leat::preload {
namespace {

constexpr auto kAsyncIo = smc::FallbackReason::kAsyncIo;

/// The first three are written by the C library itself, and by whatever is executed: TCP for those,
/// before they are doubled, for folding may change the descriptor.
void prepare_double(int fd, int copy) {
  if (copy < 0 || copy > 2) return;
  const int error = errno;
  const Held held(fd);
  if (held) fold_for_good(*held, fd, smc::FallbackReason::kPassedOn);
  errno = error;
}

int doubled(int fd, int copy) {
  if (copy < 0) return copy;
  const int error = errno;
  if (copy <= 2 && DescriptorTable::known(fd) != nullptr) {
    prepare_double(fd, copy);
    const long flags = raw::raw_syscall(SYS_fcntl, copy, F_GETFD);
    raw::raw_syscall(SYS_dup3, fd, copy, (flags & FD_CLOEXEC) != 0 ? O_CLOEXEC : 0);
  }
  descriptor_doubled(fd, copy);
  errno = error;
  return copy;
}

int control(int fd, int command, void* argument) {
  const int result = real::fcntl(fd, command, argument);
  if (result < 0) return result;
  if (command == F_DUPFD || command == F_DUPFD_CLOEXEC) return doubled(fd, result);
  if (command != F_SETFL) return result;
  const Held held(fd);
  if (!held) return result;
  const auto flags = static_cast<int>(reinterpret_cast<std::intptr_t>(argument));
  held->non_blocking.store((flags & O_NONBLOCK) != 0, std::memory_order_relaxed);
  if ((flags & O_ASYNC) != 0) fold_for_good(*held, fd, kAsyncIo);
  return result;
}

void close_range_of(unsigned first, unsigned last) {
  const auto end = static_cast<unsigned>(DescriptorTable::end());
  for (unsigned fd = first; fd <= last && fd < end; ++fd) {
    if (DescriptorTable::known(static_cast<int>(fd)) == nullptr) continue;
    const Closing closing(static_cast<int>(fd));
    raw::close(static_cast<int>(fd));
  }
  for (unsigned fd = first; fd <= last && fd < static_cast<unsigned>(DescriptorTable::kSize);
       ++fd) {
    if (fd >= end && fd > 4096U)
      break;  // Marks of files beyond are forgotten when they are reused.
    if (DescriptorTable::known(static_cast<int>(fd)) == nullptr) {
      DescriptorTable::exchange(static_cast<int>(fd), DescriptorTable::kUnknown);
    }
  }
}

}  // namespace
}  // namespace leat::preload

LEAT_INTERPOSED int close(int fd) {
  Closing closing(fd);
  return real::close(fd);
}

LEAT_INTERPOSED int __close(int fd) {
  return close(fd);
}

LEAT_INTERPOSED int close_range(unsigned first, unsigned last, int flags) noexcept {
  if (first <= last && (static_cast<unsigned>(flags) & CLOSE_RANGE_CLOEXEC) == 0 &&
      Process::is_ours()) {
    close_range_of(first, last);
  }
  return real::close_range(first, last, flags);
}

LEAT_INTERPOSED void closefrom(int first) noexcept {
  if (Process::is_ours()) close_range_of(first < 0 ? 0 : static_cast<unsigned>(first), UINT_MAX);
  real::closefrom(first);
}

LEAT_INTERPOSED int dup(int fd) noexcept {
  return doubled(fd, real::dup(fd));
}

LEAT_INTERPOSED int dup2(int fd, int copy) noexcept {
  prepare_double(fd, copy);
  if (fd == copy || raw::raw_syscall(SYS_fcntl, fd, F_GETFD) < 0) return real::dup2(fd, copy);
  Closing closing(copy);
  const int result = real::dup2(fd, copy);
  if (result < 0) closing.failed();
  return doubled(fd, result);
}

LEAT_INTERPOSED int __dup2(int fd, int copy) noexcept {
  return dup2(fd, copy);
}

LEAT_INTERPOSED int dup3(int fd, int copy, int flags) noexcept {
  prepare_double(fd, copy);
  if (fd == copy || raw::raw_syscall(SYS_fcntl, fd, F_GETFD) < 0) {
    return real::dup3(fd, copy, flags);
  }
  Closing closing(copy);
  const int result = real::dup3(fd, copy, flags);
  if (result < 0) closing.failed();
  return doubled(fd, result);
}

LEAT_INTERPOSED int fcntl(int fd, int command, ...) {
  va_list list;
  va_start(list, command);
  void* const argument = va_arg(list, void*);
  va_end(list);
  return control(fd, command, argument);
}

LEAT_INTERPOSED int fcntl64(int fd, int command, ...) {
  va_list list;
  va_start(list, command);
  void* const argument = va_arg(list, void*);
  va_end(list);
  return control(fd, command, argument);
}

LEAT_INTERPOSED int __fcntl(int fd, int command, ...) {
  va_list list;
  va_start(list, command);
  void* const argument = va_arg(list, void*);
  va_end(list);
  return control(fd, command, argument);
}

LEAT_INTERPOSED int ioctl(int fd, unsigned long request, ...) noexcept {
  va_list list;
  va_start(list, request);
  void* const argument = va_arg(list, void*);
  va_end(list);
  const int result = real::ioctl(fd, request, argument);
  if (result < 0 || argument == nullptr ||
      (request != FIONREAD && request != FIONBIO && request != FIOASYNC && request != SIOCOUTQ)) {
    return result;
  }
  const Held held(fd);
  if (!held) return result;
  int& value = *static_cast<int*>(argument);
  if (request == FIONBIO) held->non_blocking.store(value != 0, std::memory_order_relaxed);
  if (request == FIOASYNC && value != 0) fold_for_good(*held, fd, kAsyncIo);
  if (request == FIONREAD && input_is_open(*held)) {
    const long count = readable_bytes(*held, fd);
    if (count >= 0) value = count < INT_MAX ? static_cast<int>(count) : INT_MAX;
  }
  if (request == SIOCOUTQ && held->is_shared()) {
    value += static_cast<int>(held->sender().unread());
  }
  return result;
}
