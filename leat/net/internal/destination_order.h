// Internal: which of several addresses to prefer, by RFC 6724, section 6; pure.
#pragma once

#include <optional>
#include <vector>

#include "leat/net/inet_address.h"

namespace leat::internal {

/// An address and the one from which this machine would talk to it; none if it has no way there.
struct Destination {
  InetAddress address;
  std::optional<InetAddress> source;
};

/// Best first, by the rules 1, 2, 5, 6, 8 and 9 and the RFC's own policy table (section 2.1).
/// Rules 3, 4 and 7 want to know of deprecated, home and tunnelled sources, which the kernel's
/// choice of the source has weighed already; rule 9 is for IPv6 only, since among IPv4 addresses a
/// common prefix says nothing. Equals keep their order (rule 10). IPv4 and IPv6 only.
void order_destinations(std::vector<Destination>& destinations);

}  // namespace leat::internal
