// Public: the receive queue whose interrupt is nearest to each CPU (aRFS's rx_cpu_rmap).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "leat/base/cpu_set.h"
#include "leat/base/topology.h"

namespace leat::steering {

/// The kernel's cpu_rmap: it changes as interrupts get CPUs, in the order in which they do, and a
/// CPU keeps its queue until that queue leaves or a nearer one comes. So a sloppy affinity ("all
/// CPUs") gives every CPU to the queue set last. A value. (Linux lib/cpu_rmap.c)
class NearestQueueMap {
 public:
  enum Distance : std::uint16_t {
    kInAffinity = 0,
    kSameCore = 1,
    kSamePackage = 2,
    kSameNode = 3,
    kInfinite = 0xffff,
  };

  /// For the CPUs 0 ... cpus - 1 (at least 1) and `queues` (at least 1) queues without affinity
  /// yet: CPU i has queue i % queues, infinitely far. `topology` is copied.
  NearestQueueMap(Topology topology, int cpus, std::uint16_t queues);

  /// The queue's interrupt is now served by these CPUs. `queue` must be one of the queues; CPUs
  /// beyond the highest are ignored.
  void set_affinity(std::uint16_t queue, const CpuSet& affinity);

  /// `cpu` must be one of the CPUs.
  [[nodiscard]] std::uint16_t queue_of(int cpu) const { return near_[index(cpu)].queue; }
  [[nodiscard]] Distance distance_of(int cpu) const { return near_[index(cpu)].distance; }

 private:
  struct Near {
    std::uint16_t queue;
    Distance distance;
  };
  static std::size_t index(int cpu) { return static_cast<std::size_t>(cpu); }
  [[nodiscard]] int cpus() const { return static_cast<int>(near_.size()); }
  void inherit(int cpu);
  bool inherit_from(int cpu, const CpuSet& neighbours, Distance distance);

  Topology topology_;
  std::uint16_t queues_;
  std::vector<Near> near_;
};

}  // namespace leat::steering
