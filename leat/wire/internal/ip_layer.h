// Internal: from the begin of an IP packet to what it carries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "leat/wire/dissect.h"

namespace leat::wire::internal {

/// IANA's protocol numbers that the dissector has to know.
enum Protocol : std::uint8_t {
  kHopByHop = 0,
  kTcp = 6,
  kUdp = 17,
  kRouting = 43,
  kFragment = 44,
  kAuthentication = 51,
  kDestinationOptions = 60,
};

/// A walk through the headers of one packet. `at` never passes `end`.
///
///     | fixed header | options, extension headers | payload      | padding of the link |
///                     at ->                                       end
///     |<---------- packet.size(): what was captured, more or less than `end` ------...
struct IpWalk {
  std::span<const std::byte> packet;
  std::size_t at = 0;
  std::size_t end = 0;  ///< Where the packet ends by IP's own length.

  [[nodiscard]] const std::byte* data() const { return packet.data() + at; }
  /// Whether the next `size` bytes are part of the packet, and were captured.
  [[nodiscard]] bool has(std::size_t size) const {
    return size <= end - at && at <= packet.size() && size <= packet.size() - at;
  }
};

/// Reads what begins at `walk.packet`, which is not empty, and fills the key's addresses and
/// protocol. The packet was `wire_length` bytes long when it came, its link's padding included.
/// kNone: `walk.at` is behind all headers that belong to IP, and within the captured bytes.
[[nodiscard]] DissectFault walk_ipv4(IpWalk& walk, std::size_t wire_length, Dissection& found);
[[nodiscard]] DissectFault walk_ipv6(IpWalk& walk, std::size_t wire_length, Dissection& found);

/// Steps over an AH (RFC 4302, 2) and says in `next` what follows it.
[[nodiscard]] DissectFault skip_authentication(IpWalk& walk, std::uint8_t& next);

}  // namespace leat::wire::internal
