#include "leat/steering/nearest_queue_map.h"

#include <utility>

#include "leat/base/assert.h"

namespace leat::steering {

NearestQueueMap::NearestQueueMap(Topology topology, int cpus, std::uint16_t queues)
    : topology_(std::move(topology)), queues_(queues) {
  LEAT_ASSERT(cpus >= 1 && queues >= 1, "a map without CPUs or queues");
  for (int cpu = 0; cpu < cpus; ++cpu) {
    near_.push_back({static_cast<std::uint16_t>(cpu % queues), kInfinite});
  }
}

void NearestQueueMap::set_affinity(std::uint16_t queue, const CpuSet& affinity) {
  LEAT_ASSERT(queue < queues_, "no such queue");
  CpuSet changed;
  for (const int cpu : topology_.online) {
    if (cpu >= cpus() || near_[index(cpu)].queue != queue) continue;
    near_[index(cpu)].distance = kInfinite;
    changed.add(cpu);
  }
  for (const int cpu : affinity) {
    if (cpu >= cpus()) break;
    near_[index(cpu)] = {queue, kInAffinity};
    if (const Topology::Cpu* there = topology_.find(cpu)) {
      changed |= topology_.on_node(there->node);
    }
  }
  for (const int cpu : changed) {
    if (cpu < cpus()) inherit(cpu);
  }
}

void NearestQueueMap::inherit(int cpu) {
  const Topology::Cpu* own = topology_.find(cpu);
  if (own == nullptr) return;
  CpuSet package;
  for (const Topology::Cpu& other : topology_.cpus) {
    if (other.package == own->package) package.add(other.number);
  }
  inherit_from(cpu, own->siblings, kSameCore) || inherit_from(cpu, package, kSamePackage) ||
      inherit_from(cpu, topology_.on_node(own->node), kSameNode);
}

/// Takes the queue of the first neighbour that is no further from its own than `distance`.
bool NearestQueueMap::inherit_from(int cpu, const CpuSet& neighbours, Distance distance) {
  Near& own = near_[index(cpu)];
  if (own.distance <= distance) return false;
  for (const int neighbour : neighbours) {
    if (neighbour >= cpus()) break;
    const Near& other = near_[index(neighbour)];
    if (other.distance > distance) continue;
    own = {other.queue, distance};
    return true;
  }
  return false;
}

}  // namespace leat::steering
