// Public: how the addresses of one name are tried beside each other.
#pragma once

#include <chrono>
#include <cstddef>

#include "leat/base/monotonic_time.h"

namespace leat {

/// RFC 8305, section 8 names the defaults.
struct HappyEyeballsOptions {
  /// How long IPv4 addresses that came first wait for the IPv6 ones.
  Duration resolution_delay = std::chrono::milliseconds(50);
  /// From the start of one attempt to the start of the next while none has failed. Kept within
  /// 10 ms and 2 s; the RFC advises against less than 100 ms.
  Duration attempt_delay = std::chrono::milliseconds(250);
  /// So many addresses of the preferred family are tried before the families take turns; at
  /// least 1.
  std::size_t first_family_count = 1;
};

}  // namespace leat
