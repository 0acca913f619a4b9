// Internal: from the begin of a frame to its network header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "leat/wire/dissect.h"
#include "leat/wire/link_type.h"

namespace leat::wire::internal {

/// What the link header says of what follows it.
struct NetworkHeader {
  std::size_t offset = 0;
  IpVersion version = IpVersion::kV4;
  bool outgoing = false;
};

/// kNone: there is at least one byte at `found.offset`, and it should be IP of that version.
[[nodiscard]] DissectFault find_network_header(std::span<const std::byte> frame, LinkType link,
                                               NetworkHeader& found);

}  // namespace leat::wire::internal
