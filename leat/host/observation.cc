#include "leat/host/observation.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "leat/host/internal/cpu_work.h"
#include "leat/sys/proc_tables.h"

namespace leat::host {
namespace {

constexpr std::size_t kMostThreads = 512;
constexpr Duration kBetweenLooks = std::chrono::milliseconds(50);

/// Of /proc/PID/task/TID/stat, man 5 proc_pid_stat: fields 14 and 15 are CPU time, 39 the CPU.
struct ThreadStat {
  std::uint64_t ticks = 0;
  int cpu = 0;
};

std::optional<ThreadStat> parse_stat(std::string_view text) {
  // The second field is the name, in parentheses, and may have any of these in it.
  const std::size_t end = text.rfind(')');
  if (end == std::string_view::npos) return std::nullopt;
  text.remove_prefix(end + 1);
  ThreadStat stat;
  for (int field = 3; field <= 39; ++field) {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    const std::string_view word = text.substr(0, text.find_first_of(" \n"));
    text.remove_prefix(word.size());
    if (field != 14 && field != 15 && field != 39) continue;
    std::uint64_t number = 0;
    const auto parsed = std::from_chars(word.data(), word.data() + word.size(), number);
    if (word.empty() || parsed.ec != std::errc()) return std::nullopt;
    if (field == 39) {
      stat.cpu = static_cast<int>(number);
    } else {
      stat.ticks += number;
    }
  }
  return stat;
}

/// Follows the threads of socket owners.
class ThreadWatch {
 public:
  explicit ThreadWatch(const Inventory& inventory) {
    if (!inventory.owners) return;
    for (const sys::SocketOwner& owner : *inventory.owners) {
      if (!owner.threads) continue;
      for (const sys::Thread& thread : *owner.threads) {
        if (runs_.size() == kMostThreads) return;
        runs_.push_back(
            {.pid = owner.pid, .id = thread.id, .name = thread.name, .ticks = 0, .seen_on = {}});
        last_.emplace_back();
        paths_.push_back(fmt::format("/proc/{}/task/{}/stat", owner.pid, thread.id));
      }
    }
  }

  void look(sys::Machine& machine) {
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      const auto text = machine.read_file(paths_[i]);
      const auto stat = text ? parse_stat(*text) : std::nullopt;
      if (!stat) continue;  // It has ended.
      if (last_[i] && stat->ticks > *last_[i]) {
        runs_[i].ticks += stat->ticks - *last_[i];
        ++runs_[i].seen_on[stat->cpu];
      }
      last_[i] = stat->ticks;
    }
  }

  [[nodiscard]] std::vector<ThreadRun> take() {
    std::erase_if(runs_, [](const ThreadRun& run) { return run.ticks == 0; });
    std::sort(runs_.begin(), runs_.end(), [](const ThreadRun& a, const ThreadRun& b) {
      return a.ticks != b.ticks ? a.ticks > b.ticks : a.id < b.id;
    });
    return std::move(runs_);
  }

 private:
  std::vector<ThreadRun> runs_;
  std::vector<std::optional<std::uint64_t>> last_;
  std::vector<std::string> paths_;
};

using Json = nlohmann::ordered_json;
using Counts = std::map<int, std::vector<std::uint64_t>>;

Counts interrupt_counts(sys::Machine& machine) {
  Counts counts;
  const auto text = machine.read_file("/proc/interrupts");
  const auto table = text ? sys::parse_interrupts(*text) : text.error();
  if (!table) return counts;
  for (const sys::InterruptLine& line : table->lines) counts[line.number] = line.counts;
  return counts;
}

Counts difference(const Counts& before, Counts after) {
  for (auto& [number, counts] : after) {
    const auto old = before.find(number);
    if (old == before.end()) continue;
    for (std::size_t i = 0; i < std::min(counts.size(), old->second.size()); ++i) {
      counts[i] -= std::min(counts[i], old->second[i]);
    }
  }
  return after;
}

std::uint64_t added(std::uint64_t before, std::uint64_t after) {
  return after - std::min(before, after);
}

std::optional<std::uint64_t> added(const std::optional<std::uint64_t>& before,
                                   const std::optional<std::uint64_t>& after) {
  return before && after ? std::optional(added(*before, *after)) : std::nullopt;
}

std::vector<CpuWork> difference(const std::vector<CpuWork>& before, std::vector<CpuWork> after) {
  for (CpuWork& work : after) {
    const auto old = std::find_if(before.begin(), before.end(),
                                  [&](const CpuWork& other) { return other.cpu == work.cpu; });
    if (old == before.end()) continue;
    work.processed = added(old->processed, work.processed);
    work.dropped = added(old->dropped, work.dropped);
    work.squeezed = added(old->squeezed, work.squeezed);
    work.received_rps = added(old->received_rps, work.received_rps);
    work.flow_limit = added(old->flow_limit, work.flow_limit);
    work.net_rx = added(old->net_rx, work.net_rx);
    work.net_tx = added(old->net_tx, work.net_tx);
  }
  return after;
}

}  // namespace

Result<Observation> observe(sys::Machine& machine, const Inventory& inventory, Duration length,
                            const std::function<void(Duration)>& wait) {
  auto before = internal::read_cpu_work(machine);
  if (!before) return before.error();
  const Counts interrupts = interrupt_counts(machine);
  ThreadWatch threads(inventory);
  threads.look(machine);
  for (Duration left = length; left > Duration::zero(); left -= kBetweenLooks) {
    wait(std::min(left, kBetweenLooks));
    threads.look(machine);
  }
  auto after = internal::read_cpu_work(machine);
  if (!after) return after.error();
  return Observation{.length = length,
                     .cpus = difference(*before, *std::move(after)),
                     .interrupts = difference(interrupts, interrupt_counts(machine)),
                     .threads = threads.take()};
}

std::string observation_json(const Observation& observation) {
  Json cpus = Json::array();
  for (const CpuWork& work : observation.cpus) {
    cpus.push_back({{"cpu", work.cpu},
                    {"processed", work.processed},
                    {"dropped", work.dropped},
                    {"squeezed", work.squeezed}});
  }
  Json interrupts = Json::object();
  for (const auto& [number, counts] : observation.interrupts) {
    if (std::any_of(counts.begin(), counts.end(), [](std::uint64_t n) { return n > 0; })) {
      interrupts[fmt::to_string(number)] = counts;
    }
  }
  Json threads = Json::array();
  for (const ThreadRun& run : observation.threads) {
    Json seen = Json::object();
    for (const auto& [cpu, count] : run.seen_on) seen[fmt::to_string(cpu)] = count;
    threads.push_back({{"pid", run.pid},
                       {"thread", run.id},
                       {"name", run.name},
                       {"ticks", run.ticks},
                       {"seen_on", std::move(seen)}});
  }
  const Json json{{"seconds", std::chrono::duration<double>(observation.length).count()},
                  {"cpus", std::move(cpus)},
                  {"interrupts", std::move(interrupts)},
                  {"threads", std::move(threads)}};
  return json.dump(1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace leat::host
