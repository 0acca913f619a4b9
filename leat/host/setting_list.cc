// Which settings a machine has.

#include <set>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "leat/host/setting.h"

namespace leat::host {
namespace {

using Names = std::vector<std::string>;

void add_driver_names(const Device& device, Names& names) {
  if (device.channels) {
    if (device.channels->combined_max.value_or(0) > 0) names.push_back("channels.combined");
    if (device.channels->rx_max.value_or(0) > 0) names.push_back("channels.rx");
    if (device.channels->tx_max.value_or(0) > 0) names.push_back("channels.tx");
  }
  if (device.rss && !device.rss->table.empty()) names.push_back("rss.table");
  if (device.rss && !device.rss->key.empty()) names.push_back("rss.key");
  if (device.rings && device.rings->rx_max.value_or(0) > 0) names.push_back("ring.rx");
  if (device.rings && device.rings->tx_max.value_or(0) > 0) names.push_back("ring.tx");
  if (device.coalesce) {
    for (const sys::NamedNumber& value : *device.coalesce) {
      names.push_back("coalesce." + value.name);
    }
  }
  if (!device.features) return;
  for (const sys::Feature& feature : *device.features) {
    if (feature.changeable) names.push_back("feature." + feature.name);
  }
}

void add_queue_names(const Device& device, Names& names) {
  if (device.gro_flush_timeout) names.push_back("napi.gro-flush-timeout");
  if (device.defer_hard_irqs) names.push_back("napi.defer-hard-irqs");
  if (device.threaded) names.push_back("napi.threaded");
  std::set<int> named;  // An interrupt that several queues share is one setting.
  for (const ReceiveQueue& queue : device.receive_queues) {
    if (queue.irq && named.insert(*queue.irq).second) {
      names.push_back(fmt::format("irq.rx-{}", queue.index));
    }
    if (queue.rps_cpus) names.push_back(fmt::format("rps.rx-{}", queue.index));
    if (queue.rps_flow_count) names.push_back(fmt::format("rfs.rx-{}", queue.index));
  }
  for (const TransmitQueue& queue : device.transmit_queues) {
    if (queue.irq && named.insert(*queue.irq).second) {
      names.push_back(fmt::format("irq.tx-{}", queue.index));
    }
    if (queue.xps_cpus) names.push_back(fmt::format("xps.tx-{}", queue.index));
    if (queue.xps_rxqs) names.push_back(fmt::format("xps.rxqs.tx-{}", queue.index));
  }
}

}  // namespace

std::vector<Setting> Setting::all_of(const Inventory& inventory, std::string_view device) {
  Names names;
  if (device.empty()) {
    for (const auto& [name, value] : inventory.sysctls) {
      if (!value) continue;
      names.push_back(name == "net.core.rps_sock_flow_entries" ? "rfs.entries" : "sysctl." + name);
    }
  } else if (const Device* const found = inventory.find(device)) {
    add_driver_names(*found, names);
    add_queue_names(*found, names);
  }
  std::vector<Setting> settings;
  for (const std::string& name : names) {
    auto setting = find(inventory, device, name);
    if (setting) settings.push_back(*std::move(setting));
  }
  return settings;
}

}  // namespace leat::host
