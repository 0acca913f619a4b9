// Public: a socket's address: IPv4, IPv6 with scope, Unix path or abstract name.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "leat/base/result.h"

namespace leat {

/// A value; copies freely (it is the kernel's sockaddr, 116 bytes). Thread-safe as any value.
class InetAddress {
 public:
  enum class Family { kIpv4, kIpv6, kUnix };

  /// 0.0.0.0:0.
  InetAddress();

  /// Reads
  ///     "127.0.0.1:80"  "[::1]:80"  "[fe80::1%eth0]:80"  "[fe80::1%2]:80"
  ///     "*:80" and ":80" (any IPv6 and IPv4 address)  "localhost:80" (127.0.0.1; no look-up)
  ///     "unix:/run/x.sock"  "unix:relative.sock"  "unix:@abstract"
  /// In Unix paths and names `\\` is one backslash and `\xHH` the byte HH.
  /// The error says what is wrong and at which column (from 1). Names other than localhost are
  /// refused: looking them up would block. So is an interface that does not exist.
  [[nodiscard]] static Result<InetAddress> parse(std::string_view text);

  [[nodiscard]] static InetAddress any(std::uint16_t port, Family family = Family::kIpv4);
  [[nodiscard]] static InetAddress loopback(std::uint16_t port, Family family = Family::kIpv4);
  /// `path` of 1 to 108 bytes without NUL; with 108 there is no NUL behind it either.
  [[nodiscard]] static Result<InetAddress> unix_path(std::string_view path);
  /// `name` of up to 107 bytes, any of them (man 7 unix).
  [[nodiscard]] static Result<InetAddress> unix_abstract(std::string_view name);
  /// From what the kernel filled in. Fails on families other than the three.
  [[nodiscard]] static Result<InetAddress> from_sockaddr(const sockaddr* address, socklen_t size);

  /// The local and the remote address of a socket. A Unix socket without a name has an empty path
  /// and is not abstract; only its to_string(), "unix:", is not read back by parse().
  [[nodiscard]] static Result<InetAddress> local_of(int socket);
  [[nodiscard]] static Result<InetAddress> peer_of(int socket);

  [[nodiscard]] Family family() const;
  /// AF_INET, AF_INET6 or AF_UNIX.
  [[nodiscard]] int domain() const { return address_.sa.sa_family; }
  [[nodiscard]] bool is_ip() const { return family() != Family::kUnix; }
  /// 127.0.0.0/8, ::1, or the former mapped into IPv6.
  [[nodiscard]] bool is_loopback() const;
  /// 0.0.0.0 or ::.
  [[nodiscard]] bool is_any() const;
  /// An IPv4 address mapped into IPv6 (::ffff:127.0.0.1, what an IPv6 listener shows of an IPv4
  /// client) as plain IPv4; any other as it is.
  [[nodiscard]] InetAddress unmapped() const;
  /// In host order; 0 for Unix.
  [[nodiscard]] std::uint16_t port() const;
  /// Nothing for Unix.
  void set_port(std::uint16_t port);
  /// The interface index of an IPv6 link-local address; 0 if none.
  [[nodiscard]] std::uint32_t scope_id() const;
  /// A Unix path, or an abstract name without what stands for '@'; empty for anything else.
  [[nodiscard]] std::string_view path() const;
  [[nodiscard]] bool is_abstract() const;

  /// Without the port: "127.0.0.1", "fe80::1%2"; for Unix the same as to_string().
  [[nodiscard]] std::string host() const;
  /// What parse() reads back. Printable: other bytes of Unix paths and names are escaped.
  [[nodiscard]] std::string to_string() const;

  [[nodiscard]] const sockaddr* get() const { return &address_.sa; }
  [[nodiscard]] socklen_t size() const { return size_; }

  [[nodiscard]] std::size_t hash() const;
  /// All of it counts: family, address, scope, port or path.
  friend bool operator==(const InetAddress& a, const InetAddress& b);

 private:
  void set_unix(std::string_view name, bool abstract);

  // Every byte that no field needs is zero, so addresses compare as bytes.
  union {
    sockaddr sa;
    sockaddr_in in;
    sockaddr_in6 in6;
    sockaddr_un un;
  } address_;
  socklen_t size_;
};

}  // namespace leat

template <>
struct std::hash<leat::InetAddress> {
  std::size_t operator()(const leat::InetAddress& address) const { return address.hash(); }
};
