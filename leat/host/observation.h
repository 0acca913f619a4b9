// Public: what a machine's receive path does for some seconds.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "leat/base/monotonic_time.h"
#include "leat/host/inventory.h"

namespace leat::host {

/// A thread of a process that holds sockets, as seen while it ran.
struct ThreadRun {
  int pid = 0;
  int id = 0;
  std::string name;
  std::uint64_t ticks = 0;  ///< CPU time, of USER_HZ (100 a second).
  /// How often it had run when it was looked at, by the CPU on which it had.
  std::map<int, std::uint64_t> seen_on;
};

struct Observation {
  Duration length{};
  std::vector<CpuWork> cpus;  ///< What was added meanwhile; queue lengths are those at the end.
  /// Interrupts that came meanwhile, by number and then by Inventory::interrupt_cpus.
  std::map<int, std::vector<std::uint64_t>> interrupts;
  std::vector<ThreadRun> threads;  ///< Those that used CPU time, busiest first.
};

/// Looks at the counters now and after `length`, and at the threads of `inventory`'s owners (at
/// most 512) about twenty times a second in between. `wait` sleeps. Which thread has read which
/// socket the kernel does not tell this way: a thread that ran may have done something else.
[[nodiscard]] Result<Observation> observe(sys::Machine& machine, const Inventory& inventory,
                                          Duration length,
                                          const std::function<void(Duration)>& wait);

/// One JSON object, as inventory_json() has them.
[[nodiscard]] std::string observation_json(const Observation& observation);

}  // namespace leat::host
