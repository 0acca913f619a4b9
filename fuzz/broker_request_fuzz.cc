// What a process on this host may send to the broker.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "leat/smc/internal/broker_protocol.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace leat::smc::internal;
  const auto request = parse_request(std::as_bytes(std::span(data, size)));
  if (!request) return 0;
  // What is let through cannot index outside the page, nor ask for more than a ring may have.
  if (request->slot >= leat::smc::kConnectionSlots && request->ask == Ask::kOffer) std::abort();
  if (request->ask == Ask::kOffer && ring_within_bounds(request->big_ring) != request->big_ring) {
    std::abort();
  }
  if (request->seconds > kMostHoldSeconds) std::abort();
  return 0;
}
