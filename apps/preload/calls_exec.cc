// The C library's calls that execute another program. Descriptors that live on in it are told to
// the broker if it will carry this library, and folded back to TCP if not.

#include <alloca.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>

#include "leat/smc/program_image.h"

#include "apps/preload/fold.h"
#include "apps/preload/held.h"
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

smc::Image before_exec(int directory, const char* path, char* const environment[]) {
  const int error = errno;
  const smc::Image image =
      smc::environment_has_us(environment) ? smc::image_of(directory, path) : smc::Image::kCannot;
  for (int fd = 0; fd < DescriptorTable::end(); ++fd) {
    if (DescriptorTable::known(fd) == nullptr) continue;
    const long flags = raw::raw_syscall(SYS_fcntl, fd, F_GETFD);
    if (flags < 0 || (flags & FD_CLOEXEC) != 0) continue;
    const Held held(fd);
    if (!held) continue;
    if (image == smc::Image::kCarries && (!held->is_shared() || broker_holds(*held))) {
      if (held->is_shared()) held->wakes_heirs();
      continue;
    }
    fold_for_good(*held, fd, smc::FallbackReason::kPassedOn);
  }
  errno = error;
  return image;
}

smc::Image before_exec_of(const char* name, char* const environment[]) {
  char room[PATH_MAX];
  return before_exec(AT_FDCWD, smc::find_in_path(name, room, sizeof room), environment);
}

/// `execute(environment)`, without this library in it if the program's loader would refuse it.
template <typename Execute>
int execute_in(smc::Image image, char* const environment[], Execute execute) {
  if (image != smc::Image::kRefuses) return execute(environment);
  std::size_t count = 1;
  std::size_t longest = 0;
  for (char* const* one = environment; *one != nullptr; ++one, ++count) {
    const std::size_t size = strlen(*one);
    if (size > longest) longest = size;
  }
  // On the stack: nothing here allocates.
  char** const copy = static_cast<char**>(alloca(count * sizeof(char*)));
  char* const list = static_cast<char*>(alloca(longest + 1));
  smc::leave_us_out(environment, copy, list);
  return execute(copy);
}

}  // namespace
}  // namespace leat::preload

LEAT_INTERPOSED int execve(const char* path, char* const arguments[],
                           char* const environment[]) noexcept {
  return execute_in(before_exec(AT_FDCWD, path, environment), environment,
                    [=](char* const* in) { return real::execve(path, arguments, in); });
}

LEAT_INTERPOSED int execv(const char* path, char* const arguments[]) noexcept {
  return execve(path, arguments, environ);
}

LEAT_INTERPOSED int execvpe(const char* name, char* const arguments[],
                            char* const environment[]) noexcept {
  return execute_in(before_exec_of(name, environment), environment,
                    [=](char* const* in) { return real::execvpe(name, arguments, in); });
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
  return execute_in(before_exec(AT_FDCWD, path, environment), environment,
                    [=](char* const* in) { return real::fexecve(fd, arguments, in); });
}

LEAT_INTERPOSED int execveat(int directory, const char* path, char* const arguments[],
                             char* const environment[], int flags) noexcept {
  return execute_in(before_exec(directory, path, environment), environment, [=](char* const* in) {
    return real::execveat(directory, path, arguments, in, flags);
  });
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
  return execute_in(before_exec(AT_FDCWD, path, environment), environment, [=](char* const* in) {
    return real::posix_spawn(child, path, actions, attributes, arguments, in);
  });
}

LEAT_INTERPOSED int posix_spawnp(pid_t* child, const char* name,
                                 const posix_spawn_file_actions_t* actions,
                                 const posix_spawnattr_t* attributes, char* const arguments[],
                                 char* const environment[]) {
  return execute_in(before_exec_of(name, environment), environment, [=](char* const* in) {
    return real::posix_spawnp(child, name, actions, attributes, arguments, in);
  });
}

LEAT_INTERPOSED int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t* actions, int fd,
                                                     int copy) noexcept {
  {
    const Held held(fd);
    if (held) fold_for_good(*held, fd, leat::smc::FallbackReason::kPassedOn);
  }
  return real::posix_spawn_file_actions_adddup2(actions, fd, copy);
}
