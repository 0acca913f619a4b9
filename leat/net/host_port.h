// Public: a host, by name or address, and a port on it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "leat/base/result.h"

namespace leat {

/// A value. Nothing is looked up here; see Resolver and TcpClient.
struct HostPort {
  /// "example.org", "192.0.2.1", "2001:db8::1", "fe80::1%eth0"; an IPv6 address without brackets.
  std::string host;
  std::uint16_t port = 0;

  /// Reads "example.org:443", "192.0.2.1:443" and "[2001:db8::1]:443". The host must be an address
  /// in digits or a name as RFC 1123 has them, with underscores allowed: up to 253 characters,
  /// labels of up to 63, the last one not a number; a dot at the end is allowed, and means that
  /// search domains are not tried. Names in other scripts are written in their xn-- form.
  [[nodiscard]] static Result<HostPort> parse(std::string_view text);

  /// What parse() reads back.
  [[nodiscard]] std::string to_string() const;

  friend bool operator==(const HostPort&, const HostPort&) = default;
};

}  // namespace leat
