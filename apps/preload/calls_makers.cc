// The C library's calls that give out descriptors of other things than sockets. A number that the
// kernel gives out was free: whatever the table has for it was closed past this library. Nothing
// is asked; the table forgets it.

#include <dirent.h>
#include <fcntl.h>
#include <mqueue.h>
#include <pty.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "apps/preload/lifecycle.h"
#include "apps/preload/real.h"

using namespace leat::preload;

namespace {

template <typename Function, typename... Arguments>
int made(const Real<Function>& maker, Arguments... arguments) {
  const int fd = maker(arguments...);
  descriptor_made(fd);
  return fd;
}

template <typename Function, typename... Arguments>
int made_pair(const Real<Function>& maker, int* fds, Arguments... arguments) {
  const int result = maker(fds, arguments...);
  if (result != 0) return result;
  descriptor_made(fds[0]);
  descriptor_made(fds[1]);
  return result;
}

/// Of a stream that the C library has opened by itself.
int told(int fd) {
  (void)drop_if_stale(fd);
  return fd;
}

/// The same number, or none, for another file.
template <typename Reopen>
FILE* reopened(FILE* stream, Reopen reopen) {
  const int fd = stream != nullptr ? real::fileno_unlocked(stream) : -1;
  if (DescriptorTable::known(fd) == nullptr) return reopen();
  const Closing closing(fd);
  return reopen();
}

}  // namespace

// Files. The mode is there or is not looked at.
#define LEAT_MODE(last)               \
  va_list list;                       \
  va_start(list, last);               \
  const int mode = va_arg(list, int); \
  va_end(list)

LEAT_INTERPOSED int open(const char* path, int flags, ...) {
  LEAT_MODE(flags);
  return made(real::open, path, flags, mode);
}

LEAT_INTERPOSED int open64(const char* path, int flags, ...) {
  LEAT_MODE(flags);
  return made(real::open64, path, flags, mode);
}

LEAT_INTERPOSED int openat(int directory, const char* path, int flags, ...) {
  LEAT_MODE(flags);
  return made(real::openat, directory, path, flags, mode);
}

LEAT_INTERPOSED int openat64(int directory, const char* path, int flags, ...) {
  LEAT_MODE(flags);
  return made(real::openat64, directory, path, flags, mode);
}

// The checked variants: without a mode.
LEAT_INTERPOSED int __open_2(const char* path, int flags) {
  return made(real::open, path, flags, 0);
}
LEAT_INTERPOSED int __open64_2(const char* path, int flags) {
  return made(real::open64, path, flags, 0);
}
LEAT_INTERPOSED int __openat_2(int directory, const char* path, int flags) {
  return made(real::openat, directory, path, flags, 0);
}
LEAT_INTERPOSED int __openat64_2(int directory, const char* path, int flags) {
  return made(real::openat64, directory, path, flags, 0);
}

LEAT_INTERPOSED int creat(const char* path, mode_t mode) {
  return made(real::creat, path, mode);
}
LEAT_INTERPOSED int creat64(const char* path, mode_t mode) {
  return made(real::creat64, path, mode);
}
LEAT_INTERPOSED int mkstemp(char* path) {
  return made(real::mkstemp, path);
}
LEAT_INTERPOSED int mkstemp64(char* path) {
  return made(real::mkstemp64, path);
}
LEAT_INTERPOSED int mkostemp(char* path, int flags) {
  return made(real::mkostemp, path, flags);
}
LEAT_INTERPOSED int mkostemp64(char* path, int flags) {
  return made(real::mkostemp64, path, flags);
}
LEAT_INTERPOSED int mkstemps(char* path, int suffix) {
  return made(real::mkstemps, path, suffix);
}
LEAT_INTERPOSED int mkstemps64(char* path, int suffix) {
  return made(real::mkstemps64, path, suffix);
}
LEAT_INTERPOSED int mkostemps(char* path, int suffix, int flags) {
  return made(real::mkostemps, path, suffix, flags);
}
LEAT_INTERPOSED int mkostemps64(char* path, int suffix, int flags) {
  return made(real::mkostemps64, path, suffix, flags);
}
LEAT_INTERPOSED int shm_open(const char* name, int flags, mode_t mode) {
  return made(real::shm_open, name, flags, mode);
}
LEAT_INTERPOSED int memfd_create(const char* name, unsigned flags) noexcept {
  return made(real::memfd_create, name, flags);
}
LEAT_INTERPOSED int posix_openpt(int flags) {
  return made(real::posix_openpt, flags);
}

// Pipes and events.
LEAT_INTERPOSED int pipe(int fds[2]) noexcept {
  return made_pair(real::pipe, fds);
}
LEAT_INTERPOSED int pipe2(int fds[2], int flags) noexcept {
  return made_pair(real::pipe2, fds, flags);
}
LEAT_INTERPOSED int eventfd(unsigned count, int flags) noexcept {
  return made(real::eventfd, count, flags);
}
LEAT_INTERPOSED int timerfd_create(clockid_t clock, int flags) noexcept {
  return made(real::timerfd_create, clock, flags);
}
LEAT_INTERPOSED int signalfd(int fd, const sigset_t* mask, int flags) noexcept {
  const int result = real::signalfd(fd, mask, flags);
  if (fd < 0) descriptor_made(result);
  return result;
}
LEAT_INTERPOSED int inotify_init() noexcept {
  return made(real::inotify_init);
}
LEAT_INTERPOSED int inotify_init1(int flags) noexcept {
  return made(real::inotify_init1, flags);
}
LEAT_INTERPOSED int pidfd_open(pid_t process, unsigned flags) noexcept {
  return made(real::pidfd_open, process, flags);
}

LEAT_INTERPOSED FILE* freopen(const char* path, const char* mode, FILE* stream) {
  return reopened(stream, [=] { return real::freopen(path, mode, stream); });
}
LEAT_INTERPOSED FILE* freopen64(const char* path, const char* mode, FILE* stream) {
  return reopened(stream, [=] { return real::freopen64(path, mode, stream); });
}

// Streams and directories are opened and closed by the C library unseen, and read by it; a program
// that reads their descriptors itself asks for them here.
LEAT_INTERPOSED int fileno(FILE* stream) noexcept {
  return told(real::fileno(stream));
}
LEAT_INTERPOSED int fileno_unlocked(FILE* stream) noexcept {
  return told(real::fileno_unlocked(stream));
}
LEAT_INTERPOSED int dirfd(DIR* directory) noexcept {
  return told(real::dirfd(directory));
}
