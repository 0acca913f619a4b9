// Public: which process holds a socket, and on which CPUs its threads may run.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include "leat/base/cpu_set.h"
#include "leat/base/result.h"
#include "leat/sys/machine.h"
#include "leat/sys/reading.h"

namespace leat::sys {

struct Thread {
  int id = 0;
  std::string name;
  CpuSet allowed;
};

/// A process that holds at least one of the sockets asked for.
struct SocketOwner {
  struct Held {
    std::uint32_t inode = 0;
    int fd = 0;
  };

  int pid = 0;
  std::string name;  ///< Of its first thread; the process may have chosen it: escape it.
  std::vector<Held> sockets;
  Reading<std::vector<Thread>> threads;
};

struct ProcessScan {
  std::vector<SocketOwner> owners;  ///< By pid.
  int processes = 0;                ///< How many there are.
  int unreadable = 0;               ///< How many do not show their descriptors (CAP_SYS_PTRACE).
  std::vector<int> irqbalance;      ///< Processes of that name.
};

/// Looks through /proc/PID/fd of all processes for `inodes`. Whoever comes or goes meanwhile may be
/// missed. Only of owners the threads are read, at most `kMostThreads` of each.
inline constexpr std::size_t kMostThreads = 512;
[[nodiscard]] Result<ProcessScan> scan_processes(Machine& machine,
                                                 const std::unordered_set<std::uint32_t>& inodes);

/// The value after "NAME:\t" in a file like /proc/PID/status, nothing if there is none.
[[nodiscard]] std::string status_field(std::string_view text, std::string_view name);

}  // namespace leat::sys
