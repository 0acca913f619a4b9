// Internal: blocking calls of a test on a thread that may have an io_uring.
#pragma once

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "leat/base/unique_fd.h"
#include "leat/net/inet_address.h"

namespace leat::testing {

// Work of a ring (a descriptor that is let go, a cancelled request) interrupts its thread's
// blocking calls without any signal; those with SO_RCVTIMEO or SO_SNDTIMEO then fail with EINTR.

template <typename Call>
auto uninterrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

/// connect(), which goes on in the kernel when it was interrupted; errno is set if it failed.
inline bool uninterrupted_connect(const UniqueFd& socket, const InetAddress& peer) {
  constexpr int kLimitMs = 20'000;
  if (::connect(socket.get(), peer.get(), peer.size()) == 0) return true;
  if (errno != EINTR) return false;
  pollfd wanted{.fd = socket.get(), .events = POLLOUT, .revents = 0};
  static_cast<void>(uninterrupted([&] { return ::poll(&wanted, 1, kLimitMs); }));
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) return false;
  if (error == 0 && wanted.revents == 0) error = ETIMEDOUT;
  errno = error;
  return error == 0;
}

}  // namespace leat::testing
