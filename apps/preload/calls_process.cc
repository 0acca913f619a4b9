// The C library's calls that make processes.

#include <errno.h>

#include "apps/preload/connection_pool.h"
#include "apps/preload/epoll_sets.h"
#include "apps/preload/lifecycle.h"
#include "apps/preload/process.h"
#include "apps/preload/raw.h"
#include "apps/preload/real.h"

using namespace leat::preload;

namespace {

template <typename Fork>
pid_t fork_by(Fork call) {
  ConnectionPool::before_fork();
  EpollSets::before_fork();
  const pid_t child = call();
  EpollSets::after_fork(child == 0);
  if (child == 0) Process::forked();
  if (child < 0) {
    const int error = errno;
    ConnectionPool::fork_failed();
    errno = error;
  }
  return child;
}

}  // namespace

LEAT_INTERPOSED pid_t fork() noexcept {
  return fork_by([] { return real::fork(); });
}

LEAT_INTERPOSED pid_t __libc_fork() noexcept {
  return fork();
}

LEAT_INTERPOSED int forkpty(int* leader, char* name, const termios* settings,
                            const winsize* size) noexcept {
  const pid_t child = fork_by([=] { return real::forkpty(leader, name, settings, size); });
  if (child > 0) descriptor_made(*leader);
  return child;
}

// Forks within the C library; it is the child that returns, whatever the result is.
LEAT_INTERPOSED int daemon(int stays, int keeps) noexcept {
  const int parent = raw::process_id();
  int result = 0;
  fork_by([&] {
    result = real::daemon(stays, keeps);
    const int error = errno;
    const bool in_child = raw::process_id() != parent;
    errno = error;
    return in_child ? 0 : -1;
  });
  return result;
}

LEAT_INTERPOSED pid_t _Fork() noexcept {
  return fork_by([] { return real::_Fork(); });
}
