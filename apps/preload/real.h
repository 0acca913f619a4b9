// Internal: the C library's own functions, behind those that this library puts in their place.
#pragma once

#include <aio.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>

// Old ones do not say that it is C.
extern "C" {
#include <sys/pidfd.h>
}

namespace leat::preload {

/// The next definition of a function after ours, looked up at its first call or by resolve_all(),
/// whichever comes first: calls come before our constructor runs. Any thread; two that look it up
/// at once find the same.
template <typename Function>
class Real {
 public:
  constexpr explicit Real(const char* name) : name_(name) {}

  // Literals become what the function takes, as they would in a direct call.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wconversion"
  template <typename... Arguments>
  auto operator()(Arguments... arguments) const {
    return get()(arguments...);
  }
#pragma GCC diagnostic pop
  [[nodiscard]] Function* get() const {
    void* const found = found_.load(std::memory_order_acquire);
    return reinterpret_cast<Function*>(found != nullptr ? found : look_up());
  }
  /// Whether this C library has it at all.
  [[nodiscard]] bool exists() const { return get() != nullptr; }

 private:
  void* look_up() const;

  const char* name_;
  mutable std::atomic<void*> found_{nullptr};
};

void* look_up_next(const char* name);

template <typename Function>
void* Real<Function>::look_up() const {
  void* const found = look_up_next(name_);
  found_.store(found, std::memory_order_release);
  return found;
}

/// One of each. Calls that cannot sleep go past the C library instead: raw.h.
#define LEAT_REAL_FUNCTIONS(FUNCTION)        \
  /* data */                                 \
  FUNCTION(read)                             \
  FUNCTION(readv)                            \
  FUNCTION(recv)                             \
  FUNCTION(recvfrom)                         \
  FUNCTION(recvmsg)                          \
  FUNCTION(recvmmsg)                         \
  FUNCTION(write)                            \
  FUNCTION(writev)                           \
  FUNCTION(send)                             \
  FUNCTION(sendto)                           \
  FUNCTION(sendmsg)                          \
  FUNCTION(sendmmsg)                         \
  FUNCTION(preadv2)                          \
  FUNCTION(pwritev2)                         \
  FUNCTION(preadv64v2)                       \
  FUNCTION(pwritev64v2)                      \
  FUNCTION(sendfile)                         \
  FUNCTION(sendfile64)                       \
  FUNCTION(splice)                           \
  FUNCTION(copy_file_range)                  \
  /* waiting */                              \
  FUNCTION(poll)                             \
  FUNCTION(ppoll)                            \
  FUNCTION(select)                           \
  FUNCTION(pselect)                          \
  FUNCTION(epoll_create)                     \
  FUNCTION(epoll_create1)                    \
  FUNCTION(epoll_ctl)                        \
  FUNCTION(epoll_wait)                       \
  FUNCTION(epoll_pwait)                      \
  FUNCTION(epoll_pwait2)                     \
  /* life of a socket */                     \
  FUNCTION(socket)                           \
  FUNCTION(socketpair)                       \
  FUNCTION(connect)                          \
  FUNCTION(listen)                           \
  FUNCTION(accept)                           \
  FUNCTION(accept4)                          \
  FUNCTION(shutdown)                         \
  FUNCTION(setsockopt)                       \
  FUNCTION(getsockopt)                       \
  FUNCTION(close)                            \
  FUNCTION(close_range)                      \
  FUNCTION(closefrom)                        \
  FUNCTION(dup)                              \
  FUNCTION(dup2)                             \
  FUNCTION(dup3)                             \
  FUNCTION(fcntl)                            \
  FUNCTION(fcntl64)                          \
  FUNCTION(ioctl)                            \
  /* processes */                            \
  FUNCTION(fork)                             \
  FUNCTION(_Fork)                            \
  FUNCTION(daemon)                           \
  FUNCTION(forkpty)                          \
  FUNCTION(execve)                           \
  FUNCTION(execveat)                         \
  FUNCTION(posix_spawn_file_actions_adddup2) \
  FUNCTION(pidfd_getfd)                      \
  FUNCTION(aio_read)                         \
  FUNCTION(aio_write)                        \
  FUNCTION(aio_read64)                       \
  FUNCTION(aio_write64)                      \
  FUNCTION(lio_listio)                       \
  FUNCTION(execvpe)                          \
  FUNCTION(fexecve)                          \
  FUNCTION(posix_spawn)                      \
  FUNCTION(posix_spawnp)                     \
  FUNCTION(syscall)                          \
  /* streams */                              \
  FUNCTION(fdopen)                           \
  FUNCTION(fclose)                           \
  FUNCTION(freopen)                          \
  FUNCTION(freopen64)                        \
  FUNCTION(pclose)                           \
  FUNCTION(vdprintf)                         \
  /* descriptors of other things */          \
  FUNCTION(open)                             \
  FUNCTION(open64)                           \
  FUNCTION(openat)                           \
  FUNCTION(openat64)                         \
  FUNCTION(creat)                            \
  FUNCTION(creat64)                          \
  FUNCTION(mkstemp)                          \
  FUNCTION(mkstemp64)                        \
  FUNCTION(mkostemp)                         \
  FUNCTION(mkostemp64)                       \
  FUNCTION(mkstemps)                         \
  FUNCTION(mkstemps64)                       \
  FUNCTION(mkostemps)                        \
  FUNCTION(mkostemps64)                      \
  FUNCTION(shm_open)                         \
  FUNCTION(memfd_create)                     \
  FUNCTION(posix_openpt)                     \
  FUNCTION(pipe)                             \
  FUNCTION(pipe2)                            \
  FUNCTION(eventfd)                          \
  FUNCTION(timerfd_create)                   \
  FUNCTION(signalfd)                         \
  FUNCTION(inotify_init)                     \
  FUNCTION(inotify_init1)                    \
  FUNCTION(pidfd_open)                       \
  FUNCTION(fileno)                           \
  FUNCTION(fileno_unlocked)                  \
  FUNCTION(dirfd)

namespace real {
#define LEAT_DECLARE_REAL(name) extern constinit Real<decltype(::name)> name;
LEAT_REAL_FUNCTIONS(LEAT_DECLARE_REAL)
#undef LEAT_DECLARE_REAL

/// All at once, from the constructor: dlsym() is not for signal handlers.
void resolve_all();
}  // namespace real

}  // namespace leat::preload

/// In front of each function that takes the place of the C library's, and in exports.map.
#define LEAT_INTERPOSED extern "C" __attribute__((visibility("default")))
