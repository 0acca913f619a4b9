#include "leat/steering/rps_map.h"

#include <cerrno>

namespace leat::steering {

Result<RpsMap> RpsMap::create(const CpuSet& mask, const CpuSet& online, int cpus) {
  RpsMap map;
  for (const int cpu : mask) {
    if (cpu >= cpus) {
      return Error::from_errno(EOVERFLOW, "rps_cpus " + mask.to_mask() + ": the last CPU is " +
                                              std::to_string(cpus - 1));
    }
    if (online.contains(cpu)) map.cpus_.push_back(cpu);
  }
  if (map.empty() && !mask.empty()) {
    return Error::invalid_argument("rps_cpus " + mask.to_mask() + ": none of them is online");
  }
  return map;
}

}  // namespace leat::steering
