// Ways into the kernel past the calls above: syscall(), io_uring, AIO, streams of the C library.

#include <aio.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "apps/preload/fold.h"
#include "apps/preload/held.h"
#include "apps/preload/lifecycle.h"
#include "apps/preload/process.h"
#include "apps/preload/raw.h"
#include "apps/preload/real.h"

struct io_uring;
struct io_uring_params;

using namespace leat::preload;

namespace leat::preload {
namespace {

#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#endif

constexpr long kOpenat2 = 437;  ///< SYS_openat2, Linux 5.6.

void fold(int fd, smc::FallbackReason reason) {
  const int error = errno;
  {
    const Held held(fd);
    if (held) fold_for_good(*held, fd, reason);
  }
  errno = error;
}

void fold_for(const aiocb* block) {
  if (block != nullptr) fold(block->aio_fildes, smc::FallbackReason::kAsyncIo);
}

/// The next of that name, of a library that may not be there: then nobody has called us.
template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(look_up_next(name));
}

}  // namespace
}  // namespace leat::preload

// Programs and languages with system calls of their own often come by here.
LEAT_INTERPOSED long syscall(long number, ...) noexcept {
  va_list list;
  va_start(list, number);
  long a[6];
  for (long& one : a) one = va_arg(list, long);
  va_end(list);
  const auto fd = static_cast<int>(a[0]);
  const auto pointer = [&](int i) { return reinterpret_cast<void*>(a[i]); };
  const auto size = [&](int i) { return static_cast<size_t>(a[i]); };
  switch (number) {
    case SYS_io_uring_setup:
      fold_all(leat::smc::FallbackReason::kIoUring);
      break;
    case SYS_read:
      return read(fd, pointer(1), size(2));
    case SYS_write:
      return write(fd, pointer(1), size(2));
    case SYS_readv:
      return readv(fd, static_cast<iovec*>(pointer(1)), static_cast<int>(a[2]));
    case SYS_writev:
      return writev(fd, static_cast<iovec*>(pointer(1)), static_cast<int>(a[2]));
    case SYS_recvfrom:
      return recvfrom(fd, pointer(1), size(2), static_cast<int>(a[3]),
                      static_cast<sockaddr*>(pointer(4)), static_cast<socklen_t*>(pointer(5)));
    case SYS_sendto:
      return sendto(fd, pointer(1), size(2), static_cast<int>(a[3]),
                    static_cast<sockaddr*>(pointer(4)), static_cast<socklen_t>(a[5]));
    case SYS_recvmsg:
      return recvmsg(fd, static_cast<msghdr*>(pointer(1)), static_cast<int>(a[2]));
    case SYS_sendmsg:
      return sendmsg(fd, static_cast<msghdr*>(pointer(1)), static_cast<int>(a[2]));
    case SYS_close:
      return close(fd);
    case SYS_close_range:
      return close_range(static_cast<unsigned>(a[0]), static_cast<unsigned>(a[1]),
                         static_cast<int>(a[2]));
    case SYS_socket:
      return socket(fd, static_cast<int>(a[1]), static_cast<int>(a[2]));
#ifdef SYS_open
    case SYS_open:
#endif
    case SYS_openat:
    case SYS_eventfd2:
    case SYS_memfd_create:
    case SYS_timerfd_create:
    case SYS_signalfd4:
    case SYS_pidfd_open:
    case kOpenat2: {
      const long made = real::syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
      descriptor_made(static_cast<int>(made));
      return made;
    }
    case SYS_dup:
      return dup(fd);
    case SYS_dup3:
      return dup3(fd, static_cast<int>(a[1]), static_cast<int>(a[2]));
#ifdef SYS_dup2
    case SYS_dup2:
      return dup2(fd, static_cast<int>(a[1]));
#endif
    case SYS_fcntl:
      return fcntl(fd, static_cast<int>(a[1]), pointer(2));
    case SYS_shutdown:
      return shutdown(fd, static_cast<int>(a[1]));
    case SYS_accept4:
      return accept4(fd, static_cast<sockaddr*>(pointer(1)), static_cast<socklen_t*>(pointer(2)),
                     static_cast<int>(a[3]));
    case SYS_connect:
      return connect(fd, static_cast<sockaddr*>(pointer(1)), static_cast<socklen_t>(a[2]));
    default:
      break;
  }
  return real::syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

// liburing makes its system calls itself, but is asked by these.
LEAT_INTERPOSED int io_uring_setup(unsigned entries, io_uring_params* parameters) {
  fold_all(leat::smc::FallbackReason::kIoUring);
  return next<int(unsigned, io_uring_params*)>("io_uring_setup")(entries, parameters);
}

LEAT_INTERPOSED int io_uring_queue_init(unsigned entries, io_uring* ring, unsigned flags) {
  fold_all(leat::smc::FallbackReason::kIoUring);
  return next<int(unsigned, io_uring*, unsigned)>("io_uring_queue_init")(entries, ring, flags);
}

LEAT_INTERPOSED int io_uring_queue_init_params(unsigned entries, io_uring* ring,
                                               io_uring_params* parameters) {
  fold_all(leat::smc::FallbackReason::kIoUring);
  return next<int(unsigned, io_uring*, io_uring_params*)>("io_uring_queue_init_params")(
      entries, ring, parameters);
}

LEAT_INTERPOSED int io_uring_queue_init_mem(unsigned entries, io_uring* ring,
                                            io_uring_params* parameters, void* memory,
                                            size_t size) {
  fold_all(leat::smc::FallbackReason::kIoUring);
  return next<int(unsigned, io_uring*, io_uring_params*, void*, size_t)>("io_uring_queue_init_mem")(
      entries, ring, parameters, memory, size);
}

LEAT_INTERPOSED int aio_read(aiocb* block) noexcept {
  fold_for(block);
  return real::aio_read(block);
}

LEAT_INTERPOSED int aio_write(aiocb* block) noexcept {
  fold_for(block);
  return real::aio_write(block);
}

LEAT_INTERPOSED int aio_read64(aiocb64* block) noexcept {
  if (block != nullptr) fold(block->aio_fildes, leat::smc::FallbackReason::kAsyncIo);
  return real::aio_read64(block);
}

LEAT_INTERPOSED int aio_write64(aiocb64* block) noexcept {
  if (block != nullptr) fold(block->aio_fildes, leat::smc::FallbackReason::kAsyncIo);
  return real::aio_write64(block);
}

LEAT_INTERPOSED int lio_listio(int mode, aiocb* const blocks[], int count,
                               sigevent* event) noexcept {
  for (int i = 0; i < count; ++i) fold_for(blocks[i]);
  return real::lio_listio(mode, blocks, count, event);
}

// The C library reads and writes its streams itself.
LEAT_INTERPOSED FILE* fdopen(int fd, const char* mode) noexcept {
  fold(fd, leat::smc::FallbackReason::kPassedOn);
  return real::fdopen(fd, mode);
}

LEAT_INTERPOSED int fclose(FILE* stream) {
  const int fd = stream != nullptr ? fileno_unlocked(stream) : -1;
  if (DescriptorTable::known(fd) == nullptr) return real::fclose(stream);
  const Closing closing(fd);
  return real::fclose(stream);
}

LEAT_INTERPOSED int vdprintf(int fd, const char* format, va_list list) {
  fold(fd, leat::smc::FallbackReason::kPassedOn);
  return real::vdprintf(fd, format, list);
}

LEAT_INTERPOSED int dprintf(int fd, const char* format, ...) {
  va_list list;
  va_start(list, format);
  const int result = vdprintf(fd, format, list);
  va_end(list);
  return result;
}

LEAT_INTERPOSED int pidfd_getfd(int process, int target, unsigned flags) noexcept {
  const int fd = real::pidfd_getfd(process, target, flags);
  descriptor_made(fd);
  return fd;
}
