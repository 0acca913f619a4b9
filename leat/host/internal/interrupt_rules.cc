// Findings about a device's queues and where their interrupts go.

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "leat/host/internal/finding_rules.h"

namespace leat::host::internal {
namespace {

using Severity = Finding::Severity;

const Interrupt* interrupt_of(const Device& device, std::optional<int> irq) {
  if (!irq) return nullptr;
  const auto at = device.interrupts.find(*irq);
  return at == device.interrupts.end() ? nullptr : &at->second;
}

/// The CPU of an interrupt that goes to one only.
std::optional<int> single_cpu(const Interrupt* interrupt) {
  if (interrupt == nullptr || !interrupt->effective) return std::nullopt;
  if (interrupt->effective->count() != 1) return std::nullopt;
  return interrupt->effective->first();
}

void check_shared(const Inventory& inventory, const Device& device, Findings& findings) {
  std::map<int, std::map<int, int>> queue_of_irq_on;  // CPU -> irq -> first queue
  for (const ReceiveQueue& queue : device.receive_queues) {
    const auto cpu = single_cpu(interrupt_of(device, queue.irq));
    if (cpu) queue_of_irq_on[*cpu].emplace(*queue.irq, queue.index);
  }
  const std::size_t cores = inventory.topology.physical_cores().count();
  if (queue_of_irq_on.size() >= cores) return;  // Every core has some: more queues than cores.
  for (const auto& [cpu, queues] : queue_of_irq_on) {
    if (queues.size() < 2) continue;
    const int first = queues.begin()->second;
    for (auto at = std::next(queues.begin()); at != queues.end(); ++at) {
      findings.push_back({Severity::kWarning, "irq-shared-cpu",
                          queue_place(device, "rx", at->second),
                          fmt::format("its interrupt {} is on CPU {}, like that of rx-{}, while "
                                      "other cores have none",
                                      at->first, cpu, first),
                          fmt::format("irq.rx-{}", at->second)});
    }
  }
}

void check_pair(const Device& device, Findings& findings) {
  for (const TransmitQueue& queue : device.transmit_queues) {
    const auto at =
        std::find_if(device.receive_queues.begin(), device.receive_queues.end(),
                     [&](const ReceiveQueue& other) { return other.index == queue.index; });
    if (at == device.receive_queues.end() || at->irq == queue.irq) continue;
    const auto receives_on = single_cpu(interrupt_of(device, at->irq));
    const auto transmits_on = single_cpu(interrupt_of(device, queue.irq));
    if (!receives_on || !transmits_on || *receives_on == *transmits_on) continue;
    findings.push_back({Severity::kHint, "irq-pair-split", queue_place(device, "tx", queue.index),
                        fmt::format("its interrupt is on CPU {}, that of rx-{} on CPU {}",
                                    *transmits_on, queue.index, *receives_on),
                        fmt::format("irq.tx-{}", queue.index)});
  }
}

void check_queue(const Inventory& inventory, const Device& device, const ReceiveQueue& queue,
                 Findings& findings) {
  const Interrupt* const interrupt = interrupt_of(device, queue.irq);
  if (interrupt == nullptr || !interrupt->effective) return;
  const std::string place = queue_place(device, "rx", queue.index);
  const std::string setting = fmt::format("irq.rx-{}", queue.index);
  const CpuSet& effective = *interrupt->effective;
  if (interrupt->asked && !(effective - *interrupt->asked).empty()) {
    findings.push_back(
        {Severity::kHint, "irq-not-effective", place,
         fmt::format("interrupt {} was asked onto CPUs {} and still goes to {}: a "
                     "change takes effect at the next interrupt",
                     interrupt->number, interrupt->asked->to_list(), effective.to_list()),
         setting});
  }
  const int node = device.numa_node.value_or(-1);
  const CpuSet near = node < 0 ? CpuSet() : inventory.topology.on_node(node);
  if (!near.empty() && !effective.empty() && (effective & near).empty()) {
    findings.push_back({Severity::kWarning, "irq-far-node", place,
                        fmt::format("interrupt {} goes to CPU {}, but the device is on NUMA node "
                                    "{} (CPUs {})",
                                    interrupt->number, effective.to_list(), node, near.to_list()),
                        setting});
  }
}

void check_channels(const Inventory& inventory, const Device& device, Findings& findings) {
  if (!device.channels) return;
  const auto combined = device.channels->combined;
  const auto most = device.channels->combined_max;
  if (!combined || !most || *combined == 0) return;
  const auto cores = static_cast<std::uint32_t>(inventory.topology.physical_cores().count());
  const std::uint32_t useful = std::min(*most, cores);
  if (*combined >= useful || !device.link.kind.empty()) return;
  findings.push_back(
      {Severity::kWarning, "few-queues", device.link.name,
       fmt::format("{} of {} queues in use, with {} physical cores", *combined, *most, cores),
       "channels.combined"});
}

void check_irqbalance(const Inventory& inventory, const Device& device, Findings& findings) {
  if (inventory.irqbalance.empty()) return;
  const bool pinned = std::any_of(
      device.interrupts.begin(), device.interrupts.end(),
      [](const auto& entry) { return entry.second.asked && entry.second.asked->count() == 1; });
  if (!pinned) return;
  findings.push_back({Severity::kHint, "irqbalance", device.link.name,
                      fmt::format("irqbalance (process {}) runs and may move these interrupts",
                                  inventory.irqbalance.front()),
                      ""});
}

}  // namespace

void check_interrupts(const Inventory& inventory, const Device& device, Findings& findings) {
  check_channels(inventory, device, findings);
  check_irqbalance(inventory, device, findings);
  for (const ReceiveQueue& queue : device.receive_queues) {
    check_queue(inventory, device, queue, findings);
  }
  check_shared(inventory, device, findings);
  check_pair(device, findings);
}

}  // namespace leat::host::internal
