// Public: how often and how soon to try again.
#pragma once

#include <cstddef>

#include "leat/base/monotonic_time.h"

namespace leat {

/// The delays grow, so that a peer in trouble is left alone, and are scattered, so that many
/// clients that lost the same peer do not come back in step.
struct RetryOptions {
  bool enabled = false;
  Duration initial = std::chrono::milliseconds(100);  ///< The first delay, > 0.
  Duration maximum = std::chrono::seconds(30);        ///< The longest, with its jitter.
  double multiplier = 2;                              ///< Of each delay over the last one, >= 1.
  double jitter = 0.5;                                ///< Moves each by up to this part, 0 to 1.
  std::size_t max_attempts = 0;                       ///< In a row, with the first; 0: no end.
};

}  // namespace leat
