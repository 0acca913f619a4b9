// Internal: what a name of a host may look like; pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "leat/base/result.h"
#include "leat/net/inet_address.h"

namespace leat::internal {

/// An address in digits, with or without brackets if it is IPv6; none if `host` is no address.
[[nodiscard]] std::optional<InetAddress> literal_address(std::string_view host, std::uint16_t port);

/// Why `host` cannot be looked up; success if it can (HostPort::parse() has the rules).
[[nodiscard]] Result<void> check_host_name(std::string_view host);

/// "localhost", and all names below it (RFC 6761, section 6.3).
[[nodiscard]] bool is_localhost(std::string_view lower_case_name);

/// In lower case; ASCII only, whatever the locale.
[[nodiscard]] std::string to_lower(std::string_view text);

}  // namespace leat::internal
