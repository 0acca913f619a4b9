#include "leat/net/inet_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <functional>

#include <fmt/format.h>

#include "leat/base/assert.h"
#include "leat/base/internal/text_cursor.h"

namespace leat {

namespace {

constexpr std::size_t kPathOffset = offsetof(sockaddr_un, sun_path);
constexpr std::size_t kPathRoom = sizeof(sockaddr_un::sun_path);
static_assert(kPathRoom == 108, "man 7 unix");

void append_escaped(std::string& out, std::string_view name, bool abstract) {
  bool first = true;
  for (const char c : name) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c < ' ' || c > '~' || (first && c == '@' && !abstract)) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
    first = false;
  }
}

template <typename GetName>
Result<InetAddress> name_of(int socket, const char* what, GetName get_name) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  if (get_name(socket, address, &size) != 0) return Error::from_errno(errno, what);
  return InetAddress::from_sockaddr(address, size);
}

}  // namespace

InetAddress::InetAddress() : size_(sizeof(sockaddr_in)) {
  std::memset(&address_, 0, sizeof address_);
  address_.in.sin_family = AF_INET;
}

InetAddress InetAddress::any(std::uint16_t port, Family family) {
  LEAT_ASSERT(family != Family::kUnix, "there is no such Unix address");
  InetAddress address;
  if (family == Family::kIpv6) {
    address.address_.in6.sin6_family = AF_INET6;
    address.size_ = sizeof(sockaddr_in6);
  }
  address.set_port(port);
  return address;
}

InetAddress InetAddress::loopback(std::uint16_t port, Family family) {
  InetAddress address = any(port, family);
  if (family == Family::kIpv6) {
    address.address_.in6.sin6_addr = in6addr_loopback;
  } else {
    address.address_.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  }
  return address;
}

Result<InetAddress> InetAddress::unix_path(std::string_view path) {
  const auto refuse = [path](const char* problem) {
    return Error::invalid_argument(
        fmt::format("Unix path {}: {}", internal::quoted(path), problem));
  };
  if (path.empty()) return refuse("empty");
  if (path.size() > kPathRoom) return refuse("longer than 108 bytes");
  if (path.find('\0') != path.npos) return refuse("has a NUL byte");
  InetAddress address;
  address.set_unix(path, false);
  return address;
}

Result<InetAddress> InetAddress::unix_abstract(std::string_view name) {
  if (name.size() > kPathRoom - 1) {
    return Error::invalid_argument(
        fmt::format("abstract name {}: longer than 107 bytes", internal::quoted(name)));
  }
  InetAddress address;
  address.set_unix(name, true);
  return address;
}

void InetAddress::set_unix(std::string_view name, bool abstract) {
  std::memset(&address_, 0, sizeof address_);
  address_.un.sun_family = AF_UNIX;
  if (!name.empty())
    std::memcpy(address_.un.sun_path + (abstract ? 1 : 0), name.data(), name.size());
  // With an abstract name one byte more for the NUL in front, with a path for the one behind,
  // which Linux does without if there is no room for it.
  const bool unnamed = name.empty() && !abstract;
  const std::size_t used = unnamed ? 0 : std::min(name.size() + 1, kPathRoom);
  size_ = static_cast<socklen_t>(kPathOffset + used);
}

Result<InetAddress> InetAddress::from_sockaddr(const sockaddr* address, socklen_t size) {
  InetAddress result;
  const auto fits = [size](std::size_t wanted) { return size >= wanted; };
  if (!fits(sizeof(sa_family_t))) return Error::invalid_argument("an address without a family");
  sa_family_t family;
  std::memcpy(&family, address, sizeof family);
  if (family == AF_INET && fits(sizeof(sockaddr_in))) {
    sockaddr_in in;
    std::memcpy(&in, address, sizeof in);
    result.address_.in.sin_port = in.sin_port;
    result.address_.in.sin_addr = in.sin_addr;
    return result;
  }
  if (family == AF_INET6 && fits(sizeof(sockaddr_in6))) {
    result.size_ = sizeof(sockaddr_in6);
    std::memcpy(&result.address_.in6, address, sizeof(sockaddr_in6));
    result.address_.in6.sin6_flowinfo = 0;
    return result;
  }
  if (family == AF_UNIX) {
    // Linux also gives paths of 108 bytes, with a size that counts the missing NUL (man 7 unix).
    const char* name = reinterpret_cast<const char*>(address) + kPathOffset;
    const std::size_t length = std::min(size - std::min<std::size_t>(size, kPathOffset), kPathRoom);
    const bool abstract = length > 0 && name[0] == '\0';
    result.set_unix(abstract ? std::string_view(name + 1, length - 1)
                             : std::string_view(name, ::strnlen(name, length)),
                    abstract);
    return result;
  }
  return Error::from_errno(EAFNOSUPPORT,
                           fmt::format("address of family {} and {} bytes", family, size));
}

Result<InetAddress> InetAddress::local_of(int socket) {
  return name_of(socket, "getsockname", ::getsockname);
}

Result<InetAddress> InetAddress::peer_of(int socket) {
  return name_of(socket, "getpeername", ::getpeername);
}

InetAddress::Family InetAddress::family() const {
  switch (address_.sa.sa_family) {
    case AF_INET:
      return Family::kIpv4;
    case AF_INET6:
      return Family::kIpv6;
    default:
      return Family::kUnix;
  }
}

InetAddress InetAddress::unmapped() const {
  if (family() != Family::kIpv6 || !IN6_IS_ADDR_V4MAPPED(&address_.in6.sin6_addr)) return *this;
  InetAddress result = any(port());
  std::memcpy(&result.address_.in.sin_addr, address_.in6.sin6_addr.s6_addr + 12, 4);
  return result;
}

bool InetAddress::is_loopback() const {
  if (family() == Family::kIpv6 && IN6_IS_ADDR_LOOPBACK(&address_.in6.sin6_addr)) return true;
  const InetAddress plain = unmapped();
  return plain.family() == Family::kIpv4 &&
         (ntohl(plain.address_.in.sin_addr.s_addr) >> 24) == IN_LOOPBACKNET;
}

bool InetAddress::is_any() const {
  if (family() == Family::kIpv6) return IN6_IS_ADDR_UNSPECIFIED(&address_.in6.sin6_addr);
  return family() == Family::kIpv4 && address_.in.sin_addr.s_addr == htonl(INADDR_ANY);
}

std::uint16_t InetAddress::port() const {
  // The port lies at the same place in both.
  static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
  return is_ip() ? ntohs(address_.in.sin_port) : std::uint16_t{0};
}

void InetAddress::set_port(std::uint16_t port) {
  if (is_ip()) address_.in.sin_port = htons(port);
}

std::uint32_t InetAddress::scope_id() const {
  return family() == Family::kIpv6 ? address_.in6.sin6_scope_id : 0;
}

bool InetAddress::is_abstract() const {
  return !is_ip() && size_ > kPathOffset && address_.un.sun_path[0] == '\0';
}

std::string_view InetAddress::path() const {
  if (is_ip()) return {};
  const std::size_t length = size_ - kPathOffset;
  if (is_abstract()) return {address_.un.sun_path + 1, length - 1};
  return {address_.un.sun_path, ::strnlen(address_.un.sun_path, length)};
}

std::string InetAddress::host() const {
  if (!is_ip()) return to_string();
  char text[INET6_ADDRSTRLEN];
  const bool ipv6 = family() == Family::kIpv6;
  const void* bytes = ipv6 ? static_cast<const void*>(&address_.in6.sin6_addr)
                           : static_cast<const void*>(&address_.in.sin_addr);
  ::inet_ntop(domain(), bytes, text, sizeof text);
  std::string host = text;
  if (scope_id() != 0) host += fmt::format("%{}", scope_id());
  return host;
}

std::string InetAddress::to_string() const {
  switch (family()) {
    case Family::kIpv4:
      return fmt::format("{}:{}", host(), port());
    case Family::kIpv6:
      return fmt::format("[{}]:{}", host(), port());
    case Family::kUnix:
      break;
  }
  std::string text = is_abstract() ? "unix:@" : "unix:";
  append_escaped(text, path(), is_abstract());
  return text;
}

std::size_t InetAddress::hash() const {
  return std::hash<std::string_view>()({reinterpret_cast<const char*>(&address_), size_});
}

bool operator==(const InetAddress& a, const InetAddress& b) {
  return a.size_ == b.size_ && std::memcmp(&a.address_, &b.address_, a.size_) == 0;
}

}  // namespace leat
