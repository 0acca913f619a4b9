// Internal: one random schedule of two ends, from its seed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tests/smc/simulation_world.h"

namespace leat::smc::sim {

/// What went wrong: a byte lost, doubled or out of its place, a stream that does not end, a
/// receiver asleep for ever beside its bytes. Nothing, if all was well.
[[nodiscard]] std::optional<std::string> run_schedule(std::uint64_t seed,
                                                      Bug put_back = Bug::kNone);

}  // namespace leat::smc::sim
