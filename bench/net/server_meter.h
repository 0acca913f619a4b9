// Internal: what a server has used, read from outside of it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace leat::bench {

/// Totals of one process, all its threads together. Hardware counts are missing where the machine
/// does not count them (most virtual machines).
struct ServerUse {
  std::uint64_t cpu_ns = 0;
  std::uint64_t waits = 0;        ///< Voluntary context switches.
  std::uint64_t preemptions = 0;  ///< Involuntary context switches.
  std::optional<std::uint64_t> cycles;
  std::optional<std::uint64_t> instructions;
  std::optional<std::uint64_t> cache_misses;
};

/// What was used between two readings, as a JSON object.
[[nodiscard]] std::string difference_as_json(const ServerUse& before, const ServerUse& after);

/// Reads the use of a process. CPU time is the scheduler's own, in nanoseconds and up to the
/// moment of the call; /proc/PID/stat would give ticks of 10 ms.
class ServerMeter {
 public:
  /// Hardware counters are opened for the threads that exist now.
  explicit ServerMeter(pid_t pid);
  ~ServerMeter();
  ServerMeter(const ServerMeter&) = delete;
  ServerMeter& operator=(const ServerMeter&) = delete;

  [[nodiscard]] ServerUse read() const;

 private:
  using Counters = std::vector<int>;  // a descriptor a thread; empty where nothing counts

  [[nodiscard]] std::vector<pid_t> threads() const;
  [[nodiscard]] Counters open_counters(std::uint64_t event) const;
  static std::optional<std::uint64_t> sum(const Counters& counters);

  const pid_t pid_;
  Counters cycles_;
  Counters instructions_;
  Counters cache_misses_;
};

}  // namespace leat::bench
