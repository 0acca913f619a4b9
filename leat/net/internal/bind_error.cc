#include "leat/net/internal/bind_error.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <optional>
#include <string>
#include <thread>

#include <fmt/format.h>

#include "leat/base/monotonic_time.h"
#include "leat/net/internal/port_holder.h"
#include "leat/net/internal/unix_path_guard.h"

namespace leat::internal {

namespace {

std::string who_holds_port(const InetAddress& address, bool reuse_address) {
  const std::optional<PortHolder> holder = find_port_holder(address);
  if (!holder) return "";
  if (holder->kind == PortHolder::Kind::kListener) {
    const bool own = holder->uid == ::geteuid();
    return fmt::format("held by {}uid {}", own ? "the same user, " : "", holder->uid);
  }
  return reuse_address ? "" : "old connections are in TIME_WAIT, and SO_REUSEADDR is off";
}

std::string who_holds_path(const InetAddress& address) {
  if (address.is_abstract()) return "the name is taken";
  struct stat status;
  const std::string path(address.path());
  if (::lstat(path.c_str(), &status) == 0 && !S_ISSOCK(status.st_mode)) {
    return "there is a file that is no socket";
  }
  return "somebody listens there";
}

/// The first port that needs no right (man 7 ip).
unsigned first_free_port() {
  unsigned port = IPPORT_RESERVED;
  std::ifstream("/proc/sys/net/ipv4/ip_unprivileged_port_start") >> port;
  return port;
}

bool lacks_scope(const InetAddress& address) {
  if (address.family() != InetAddress::Family::kIpv6 || address.scope_id() != 0) return false;
  const auto* in6 = reinterpret_cast<const sockaddr_in6*>(address.get());
  return IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr);
}

std::string hint(int number, const InetAddress& address, bool reuse_address) {
  if (!address.is_ip()) return number == EADDRINUSE ? who_holds_path(address) : "";
  switch (number) {
    case EADDRINUSE:
      return who_holds_port(address, reuse_address);
    case EADDRNOTAVAIL:
      return "no interface of this machine has the address";
    case EINVAL:
      return lacks_scope(address) ? "a link-local address needs a scope, as in [fe80::1%eth0]:80"
                                  : "";
    case EACCES:
      if (const unsigned start = first_free_port(); address.port() < start) {
        return fmt::format(
            "ports below {} need CAP_NET_BIND_SERVICE or a lower "
            "net.ipv4.ip_unprivileged_port_start",
            start);
      }
      return "";
    default:
      return "";
  }
}

}  // namespace

Error bind_error(int number, std::string_view call, const InetAddress& address,
                 bool reuse_address) {
  const std::string reason = hint(number, address, reuse_address);
  return Error::from_errno(number, fmt::format("{} {}{}", call, address.to_string(),
                                               reason.empty() ? "" : " (" + reason + ")"));
}

int bind_patiently(int socket, const InetAddress& address) {
  constexpr Duration kPatience = std::chrono::milliseconds(100);
  constexpr Duration kStep = std::chrono::milliseconds(20);
  const auto bind_once = [&] {
    return ::bind(socket, address.get(), address.size()) == 0 ? 0 : errno;
  };
  const MonotonicTime deadline = monotonic_now() + kPatience;
  for (;;) {
    int failed = bind_once();
    if (failed == EADDRINUSE && UnixPathGuard::remove_stale(address)) failed = bind_once();
    if (failed != EADDRINUSE || monotonic_now() >= deadline) return failed;
    std::this_thread::sleep_for(kStep);
  }
}

}  // namespace leat::internal
