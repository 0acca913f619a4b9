// leat path --observe: what the receive path did for some seconds.

#include <chrono>
#include <string>

#include <fmt/format.h>

#include "leat/sys/printable.h"

#include "apps/leat/path_tree.h"

namespace leat::app {

namespace {

constexpr std::size_t kMostThreads = 20;

/// "CPU 0: 120, CPU 1: 3", of those where there were any.
template <typename Counts, typename Cpu>
std::string by_cpu(const Counts& counts, Cpu cpu_of) {
  std::string text;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0) continue;
    text.append(fmt::format("{}CPU {}: {}", text.empty() ? "" : ", ", cpu_of(i), counts[i]));
  }
  return text;
}

void add_interrupts(TreeText& out, const host::Inventory& inventory,
                    const host::Observation& observation) {
  const auto cpu_of = [&](std::size_t i) {
    return i < inventory.interrupt_cpus.size() ? inventory.interrupt_cpus[i] : -1;
  };
  for (const host::Device& device : inventory.devices) {
    for (const auto& [number, interrupt] : device.interrupts) {
      const auto at = observation.interrupts.find(number);
      if (at == observation.interrupts.end()) continue;
      const std::string counts = by_cpu(at->second, cpu_of);
      if (counts.empty()) continue;
      out.line(2, fmt::format("irq {} {}  {}", number, sys::printable(interrupt.action), counts));
    }
  }
}

void add_threads(TreeText& out, const host::Observation& observation) {
  for (std::size_t i = 0; i < observation.threads.size(); ++i) {
    if (i == kMostThreads) {
      out.line(2, fmt::format("... and {} more threads", observation.threads.size() - i));
      return;
    }
    const host::ThreadRun& run = observation.threads[i];
    std::string seen;
    for (const auto& [cpu, count] : run.seen_on) {
      seen.append(fmt::format("{}CPU {}: {}", seen.empty() ? "" : ", ", cpu, count));
    }
    out.line(2, fmt::format("thread {} {} (process {})  {} ticks, seen on {}", run.id,
                            sys::printable(run.name), run.pid, run.ticks, seen));
  }
}

}  // namespace

std::string observation_text(const host::Inventory& inventory, const host::Observation& observation,
                             std::size_t width) {
  TreeText out(width);
  out.blank();
  out.line(0, fmt::format("In {} s", std::chrono::duration<double>(observation.length).count()));
  for (const host::CpuWork& work : observation.cpus) {
    if (work.processed == 0 && work.dropped == 0) continue;
    out.line(2, fmt::format("CPU {}  {} packets, {} dropped, {} squeezed", work.cpu, work.processed,
                            work.dropped, work.squeezed));
  }
  add_interrupts(out, inventory, observation);
  add_threads(out, observation);
  return out.take();
}

}  // namespace leat::app
