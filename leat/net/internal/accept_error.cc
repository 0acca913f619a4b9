#include "leat/net/internal/accept_error.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <cerrno>
#include <system_error>

#include <fmt/format.h>

namespace leat::internal {

namespace {

/// Descriptors that this process has open; 0 if unknown. The folder's size is their number (since
/// Linux 6.2); to list it would need a descriptor, which is just what is missing.
long long open_descriptors() {
  struct stat status;
  return ::stat("/proc/self/fd", &status) == 0 ? static_cast<long long>(status.st_size) : 0;
}

std::string explain_descriptor_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const long long open = open_descriptors();
  return fmt::format(
      "{}the limit is {}, and ulimit -n, or LimitNOFILE= of its service, can raise it up to {}",
      open > 0 ? fmt::format("{} descriptors are open, ", open) : "", limit.rlim_cur,
      limit.rlim_max);
}

}  // namespace

AcceptError classify_accept_error(int number) {
  switch (number) {
    case EAGAIN:
      return AcceptError::kEmpty;
    case EINTR:
      return AcceptError::kInterrupted;
    // "Linux accept() passes already-pending network errors on the new socket as an error code
    // from accept()" (man 2 accept, with this list); EPERM comes from a firewall.
    case ECONNABORTED:
    case EPERM:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ECONNRESET:
    case ETIMEDOUT:
      return AcceptError::kConnection;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case ENOSPC:  // of the poller: fs.epoll.max_user_watches
      return AcceptError::kShortage;
    default:
      // EOPNOTSUPP, which is in that list too, also says that this is no listener.
      return AcceptError::kUnexpected;
  }
}

std::string explain_accept_error(int number) {
  const std::string what = std::generic_category().message(number);
  switch (number) {
    case EMFILE:
      return fmt::format("{} ({})", what, explain_descriptor_limit());
    case ENFILE:
      return fmt::format("{} (of all processes together; sysctl fs.file-max)", what);
    case ENOBUFS:
    case ENOMEM:
      return fmt::format(
          "{} (in the kernel, for sockets: sysctl net.ipv4.tcp_mem, memory.max of the cgroup)",
          what);
    case ENOSPC:
      return fmt::format("{} (sysctl fs.epoll.max_user_watches)", what);
    default:
      return what;
  }
}

}  // namespace leat::internal
