#include "leat/host/internal/cpu_work.h"

#include <algorithm>

#include "leat/sys/proc_tables.h"

namespace leat::host::internal {

Result<std::vector<CpuWork>> read_cpu_work(sys::Machine& machine) {
  const auto text = machine.read_file("/proc/net/softnet_stat");
  if (!text) return text.error();
  const auto lines = sys::parse_softnet(*text);
  if (!lines) return lines.error();
  std::vector<CpuWork> cpus;
  for (const sys::SoftnetLine& line : *lines) {
    cpus.push_back({.cpu = line.cpu,
                    .processed = line.processed,
                    .dropped = line.dropped,
                    .squeezed = line.squeezed,
                    .received_rps = line.received_rps,
                    .flow_limit = line.flow_limit,
                    .input_queue = line.input_queue,
                    .process_queue = line.process_queue,
                    .net_rx = {},
                    .net_tx = {}});
  }
  const auto softirqs = machine.read_file("/proc/softirqs");
  const auto table = softirqs ? sys::parse_softirqs(*softirqs) : softirqs.error();
  if (!table) return cpus;
  for (const sys::SoftirqLine& line : table->lines) {
    std::optional<std::uint64_t> CpuWork::* member = line.name == "NET_RX"   ? &CpuWork::net_rx
                                                     : line.name == "NET_TX" ? &CpuWork::net_tx
                                                                             : nullptr;
    if (member == nullptr) continue;
    for (CpuWork& work : cpus) {
      const auto at = std::find(table->cpus.begin(), table->cpus.end(), work.cpu);
      if (at == table->cpus.end()) continue;
      work.*member = line.counts[static_cast<std::size_t>(at - table->cpus.begin())];
    }
  }
  return cpus;
}

}  // namespace leat::host::internal
