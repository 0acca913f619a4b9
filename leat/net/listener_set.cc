#include "leat/net/listener_set.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace leat {

namespace {

constexpr int kFirstOfSystemd = 3;  // SD_LISTEN_FDS_START

Result<int> read_option(int socket, int option, const char* name) {
  int value = 0;
  socklen_t size = sizeof value;
  if (::getsockopt(socket, SOL_SOCKET, option, &value, &size) == 0) return value;
  return Error::from_errno(errno, fmt::format("getsockopt {} of descriptor {}", name, socket));
}

/// The descriptor's flags are this process's, O_NONBLOCK is the socket's own.
Result<void> set_flags(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
      ::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
    return Error::from_errno(errno, fmt::format("fcntl of descriptor {}", fd));
  }
  return {};
}

Result<ListenerSocket::Kind> kind_of(int fd) {
  const Result<int> type = read_option(fd, SO_TYPE, "SO_TYPE");
  if (!type) return type.error();
  const Result<int> protocol = read_option(fd, SO_PROTOCOL, "SO_PROTOCOL");
  if (!protocol) return protocol.error();
  if (*type == SOCK_DGRAM && *protocol == IPPROTO_UDP) return ListenerSocket::Kind::kUdp;
  const Result<int> listens = read_option(fd, SO_ACCEPTCONN, "SO_ACCEPTCONN");
  if (!listens) return listens.error();
  if (*type == SOCK_STREAM && *listens != 0) return ListenerSocket::Kind::kStream;
  return Error::invalid_argument(
      fmt::format("descriptor {} is neither a listening stream socket nor a UDP socket", fd));
}

std::optional<std::size_t> parse_count(std::string_view text) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string take_variable(const char* name) {
  const char* value = std::getenv(name);
  std::string text = value == nullptr ? "" : value;
  ::unsetenv(name);
  return text;
}

/// The part before the next colon, which is removed.
std::string next_name(std::string_view& names) {
  const std::size_t end = std::min(names.find(':'), names.size());
  std::string name(names.substr(0, end));
  names.remove_prefix(std::min(end + 1, names.size()));
  return name;
}

bool same_ip(const InetAddress& a, const InetAddress& b) {
  return a.is_ip() && b.is_ip() && a.host() == b.host();
}

}  // namespace

Result<ListenerSocket> ListenerSocket::inspect(UniqueFd fd) {
  Result<Kind> kind = kind_of(fd.get());
  if (!kind) return std::move(kind).error();
  Result<InetAddress> address = InetAddress::local_of(fd.get());
  if (!address) return std::move(address).error();
  if (Result<void> set = set_flags(fd.get()); !set) return std::move(set).error();
  ListenerSocket socket;
  socket.fd = std::move(fd);
  socket.kind = *kind;
  socket.address = *address;
  return socket;
}

Result<ListenerSet> ListenerSet::from_systemd() {
  const std::string process = take_variable("LISTEN_PID");
  const std::string count_text = take_variable("LISTEN_FDS");
  const std::string names_text = take_variable("LISTEN_FDNAMES");
  ListenerSet set;
  // Without LISTEN_PID, or with another, they were meant for a parent.
  if (count_text.empty() || process != std::to_string(::getpid())) return set;
  const std::optional<std::size_t> count = parse_count(count_text);
  if (!count || *count > kMostSockets) {
    return Error::invalid_argument(fmt::format("LISTEN_FDS '{}'", count_text));
  }
  // All are this process's from now on, also if one of them makes no sense.
  std::vector<UniqueFd> passed;
  passed.reserve(*count);
  for (std::size_t i = 0; i < *count; ++i) {
    passed.emplace_back(kFirstOfSystemd + static_cast<int>(i));
  }
  std::string_view names = names_text;
  for (UniqueFd& fd : passed) {
    const std::string name = next_name(names);
    Result<ListenerSocket> socket = ListenerSocket::inspect(std::move(fd));
    if (!socket) {
      return Error(socket.error().code(),
                   fmt::format("LISTEN_FDS, '{}': {}", name, socket.error().context()));
    }
    socket->name = name;
    socket->removes_path = false;
    set.add(*std::move(socket));
  }
  return set;
}

std::vector<ListenerSocket> ListenerSet::take(Kind kind, const InetAddress& address) {
  InetAddress wanted = address;
  if (address.is_ip() && address.port() == 0) {
    const auto found = std::find_if(sockets_.begin(), sockets_.end(), [&](const auto& socket) {
      return socket.kind == kind && same_ip(socket.address, address);
    });
    if (found == sockets_.end()) return {};
    wanted = found->address;
  }
  std::vector<ListenerSocket> taken;
  std::vector<ListenerSocket> left;
  for (ListenerSocket& socket : sockets_) {
    const bool matches = socket.kind == kind && socket.address == wanted;
    (matches ? taken : left).push_back(std::move(socket));
  }
  sockets_ = std::move(left);
  return taken;
}

std::vector<InetAddress> ListenerSet::addresses(Kind kind) const {
  std::vector<InetAddress> result;
  for (const ListenerSocket& socket : sockets_) {
    if (socket.kind != kind) continue;
    if (std::find(result.begin(), result.end(), socket.address) == result.end()) {
      result.push_back(socket.address);
    }
  }
  return result;
}

}  // namespace leat
