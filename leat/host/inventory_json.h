// Public: an inventory and its findings for programs.
#pragma once

#include <string>
#include <vector>

#include "leat/host/findings.h"
#include "leat/host/inventory.h"
#include "leat/host/observation.h"

namespace leat::host {

/// One JSON object, described in docs/host.md. What could not be read is an object {"unreadable":
/// KIND, "why": TEXT, "right": RIGHT}, never 0; what the kernel does not tell or nobody asked for
/// is null. Bytes that are no UTF-8 become U+FFFD. `observed`
/// may be nullptr.
[[nodiscard]] std::string inventory_json(const Inventory& inventory,
                                         const std::vector<Finding>& findings,
                                         const Observation* observed = nullptr);

}  // namespace leat::host
