// Public: what the HTTP connections of one loop have done so far.
#pragma once

#include <array>

#include "leat/base/counter.h"

namespace leat::http {

/// Written by the loop, readable from any thread while it runs.
struct HttpCounters {
  Counter requests;                  ///< Heads understood.
  Counter rejected;                  ///< Requests answered by the server itself for a fault.
  Counter timeouts;                  ///< Of these, for taking too long (408).
  std::array<Counter, 6> responses;  ///< By the status' first digit, 1 to 5.
};

}  // namespace leat::http
