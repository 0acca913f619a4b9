// Internal: sorting addresses by what this machine's routes say.
#pragma once

#include <optional>
#include <vector>

#include "leat/net/inet_address.h"

namespace leat::internal {

/// The address from which this machine would talk to `peer`; none without a route. Asks the kernel
/// by connecting a UDP socket, which sends nothing and does not wait.
[[nodiscard]] std::optional<InetAddress> source_address(const InetAddress& peer);

/// In the order of RFC 6724; three system calls for each, unless there is only one.
void sort_by_preference(std::vector<InetAddress>& addresses);

}  // namespace leat::internal
