// Internal: socket options that a ring cannot keep.
#pragma once

#include "leat/smc/fallback_reason.h"

namespace leat::preload {

/// Looks at the options of a socket before it is accelerated; kNone if none of them forbids it.
[[nodiscard]] smc::FallbackReason forbidden_by_options(int fd);
/// Whether setting this option, to anything but off, ends the use of rings.
[[nodiscard]] smc::FallbackReason forbidden_option(int level, int name);

}  // namespace leat::preload
