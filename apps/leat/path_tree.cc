#include "apps/leat/path_tree.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "leat/host/virtio_features.h"
#include "leat/sys/printable.h"

namespace leat::app {

using host::Device;
using host::Finding;
using host::Interrupt;
using host::Inventory;
using host::Reading;
using sys::printable;

namespace {

constexpr std::size_t kDeviceIndent = 2;
constexpr std::size_t kQueueIndent = 4;
constexpr std::size_t kFindingIndent = 6;

const char* mark(Finding::Severity severity) {
  switch (severity) {
    case Finding::Severity::kProblem:
      return "!!";
    case Finding::Severity::kWarning:
      return "! ";
    case Finding::Severity::kHint:
      return "? ";
  }
  return "? ";
}

std::string of_most(std::optional<std::uint32_t> value, std::optional<std::uint32_t> most) {
  if (!value) return "-";
  return most ? fmt::format("{} of {}", *value, *most) : fmt::to_string(*value);
}

template <typename T>
std::string number_text(const Reading<T>& reading) {
  return reading ? fmt::to_string(*reading) : unreadable_text(reading.unreadable());
}

std::string head_line(const Device& device) {
  const sys::Link& link = device.link;
  std::string line = printable(link.name) + "  ";
  if (device.is_loopback()) line.append("loopback");
  line.append(device.driver ? printable(device.driver->driver) : printable(link.kind));
  line.append(device.is_up() ? ", up" : ", down");
  if (link.mtu) line.append(fmt::format(", mtu {}", *link.mtu));
  if (!link.parent.empty()) line.append(", on " + printable(link.parent));
  if (device.numa_node.value_or(-1) >= 0) line.append(fmt::format(", node {}", *device.numa_node));
  if (link.xdp.value_or(0) != 0) line.append(*link.xdp == 2 ? ", XDP generic" : ", XDP");
  for (const std::string& address : link.addresses) line.append("  " + address);
  return line;
}

std::string rss_text(const Device& device) {
  if (!device.rss) return unreadable_text(device.rss.unreadable());
  const sys::Rss& rss = *device.rss;
  if (rss.table.empty()) return "no table";
  const auto highest = *std::max_element(rss.table.begin(), rss.table.end());
  const char* const function = (rss.function & 1) != 0   ? "Toeplitz"
                               : (rss.function & 2) != 0 ? "XOR"
                               : (rss.function & 4) != 0 ? "CRC32"
                                                         : "hash";
  return fmt::format("{}, {} entries to queues 0-{}, key of {} bytes{}", function, rss.table.size(),
                     highest, rss.key.size(), rss.transform != 0 ? ", symmetric" : "");
}

std::string ntuple_text(const Device& device) {
  const auto feature = device.feature("rx-ntuple-filter");
  std::string text = feature && feature->active ? "on" : "off";
  if (device.ntuple) {
    text.append(fmt::format(", {} filters", device.ntuple->rules.size()));
  } else if (device.ntuple.unreadable().kind == sys::Unreadable::Kind::kDenied) {
    text.append(", filters " + unreadable_text(device.ntuple.unreadable()));
  }
  return text;
}

std::string coalesce_text(const Device& device) {
  if (!device.coalesce) return unreadable_text(device.coalesce.unreadable());
  std::string text;
  for (const char* const name : {"rx-usecs", "rx-max-frames", "tx-usecs", "use-adaptive-rx"}) {
    const auto value = sys::find_number(*device.coalesce, name);
    if (value) text.append(fmt::format("{}{} {}", text.empty() ? "" : ", ", name, *value));
  }
  return text.empty() ? "none" : text;
}

std::string channels_text(const Device& device) {
  if (!device.channels) return unreadable_text(device.channels.unreadable());
  const sys::Channels& channels = *device.channels;
  if (channels.combined_max.value_or(0) > 0) {
    return "combined " + of_most(channels.combined, channels.combined_max);
  }
  return "rx " + of_most(channels.rx, channels.rx_max) + ", tx " +
         of_most(channels.tx, channels.tx_max);
}

std::string rings_text(const Device& device) {
  if (!device.rings) return unreadable_text(device.rings.unreadable());
  return "rx " + of_most(device.rings->rx, device.rings->rx_max) + ", tx " +
         of_most(device.rings->tx, device.rings->tx_max);
}

void add_virtio(TreeText& out, const Device& device) {
  if (!device.virtio_features) return;
  std::string names;
  for (const int bit : *device.virtio_features) {
    std::string name = host::virtio_feature_name(bit);
    for (const std::string_view prefix : {"VIRTIO_NET_F_", "VIRTIO_F_"}) {
      if (name.starts_with(prefix)) name.erase(0, prefix.size());
    }
    names.append(" " + name);
  }
  out.line(kDeviceIndent, "virtio" + names);
}

std::string interrupt_text(const Device& device, std::optional<int> irq) {
  const auto at = irq ? device.interrupts.find(*irq) : device.interrupts.end();
  if (at == device.interrupts.end()) return "no interrupt known";
  const Interrupt& interrupt = at->second;
  std::string text = fmt::format("irq {}", interrupt.number);
  if (interrupt.effective && !interrupt.effective->empty()) {
    text.append(" -> CPU " + interrupt.effective->to_list());
    if (interrupt.asked && *interrupt.asked != *interrupt.effective) {
      text.append(" (asked " + cpus_text(interrupt.asked) + ")");
    }
  } else {
    text.append(" -> CPUs " + cpus_text(interrupt.asked));
  }
  const auto sum =
      std::accumulate(interrupt.counts.begin(), interrupt.counts.end(), std::uint64_t{0});
  return text + fmt::format(", {} times", sum);
}

std::string napi_text(const Device& device, std::optional<std::uint32_t> id) {
  if (!id) return {};
  std::string text = fmt::format(", napi {}", *id);
  if (!device.napis) return text;
  for (const sys::Napi& napi : *device.napis) {
    if (napi.id != *id) continue;
    if (napi.threaded.value_or(0) != 0)
      text.append(fmt::format(" threaded ({})", napi.pid.value_or(0)));
    if (napi.defer_hard_irqs.value_or(0) != 0 || napi.gro_flush_timeout.value_or(0) != 0) {
      text.append(fmt::format(" defer {} flush {} ns", napi.defer_hard_irqs.value_or(0),
                              napi.gro_flush_timeout.value_or(0)));
    }
  }
  return text;
}

std::string packets_text(const sys::NamedNumbers& statistics, const char* name) {
  const auto packets = sys::find_number(statistics, name);
  return packets ? fmt::format(", {} packets", *packets) : std::string();
}

void add_queues(TreeText& out, const Device& device, const std::vector<Finding>& findings) {
  for (const host::ReceiveQueue& queue : device.receive_queues) {
    out.line(
        kQueueIndent,
        fmt::format("rx-{}  {}{}{}", queue.index, interrupt_text(device, queue.irq),
                    napi_text(device, queue.napi), packets_text(queue.statistics, "rx-packets")));
    out.line(kFindingIndent, fmt::format("RPS {}, flow count {}", cpus_text(queue.rps_cpus),
                                         number_text(queue.rps_flow_count)));
    out.findings(kFindingIndent, findings, fmt::format("{}/rx-{}", device.link.name, queue.index));
  }
  for (const host::TransmitQueue& queue : device.transmit_queues) {
    out.line(kQueueIndent,
             fmt::format("tx-{}  {}{}, XPS {}{}", queue.index, interrupt_text(device, queue.irq),
                         packets_text(queue.statistics, "tx-packets"), cpus_text(queue.xps_cpus),
                         queue.xps_rxqs && !queue.xps_rxqs->empty()
                             ? ", of rx " + queue.xps_rxqs->to_list()
                             : ""));
    out.findings(kFindingIndent, findings, fmt::format("{}/tx-{}", device.link.name, queue.index));
  }
}

void add_device(TreeText& out, const Device& device, const std::vector<Finding>& findings) {
  out.line(0, head_line(device));
  out.findings(kDeviceIndent, findings, device.link.name);
  if (!device.is_loopback()) {
    out.line(kDeviceIndent, "queues    " + channels_text(device));
    out.line(kDeviceIndent, "rings     " + rings_text(device));
    out.line(kDeviceIndent, "coalesce  " + coalesce_text(device));
    out.line(kDeviceIndent, "RSS       " + rss_text(device));
    out.line(kDeviceIndent, "ntuple    " + ntuple_text(device));
    add_virtio(out, device);
  }
  add_queues(out, device, findings);
  out.blank();
}

std::string optional_text(const std::optional<std::uint64_t>& value) {
  return value ? fmt::to_string(*value) : "?";
}

void add_cpus(TreeText& out, const Inventory& inventory, const std::vector<Finding>& findings) {
  if (!inventory.cpus) {
    out.line(0, "CPUs  " + unreadable_text(inventory.cpus.unreadable()));
    return;
  }
  out.line(0, fmt::format("{:<5}{:>14}{:>10}{:>10}{:>12}{:>12}{:>14}", "CPU", "packets", "dropped",
                          "squeezed", "flow-limit", "woken", "NET_RX"));
  for (const host::CpuWork& work : *inventory.cpus) {
    out.line(0, fmt::format("{:<5}{:>14}{:>10}{:>10}{:>12}{:>12}{:>14}", work.cpu, work.processed,
                            work.dropped, work.squeezed, optional_text(work.flow_limit),
                            optional_text(work.received_rps), optional_text(work.net_rx)));
    out.findings(kDeviceIndent, findings, fmt::format("cpu/{}", work.cpu));
  }
  out.blank();
}

std::string sysctl_text(const Inventory& inventory, const char* name) {
  const auto at = inventory.sysctls.find(std::string("net.core.") + name);
  const std::string value = at == inventory.sysctls.end() ? "?"
                            : at->second                  ? *at->second
                                         : unreadable_text(at->second.unreadable());
  return fmt::format("{} {}", name, value);
}

void add_host(TreeText& out, const Inventory& inventory, const std::vector<Finding>& findings) {
  const Topology& topology = inventory.topology;
  out.line(0, fmt::format("Linux {}, CPUs {} ({} cores)", printable(inventory.kernel),
                          topology.online.to_list(), topology.physical_cores().count()));
  std::string line;
  for (const char* const name : {"rps_sock_flow_entries", "netdev_max_backlog", "netdev_budget",
                                 "netdev_budget_usecs", "busy_poll", "busy_read"}) {
    line.append((line.empty() ? "" : ", ") + sysctl_text(inventory, name));
  }
  out.line(kDeviceIndent, line);
  out.findings(kDeviceIndent, findings, "host");
  out.blank();
}

}  // namespace

void TreeText::line(std::size_t indent, std::string_view text) {
  std::size_t column = indent;
  text_.append(indent, ' ');
  bool first = true;
  while (!text.empty()) {
    // The blanks before a word belong to it.
    const std::size_t word = std::min(text.find_first_not_of(' '), text.size());
    const std::size_t end = std::min(text.find(' ', word), text.size());
    if (!first && column + end > width_) {
      text_.push_back('\n');
      text_.append(indent + 4, ' ');
      column = indent + 4;
      text.remove_prefix(word);
      text_.append(text.substr(0, end - word));
      column += end - word;
      text.remove_prefix(end - word);
    } else {
      text_.append(text.substr(0, end));
      column += end;
      text.remove_prefix(end);
    }
    first = false;
  }
  text_.push_back('\n');
}

void TreeText::findings(std::size_t indent, const std::vector<Finding>& findings,
                        std::string_view place) {
  for (const Finding& finding : findings) {
    if (finding.place != place) continue;
    std::string text = fmt::format("{} {}", mark(finding.severity), printable(finding.text));
    if (!finding.setting.empty()) text.append(fmt::format(" [{}]", finding.setting));
    line(indent, text);
  }
}

std::string unreadable_text(const sys::Unreadable& unreadable) {
  switch (unreadable.kind) {
    case sys::Unreadable::Kind::kNotAsked:
      return "not asked for";
    case sys::Unreadable::Kind::kNotOffered:
      return "none";
    case sys::Unreadable::Kind::kDenied:
      return unreadable.right.empty() ? "? (denied)" : "? (needs " + unreadable.right + ")";
    case sys::Unreadable::Kind::kGone:
      return "? (gone)";
    case sys::Unreadable::Kind::kFailed:
      return "? (" + printable(unreadable.why) + ")";
  }
  return "?";
}

std::string cpus_text(const Reading<CpuSet>& cpus) {
  if (!cpus) return unreadable_text(cpus.unreadable());
  return cpus->empty() ? "-" : cpus->to_list();
}

std::string path_tree(const Inventory& inventory, const std::vector<Finding>& findings,
                      std::size_t width) {
  TreeText out(width);
  add_host(out, inventory, findings);
  for (const Device& device : inventory.devices) add_device(out, device, findings);
  add_cpus(out, inventory, findings);
  add_sockets(out, inventory, findings);
  return out.take();
}

}  // namespace leat::app
