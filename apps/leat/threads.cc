#include "apps/leat/threads.h"

#include <charconv>
#include <utility>

#include <fmt/format.h>

namespace leat::app {

namespace {

Result<Threads> parse_count(std::string_view text) {
  std::size_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc{} || end != text.data() + text.size() || count < 1 ||
      count > kMostThreads) {
    return Error::invalid_argument(
        fmt::format("'{}' is neither a number from 1 to {} nor a list of CPUs as 0-3 or 0,2", text,
                    kMostThreads));
  }
  return Threads{count, {}};
}

Result<Threads> parse_cpus(std::string_view text) {
  Result<CpuSet> cpus = CpuSet::parse_list(text);
  if (!cpus) return std::move(cpus).error();
  if (cpus->empty()) return Error::invalid_argument("the list of CPUs is empty");
  const Result<CpuSet> available = CpuSet::available();
  if (!available) return available.error();
  if (const CpuSet missing = *cpus - *available; !missing.empty()) {
    return Error::invalid_argument(fmt::format("CPU {} is not among those this process may use, {}",
                                               missing.to_list(), available->to_list()));
  }
  return Threads{cpus->count(), *cpus};
}

}  // namespace

Result<Threads> parse_threads(std::string_view text) {
  return text.find_first_of(",-") == std::string_view::npos ? parse_count(text) : parse_cpus(text);
}

}  // namespace leat::app
