// Findings about CPUs and settings of the whole machine.

#include <algorithm>

#include <fmt/format.h>

#include "leat/host/internal/finding_rules.h"

namespace leat::host::internal {
namespace {

using Severity = Finding::Severity;

/// Below one squeeze in this many packets the budget is no matter.
constexpr std::uint64_t kPacketsForASqueeze = 1'000;

std::string place_of(int cpu) {
  return "cpu/" + std::to_string(cpu);
}

void check_work(const CpuWork& work, Findings& findings) {
  if (work.dropped > 0) {
    findings.push_back(
        {Severity::kProblem, "backlog-drops", place_of(work.cpu),
         fmt::format("{} packets dropped: this CPU's backlog was full", work.dropped),
         "sysctl.net.core.netdev_max_backlog"});
  }
  if (work.squeezed > 0 && work.squeezed > work.processed / kPacketsForASqueeze) {
    findings.push_back(
        {Severity::kWarning, "squeezed", place_of(work.cpu),
         fmt::format("{} times out of budget with packets left to poll", work.squeezed),
         "sysctl.net.core.netdev_budget"});
  }
  if (work.flow_limit.value_or(0) > 0) {
    findings.push_back(
        {Severity::kProblem, "flow-limit-drops", place_of(work.cpu),
         fmt::format("{} packets of large flows dropped by the flow limit", *work.flow_limit),
         "sysctl.net.core.flow_limit_table_len"});
  }
}

/// The flow limit looks at the CPU that enqueues, so its mask names interrupt CPUs.
void check_flow_limit_mask(const Inventory& inventory, Findings& findings) {
  const auto at = inventory.sysctls.find("net.core.flow_limit_cpu_bitmap");
  if (at == inventory.sysctls.end() || !at->second) return;
  const auto mask = CpuSet::parse_mask(*at->second);
  if (!mask || mask->empty()) return;
  CpuSet interrupted;
  for (const Device& device : inventory.devices) interrupted |= interrupt_cpus(device);
  if (interrupted.empty() || !(interrupted & *mask).empty()) return;
  findings.push_back(
      {Severity::kWarning, "flow-limit-mask", "host",
       fmt::format("flow_limit_cpu_bitmap names CPUs {}, but interrupts arrive on {}: "
                   "it has no effect",
                   mask->to_list(), interrupted.to_list()),
       "sysctl.net.core.flow_limit_cpu_bitmap"});
}

void check_socket_flow_entries(const Inventory& inventory, Findings& findings) {
  const auto entries = inventory.sysctl_number("net.core.rps_sock_flow_entries");
  if (!entries || *entries == 0) return;
  const bool used =
      std::any_of(inventory.devices.begin(), inventory.devices.end(),
                  [](const Device& device) { return queues_with_flow_count(device) > 0; });
  const bool readable =
      std::any_of(inventory.devices.begin(), inventory.devices.end(), [](const Device& device) {
        return std::any_of(device.receive_queues.begin(), device.receive_queues.end(),
                           [](const ReceiveQueue& queue) { return bool(queue.rps_flow_count); });
      });
  if (used || !readable) return;
  findings.push_back({Severity::kWarning, "rfs-no-queue", "host",
                      fmt::format("rps_sock_flow_entries is {}, but no queue shown here has an "
                                  "rps_flow_cnt: RFS does nothing",
                                  *entries),
                      "rfs.entries"});
}

}  // namespace

void check_cpus(const Inventory& inventory, Findings& findings) {
  check_socket_flow_entries(inventory, findings);
  check_flow_limit_mask(inventory, findings);
  if (!inventory.cpus) return;
  for (const CpuWork& work : *inventory.cpus) check_work(work, findings);
}

}  // namespace leat::host::internal
