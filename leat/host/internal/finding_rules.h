// Internal: the rules behind find_misfits(), by what they look at.
#pragma once

#include <string>
#include <vector>

#include "leat/host/findings.h"

namespace leat::host::internal {

using Findings = std::vector<Finding>;

void check_cpus(const Inventory& inventory, Findings& findings);
void check_interrupts(const Inventory& inventory, const Device& device, Findings& findings);
void check_steering(const Inventory& inventory, const Device& device, Findings& findings);
void check_sockets(const Inventory& inventory, Findings& findings);

/// CPUs on which the device's receive interrupts really arrive.
[[nodiscard]] CpuSet interrupt_cpus(const Device& device);
/// How many receive queues have packets steered on by a flow table.
[[nodiscard]] std::size_t queues_with_flow_count(const Device& device);
[[nodiscard]] std::string queue_place(const Device& device, const char* kind, int index);

}  // namespace leat::host::internal
