// Findings about RSS, RPS, RFS, aRFS and XPS of a device.

#include <algorithm>
#include <bit>

#include <fmt/format.h>

#include "leat/host/internal/finding_rules.h"

namespace leat::host::internal {
namespace {

using Severity = Finding::Severity;

void check_rps(const Inventory& inventory, const Device& device, Findings& findings) {
  CpuSet targets;
  for (const ReceiveQueue& queue : device.receive_queues) {
    if (queue.rps_cpus) targets |= *queue.rps_cpus;
  }
  if (targets.empty()) return;
  if (device.is_loopback()) {
    findings.push_back({Severity::kWarning, "rps-loopback", device.link.name,
                        "RPS on loopback: the sender's CPU has the data in its cache already",
                        "rps.rx-0"});
    return;
  }
  const CpuSet interrupted = interrupt_cpus(device);
  const std::size_t cores = inventory.topology.physical_cores().count();
  if (cores < 2 || inventory.topology.physical_cores(interrupted).count() < cores) return;
  findings.push_back({Severity::kWarning, "rps-on-rss", device.link.name,
                      fmt::format("RPS to CPUs {} on top of {} queues whose interrupts reach every "
                                  "core: one more softirq a packet for nothing",
                                  targets.to_list(), device.receive_queues.size()),
                      "rps.all"});
}

void check_rfs(const Inventory& inventory, const Device& device, Findings& findings) {
  const std::size_t queues = queues_with_flow_count(device);
  if (queues == 0) return;
  const auto entries = inventory.sysctl_number("net.core.rps_sock_flow_entries");
  if (entries == 0) {
    findings.push_back({Severity::kWarning, "rfs-no-entries", device.link.name,
                        "rps_flow_cnt is set, but rps_sock_flow_entries is 0: RFS is off",
                        "rfs.entries"});
  }
  std::uint64_t sum = 0;
  std::uint64_t least = ~std::uint64_t{0};
  std::uint64_t most = 0;
  for (const ReceiveQueue& queue : device.receive_queues) {
    if (!queue.rps_flow_count) continue;
    const std::uint64_t count = *queue.rps_flow_count;
    sum += count;
    least = std::min(least, count);
    most = std::max(most, count);
    if (count != 0 && !std::has_single_bit(count)) {
      findings.push_back(
          {Severity::kHint, "rfs-not-power-of-two", queue_place(device, "rx", queue.index),
           fmt::format("rps_flow_cnt {} is no power of two; the kernel rounds up", count),
           fmt::format("rfs.rx-{}", queue.index)});
    }
  }
  if (least != most) {
    findings.push_back({Severity::kWarning, "rfs-unequal", device.link.name,
                        fmt::format("rps_flow_cnt differs between queues ({} to {}): flows of "
                                    "some are not followed, and Linux 6.18 and 6.19 may index the "
                                    "wrong table",
                                    least, most),
                        "rfs.all"});
  }
  if (entries.value_or(0) > 0 && sum > *entries) {
    findings.push_back({Severity::kHint, "rfs-too-large", device.link.name,
                        fmt::format("rps_flow_cnt sums up to {}, more than the {} "
                                    "rps_sock_flow_entries",
                                    sum, *entries),
                        "rfs.all"});
  }
}

void check_arfs(const Inventory& inventory, const Device& device, Findings& findings) {
  const auto ntuple = device.feature("rx-ntuple-filter");
  if (!ntuple || !ntuple->active) return;
  if (inventory.sysctl_number("net.core.rps_sock_flow_entries").value_or(0) == 0) return;
  const std::size_t queues = queues_with_flow_count(device);
  if (queues < device.receive_queues.size() && queues > 0) {
    findings.push_back({Severity::kWarning, "arfs-some-queues", device.link.name,
                        fmt::format("ntuple is on, but only {} of {} queues have an rps_flow_cnt: "
                                    "flows do not move to the others",
                                    queues, device.receive_queues.size()),
                        "rfs.all"});
  } else if (queues == 0 && device.ntuple && device.ntuple->rules.empty()) {
    findings.push_back({Severity::kWarning, "arfs-no-flow-count", device.link.name,
                        "ntuple is on and RFS has entries, but no queue has an rps_flow_cnt: "
                        "aRFS does nothing",
                        "rfs.all"});
  }
  if (queues == 0) return;
  for (const ReceiveQueue& queue : device.receive_queues) {
    const auto at = queue.irq ? device.interrupts.find(*queue.irq) : device.interrupts.end();
    if (at == device.interrupts.end() || !at->second.asked) continue;
    if (at->second.asked->count() <= 1) continue;
    findings.push_back({Severity::kWarning, "arfs-wide-irq", queue_place(device, "rx", queue.index),
                        fmt::format("interrupt {} may go to CPUs {}: aRFS finds a CPU's queue by "
                                    "masks of one CPU",
                                    at->first, at->second.asked->to_list()),
                        fmt::format("irq.rx-{}", queue.index)});
  }
}

void check_rss(const Device& device, Findings& findings) {
  if (!device.rss || device.rss->table.empty() || device.receive_queues.empty()) return;
  const auto highest = *std::max_element(device.rss->table.begin(), device.rss->table.end());
  const auto queues = static_cast<std::uint32_t>(device.receive_queues.size());
  if (highest >= queues) {
    findings.push_back(
        {Severity::kProblem, "rss-beyond", device.link.name,
         fmt::format("the indirection table names queue {}, but there are {}", highest, queues),
         "rss.table"});
  } else if (highest + 1 < queues) {
    findings.push_back(
        {Severity::kHint, "rss-some-queues", device.link.name,
         fmt::format("the indirection table uses {} of {} queues", highest + 1, queues),
         "rss.equal"});
  }
}

void check_xps(const Device& device, Findings& findings) {
  if (device.transmit_queues.size() < 2 || !device.link.kind.empty()) return;
  const bool unset = std::all_of(device.transmit_queues.begin(), device.transmit_queues.end(),
                                 [](const TransmitQueue& queue) {
                                   return queue.xps_cpus && queue.xps_cpus->empty() &&
                                          (!queue.xps_rxqs || queue.xps_rxqs->empty());
                                 });
  if (!unset) return;
  findings.push_back({Severity::kHint, "xps-unset", device.link.name,
                      "no XPS: a hash chooses the transmit queue, and completions come to any CPU",
                      "xps.all"});
}

}  // namespace

void check_steering(const Inventory& inventory, const Device& device, Findings& findings) {
  if (device.sysfs_is_foreign) {
    findings.push_back({Severity::kProblem, "foreign-sysfs", device.link.name,
                        "/sys shows another network namespace: its settings cannot be seen here",
                        ""});
  }
  check_rss(device, findings);
  check_rps(inventory, device, findings);
  check_rfs(inventory, device, findings);
  check_arfs(inventory, device, findings);
  check_xps(device, findings);
}

}  // namespace leat::host::internal
