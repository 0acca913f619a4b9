// Internal: whether listeners can be chosen by the CPU that receives, and that they are.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "leat/base/result.h"

namespace leat::internal {

class ServerLoop;

/// The one CPU of each loop's thread, in the order of the loops. An error says which loop has none
/// of its own. Asks each loop, and waits for it.
[[nodiscard]] Result<std::vector<int>> cpus_of_loops(
    std::span<const std::shared_ptr<ServerLoop>> loops);

/// Opens a group of listeners on loopback with the program of choose_by_cpu(), lets each loop
/// connect to it from its own thread, and looks which listener got the connection. On loopback the
/// kernel receives on the CPU that sends, unless RPS is set there; so what is compared is the CPU
/// that the accepted socket says it came by (SO_INCOMING_CPU). An error says what went otherwise.
[[nodiscard]] Result<void> verify_choice_by_cpu(std::span<const std::shared_ptr<ServerLoop>> loops,
                                                std::span<const int> cpus);

}  // namespace leat::internal
