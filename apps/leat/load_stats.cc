#include "apps/leat/load_stats.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

namespace leat::app {

std::uint64_t LoadStats::errors_total() const {
  return std::accumulate(errors.begin(), errors.end(), std::uint64_t{0});
}

bool LoadStats::kept_up() const {
  return unsent <= (requests + errors_total() + unsent) / 100;
}

void LoadStats::count(LoadError error, std::string_view detail) {
  const auto kind = static_cast<std::size_t>(error);
  ++errors[kind];
  if (first_error.empty()) first_error = fmt::format("{}: {}", kLoadErrorNames[kind], detail);
}

void LoadStats::merge(const LoadStats& other) {
  latency.merge(other.latency);
  connect.merge(other.connect);
  lag.merge(other.lag);
  requests += other.requests;
  bytes_sent += other.bytes_sent;
  bytes_received += other.bytes_received;
  connects += other.connects;
  connects_measured += other.connects_measured;
  for (std::size_t i = 0; i < errors.size(); ++i) errors[i] += other.errors[i];
  for (const auto& [code, count] : other.status) status[code] += count;
  // Threads reach their peaks at different moments; the sum is an upper bound, and near the truth
  // when the target is what stalls.
  backlog_max += other.backlog_max;
  unsent += other.unsent;
  connections += other.connections;
  open_at_end += other.open_at_end;
  least_on_connection = std::min(least_on_connection, other.least_on_connection);
  most_on_connection = std::max(most_on_connection, other.most_on_connection);
  user_s += other.user_s;
  system_s += other.system_s;
  last_answer = std::max(last_answer, other.last_answer);
  if (first_error.empty()) first_error = other.first_error;
}

}  // namespace leat::app
