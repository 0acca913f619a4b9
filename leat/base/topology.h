// Public: which CPUs are online, and which of them share a core, a package, a NUMA node.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "leat/base/cpu_set.h"
#include "leat/base/result.h"

namespace leat {

/// The machine as sysfs tells it at one moment. A value; CPUs that come or go later need a new one.
struct Topology {
  struct Cpu {
    int number = 0;
    int package = 0;
    int core = 0;
    int node = 0;     ///< NUMA node
    CpuSet siblings;  ///< The online CPUs of the same core, this one included.
  };

  /// Reads below `sysfs_root`: devices/system/cpu and devices/system/node, as the kernel's
  /// Documentation/admin-guide/cputopology.rst lays them out. What is missing (a container, another
  /// architecture, a kernel without NUMA) is taken as it most likely is: online are the CPUs that
  /// this thread may use, a CPU is a core of its own in package 0 on node 0. A file that is there
  /// and cannot be read or understood is an error.
  [[nodiscard]] static Result<Topology> read(const std::string& sysfs_root = "/sys");

  /// The text of a file, nothing if there is no such file.
  using FileReader = std::function<Result<std::optional<std::string>>(const std::string& path)>;
  /// The same from files that `read_if_there` gives, for a machine that is recorded or made up.
  /// `otherwise` are the CPUs that count as online where nothing says which are.
  [[nodiscard]] static Result<Topology> read(const std::string& sysfs_root,
                                             const FileReader& read_if_there,
                                             const std::function<Result<CpuSet>()>& otherwise);

  /// nullptr if `cpu` is not online.
  [[nodiscard]] const Cpu* find(int cpu) const;
  /// One CPU of every core (its lowest), of all that are online.
  [[nodiscard]] CpuSet physical_cores() const { return physical_cores(online); }
  /// One CPU of every core that has one in `among` (its lowest there).
  [[nodiscard]] CpuSet physical_cores(const CpuSet& among) const;
  /// The online CPUs of a NUMA node.
  [[nodiscard]] CpuSet on_node(int node) const;

  CpuSet online;
  std::vector<Cpu> cpus;  ///< The online ones, in ascending order.
};

}  // namespace leat
