// Public: the CPUs that a receive queue spreads its packets over (RPS).
#pragma once

#include <cstdint>
#include <vector>

#include "leat/base/cpu_set.h"
#include "leat/base/result.h"
#include "leat/steering/reciprocal_scale.h"

namespace leat::steering {

/// rps_cpus of one queue, as the kernel keeps it: an array of those CPUs that were online when it
/// was made, ascending. A CPU that comes online later is not in it. A value.
///
///     hash   0 ........ 2^32/3 ....... 2*2^32/3 ....... 2^32
///            |  cpus_[0]  |   cpus_[1]   |   cpus_[2]   |
class RpsMap {
 public:
  /// Empty: no spreading.
  RpsMap() = default;
  /// `cpus` are the possible CPUs 0 ... cpus - 1. A mask with one above fails with EOVERFLOW, as
  /// writing rps_cpus does; one with members of which none is online fails with EINVAL.
  [[nodiscard]] static Result<RpsMap> create(const CpuSet& mask, const CpuSet& online, int cpus);

  [[nodiscard]] bool empty() const { return cpus_.empty(); }
  [[nodiscard]] const std::vector<int>& cpus() const { return cpus_; }
  /// The CPU for a hash; the map must not be empty.
  [[nodiscard]] int cpu_for(std::uint32_t hash) const {
    return cpus_[reciprocal_scale(hash, static_cast<std::uint32_t>(cpus_.size()))];
  }

 private:
  std::vector<int> cpus_;
};

}  // namespace leat::steering
