// The C library's calls that make sockets, connect, listen, accept, shut and tune them.

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "apps/preload/epoll_sets.h"
#include "apps/preload/fold.h"
#include "apps/preload/held.h"
#include "apps/preload/lane_lock.h"
#include "apps/preload/lifecycle.h"
#include "apps/preload/options.h"
#include "apps/preload/real.h"
#include "apps/preload/send.h"

using namespace leat::preload;

namespace {

// A reset, whatever lies in rings. The socket stays what it is, in epoll sets too, and every
// descriptor of it is to be looked at anew.
int disconnect(Connection& connection, int fd, const sockaddr* name, socklen_t size) {
  const bool is_shared = connection.is_shared();
  if (is_shared) {
    connection.mine().flags.fetch_or(leat::smc::kFlagReset | leat::smc::kFlagFoldOutput,
                                     std::memory_order_acq_rel);
  }
  const int result = real::connect(fd, name, size);
  const int error = errno;
  if (is_shared) wake_by_futex(connection);
  if (result == 0) {
    // Its cookie may be known to the broker: a new connection of it would get the old segment.
    connection.pin(leat::smc::FallbackReason::kNotEstablished);
    EpollSets::disconnected(connection);
    for (int other = 0; other < DescriptorTable::end(); ++other) {
      if (DescriptorTable::replace(other, reinterpret_cast<std::uintptr_t>(&connection),
                                   DescriptorTable::kConnecting)) {
        connection.drop_descriptor();
      }
    }
  }
  errno = error;
  return result;
}

}  // namespace

LEAT_INTERPOSED int socket(int domain, int type, int protocol) noexcept {
  const int fd = real::socket(domain, type, protocol);
  descriptor_made(fd);
  return fd;
}

LEAT_INTERPOSED int socketpair(int domain, int type, int protocol, int fds[2]) noexcept {
  const int result = real::socketpair(domain, type, protocol, fds);
  if (result == 0) {
    descriptor_made(fds[0]);
    descriptor_made(fds[1]);
  }
  return result;
}

// Who connects is remembered: the kernel counts its SYN as a byte. AF_UNSPEC takes a connection
// apart, after which the descriptor is a new socket as far as rings are concerned.
LEAT_INTERPOSED int connect(int fd, const sockaddr* name, socklen_t size) {
  {
    const Held held(fd);
    if (held && name != nullptr && size >= sizeof(sa_family_t) && name->sa_family == AF_UNSPEC) {
      return disconnect(*held, fd, name, size);
    }
    if (held) return real::connect(fd, name, size);
  }
  descriptor_changed(fd, DescriptorTable::kConnecting);
  return real::connect(fd, name, size);
}

LEAT_INTERPOSED int __connect(int fd, const sockaddr* name, socklen_t size) {
  return connect(fd, name, size);
}

LEAT_INTERPOSED int listen(int fd, int backlog) noexcept {
  const int result = real::listen(fd, backlog);
  if (result == 0) descriptor_changed(fd, DescriptorTable::kOther);
  return result;
}

LEAT_INTERPOSED int accept(int fd, sockaddr* name, socklen_t* size) {
  const int made = real::accept(fd, name, size);
  descriptor_made(made, DescriptorTable::kAccepted);
  return made;
}

LEAT_INTERPOSED int accept4(int fd, sockaddr* name, socklen_t* size, int flags) {
  const int made = real::accept4(fd, name, size, flags);
  descriptor_made(made, DescriptorTable::kAccepted);
  return made;
}

LEAT_INTERPOSED int shutdown(int fd, int how) noexcept {
  const Held held(fd);
  if (!held || !held->is_shared() || how == SHUT_RD) return real::shutdown(fd, how);
  held->mine().flags.fetch_or(leat::smc::kFlagWriteShut, std::memory_order_acq_rel);
  // So that the FIN comes behind all bytes, and none goes into a ring after it.
  (void)fold_output(*held, fd);
  const int result = real::shutdown(fd, how);
  const int error = errno;
  wake_by_futex(*held);
  errno = error;
  return result;
}

LEAT_INTERPOSED int setsockopt(int fd, int level, int name, const void* value,
                               socklen_t size) noexcept {
  const auto reason = forbidden_option(level, name);
  const bool is_off = value != nullptr && size >= sizeof(int) && name != SO_PEEK_OFF &&
                      *static_cast<const int*>(value) == 0;
  if (reason != leat::smc::FallbackReason::kNone && !is_off) {
    const Held held(fd);
    if (held) fold_for_good(*held, fd, reason);
  }
  const int result = real::setsockopt(fd, level, name, value, size);
  if (result == 0 && level == SOL_SOCKET && name == SO_RCVLOWAT && size >= sizeof(int)) {
    const Held held(fd);
    const int wanted = *static_cast<const int*>(value);
    if (held) {
      held->low_water.store(wanted > 1 ? wanted : 1, std::memory_order_relaxed);
      if (held->is_shared()) held->hear_single_bytes(fd);
    }
  }
  if (result == 0 && level == IPPROTO_TCP && name == TCP_NODELAY && size >= sizeof(int)) {
    const Held held(fd);
    if (held && held->is_shared()) {
      held->no_delay.store(is_off ? 0 : 1, std::memory_order_relaxed);
      held->ring_at_once(fd);
    }
  }
  return result;
}

LEAT_INTERPOSED int getsockopt(int fd, int level, int name, void* value, socklen_t* size) noexcept {
  const int result = real::getsockopt(fd, level, name, value, size);
  if (result == 0 && level == IPPROTO_TCP && name == TCP_NODELAY && *size >= sizeof(int)) {
    Connection* const connection = DescriptorTable::known(fd);
    if (connection != nullptr && connection->is_shared()) {
      *static_cast<int*>(value) = connection->no_delay.load(std::memory_order_relaxed);
    }
  }
  if (result != 0 || level != SOL_SOCKET || (name != SO_ERROR && name != SO_RCVLOWAT) ||
      *size < sizeof(int)) {
    return result;
  }
  Connection* const connection = DescriptorTable::known(fd);
  if (name == SO_RCVLOWAT) {
    if (connection != nullptr && connection->is_shared()) {
      *static_cast<int*>(value) = connection->low_water.load(std::memory_order_relaxed);
    }
    return result;
  }
  // An error that we met before the rings were empty is still to be told.
  if (connection != nullptr && *static_cast<int*>(value) == 0) {
    *static_cast<int*>(value) = connection->pending_error.exchange(0, std::memory_order_relaxed);
  }
  return result;
}
