// The C library's calls that execute another program. Descriptors that live on in it are told to
// the broker if it will carry this library, and folded back to TCP if not.

#include <alloca.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>

#include "apps/preload/fold.h"
#include "apps/preload/held.h"
#include "apps/preload/image.h"
#include "apps/preload/process.h"
#include "apps/preload/raw.h"
#include "apps/preload/real.h"

using namespace leat::preload;

namespace leat::preload {
namespace {

constexpr std::uint32_t kHoldSeconds = 30;

/// The new program asks the broker for the segment by the socket's cookie.
bool broker_holds(Connection& connection) {
  const auto cookie = connection.slot()->cookie.load(std::memory_order_relaxed);
  return Process::has_broker() &&
         Process::broker().hold(cookie, kHoldSeconds, Process::page()->token).kind ==
             smc::Answer::Kind::kSegment;
}

void before_exec(int directory, const char* path, char* const environment[]) {
  bool carries = false;
  bool knows = false;
  const int error = errno;
  for (int fd = 0; fd < DescriptorTable::end(); ++fd) {
    if (DescriptorTable::known(fd) == nullptr) continue;
    const long flags = raw::raw_syscall(SYS_fcntl, fd, F_GETFD);
    if (flags < 0 || (flags & FD_CLOEXEC) != 0) continue;
    const Held held(fd);
    if (!held) continue;
    if (!knows) carries = image_carries_us(directory, path, environment);
    knows = true;
    if (carries && (!held->is_shared() || broker_holds(*held))) {
      if (held->is_shared()) held->wakes_heirs();
      continue;
    }
    fold_for_good(*held, fd, smc::FallbackReason::kPassedOn);
  }
  errno = error;
}

void before_exec_of(const char* name, char* const environment[]) {
  char room[PATH_MAX];
  before_exec(AT_FDCWD, find_in_path(name, room, sizeof room), environment);
}

}  // namespace
}  // namespace leat::preload

LEAT_INTERPOSED int execve(const char* path, char* const arguments[],
                           char* const environment[]) noexcept {
  before_exec(AT_FDCWD, path, environment);
  return real::execve(path, arguments, environment);
}

LEAT_INTERPOSED int execv(const char* path, char* const arguments[]) noexcept {
  return execve(path, arguments, environ);
}

LEAT_INTERPOSED int execvpe(const char* name, char* const arguments[],
                            char* const environment[]) noexcept {
  before_exec_of(name, environment);
  return real::execvpe(name, arguments, environment);
}

LEAT_INTERPOSED int execvp(const char* name, char* const arguments[]) noexcept {
  return execvpe(name, arguments, environ);
}

LEAT_INTERPOSED int fexecve(int fd, char* const arguments[], char* const environment[]) noexcept {
  char path[] = "/proc/self/fd/0000000000";
  char* end = path + sizeof path - 1;
  for (unsigned left = static_cast<unsigned>(fd), i = 0; i < 10; ++i, left /= 10) {
    *--end = static_cast<char>('0' + left % 10);
  }
  // The leading zeros are no part of the name.
  char* digits = end;
  while (digits[0] == '0' && digits[1] != 0) ++digits;
  for (char* to = end; (*to++ = *digits) != 0; ++digits) {
  }
  before_exec(AT_FDCWD, path, environment);
  return real::fexecve(fd, arguments, environment);
}

LEAT_INTERPOSED int execveat(int directory, const char* path, char* const arguments[],
                             char* const environment[], int flags) noexcept {
  before_exec(directory, path, environment);
  return real::execveat(directory, path, arguments, environment, flags);
}

// The lists become arrays on the stack: nothing here allocates.
#define LEAT_COLLECT(first)                                                          \
  va_list list;                                                                      \
  va_start(list, first);                                                             \
  std::size_t count = 1;                                                             \
  while (va_arg(list, char*) != nullptr) ++count;                                    \
  va_end(list);                                                                      \
  char** const arguments = static_cast<char**>(alloca((count + 1) * sizeof(char*))); \
  arguments[0] = const_cast<char*>(first);                                           \
  va_start(list, first);                                                             \
  for (std::size_t i = 1; i <= count; ++i) arguments[i] = va_arg(list, char*)

LEAT_INTERPOSED int execl(const char* path, const char* first, ...) noexcept {
  LEAT_COLLECT(first);
  va_end(list);
  return execve(path, arguments, environ);
}

LEAT_INTERPOSED int execlp(const char* name, const char* first, ...) noexcept {
  LEAT_COLLECT(first);
  va_end(list);
  return execvpe(name, arguments, environ);
}

LEAT_INTERPOSED int execle(const char* path, const char* first, ...) noexcept {
  LEAT_COLLECT(first);
  char* const* const environment = va_arg(list, char**);
  va_end(list);
  return execve(path, arguments, environment);
}

// The child inherits what is not close-on-exec; file actions are done by the C library itself.
LEAT_INTERPOSED int posix_spawn(pid_t* child, const char* path,
                                const posix_spawn_file_actions_t* actions,
                                const posix_spawnattr_t* attributes, char* const arguments[],
                                char* const environment[]) {
  before_exec(AT_FDCWD, path, environment);
  return real::posix_spawn(child, path, actions, attributes, arguments, environment);
}

LEAT_INTERPOSED int posix_spawnp(pid_t* child, const char* name,
                                 const posix_spawn_file_actions_t* actions,
                                 const posix_spawnattr_t* attributes, char* const arguments[],
                                 char* const environment[]) {
  before_exec_of(name, environment);
  return real::posix_spawnp(child, name, actions, attributes, arguments, environment);
}

LEAT_INTERPOSED int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t* actions, int fd,
                                                     int copy) noexcept {
  {
    const Held held(fd);
    if (held) fold_for_good(*held, fd, leat::smc::FallbackReason::kPassedOn);
  }
  return real::posix_spawn_file_actions_adddup2(actions, fd, copy);
}
