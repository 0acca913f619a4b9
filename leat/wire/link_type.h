// Public: what a captured frame begins with.
#pragma once

#include <cstdint>

namespace leat::wire {

/// The LINKTYPE_ values of https://www.tcpdump.org/linktypes.html that Leat dissects. A trace may
/// carry any other number; dissect() then says kUnknownLink.
enum class LinkType : std::uint16_t {
  kEthernet = 1,
  kRawBsd = 12,  ///< DLT_RAW of most systems, where a file was written with it: as kRaw.
  kRaw = 101,    ///< An IP packet; its first four bits tell the version.
  kLinuxSll = 113,
  kIpv4 = 228,
  kIpv6 = 229,
  kLinuxSll2 = 276,
};

}  // namespace leat::wire
