// Internal: how many threads, and where: `--loops 4`, `--loops 0-3`.
#pragma once

#include <chrono>
#include <cstddef>
#include <string_view>

#include "leat/base/cpu_set.h"
#include "leat/base/monotonic_time.h"
#include "leat/base/result.h"

namespace leat::app {

/// So many threads, or one for each CPU, pinned to it.
struct Threads {
  std::size_t count = 1;
  CpuSet cpus;  ///< Empty: not pinned.
};
inline constexpr std::size_t kMostThreads = 1024;

/// A plain number is a count; with a comma or a dash it is a list of CPUs. A CPU that this process
/// may not use is an error, for pinning to it would fail later.
[[nodiscard]] Result<Threads> parse_threads(std::string_view text);

[[nodiscard]] inline double to_seconds(Duration time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace leat::app
