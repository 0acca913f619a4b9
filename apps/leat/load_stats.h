// Internal: what `leat load` has measured.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "leat/base/histogram.h"
#include "leat/base/monotonic_time.h"

namespace leat::app {

enum class LoadError : std::uint8_t { kConnect, kReset, kTimeout, kStatus, kBody, kProtocol };
inline constexpr std::size_t kLoadErrorCount = 6;
inline constexpr std::array<std::string_view, kLoadErrorCount> kLoadErrorNames{
    "connect", "reset", "timeout", "status", "body", "protocol"};

/// Of one worker; merge() makes the whole of several. Times in the histograms are nanoseconds.
struct LoadStats {
  Histogram latency;
  Histogram connect;
  Histogram lag;
  std::uint64_t requests = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t connects = 0;
  std::uint64_t connects_measured = 0;
  std::array<std::uint64_t, kLoadErrorCount> errors{};
  std::map<int, std::uint64_t> status;
  std::uint64_t backlog_max = 0;
  std::uint64_t unsent = 0;
  std::size_t connections = 0;
  std::size_t open_at_end = 0;
  std::uint64_t least_on_connection = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t most_on_connection = 0;
  double user_s = 0;
  double system_s = 0;
  MonotonicTime last_answer;
  std::string first_error;

  [[nodiscard]] std::uint64_t errors_total() const;
  /// Of an open loop: at most one in a hundred of the requests that were due was never sent. A few
  /// may be waiting for a connection at whatever moment the run ends.
  [[nodiscard]] bool kept_up() const;
  void count(LoadError error, std::string_view detail);
  void merge(const LoadStats& other);
};

/// The whole run.
struct LoadResult {
  LoadStats all;
  std::vector<LoadStats> threads;
  double duration_s = 0;
  double connect_s = 0;
};

}  // namespace leat::app
