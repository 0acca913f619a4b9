// Internal: what each CPU has done for the network.
#pragma once

#include <vector>

#include "leat/host/inventory.h"

namespace leat::host::internal {

/// From /proc/net/softnet_stat, and /proc/softirqs where that can be read.
[[nodiscard]] Result<std::vector<CpuWork>> read_cpu_work(sys::Machine& machine);

}  // namespace leat::host::internal
