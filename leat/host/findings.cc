#include "leat/host/findings.h"

#include "leat/host/internal/finding_rules.h"

namespace leat::host {

namespace internal {

CpuSet interrupt_cpus(const Device& device) {
  CpuSet cpus;
  for (const ReceiveQueue& queue : device.receive_queues) {
    if (!queue.irq) continue;
    const auto at = device.interrupts.find(*queue.irq);
    if (at != device.interrupts.end() && at->second.effective) cpus |= *at->second.effective;
  }
  return cpus;
}

std::size_t queues_with_flow_count(const Device& device) {
  std::size_t count = 0;
  for (const ReceiveQueue& queue : device.receive_queues) {
    if (queue.rps_flow_count.value_or(0) > 0) ++count;
  }
  return count;
}

std::string queue_place(const Device& device, const char* kind, int index) {
  return device.link.name + "/" + kind + "-" + std::to_string(index);
}

}  // namespace internal

std::vector<Finding> find_misfits(const Inventory& inventory) {
  std::vector<Finding> findings;
  internal::check_cpus(inventory, findings);
  for (const Device& device : inventory.devices) {
    internal::check_interrupts(inventory, device, findings);
    internal::check_steering(inventory, device, findings);
  }
  internal::check_sockets(inventory, findings);
  return findings;
}

const char* to_string(Finding::Severity severity) {
  switch (severity) {
    case Finding::Severity::kHint:
      return "hint";
    case Finding::Severity::kWarning:
      return "warning";
    case Finding::Severity::kProblem:
      return "problem";
  }
  return "hint";
}

}  // namespace leat::host
