#include "leat/host/inventory.h"

#include <net/if.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <utility>

#include "leat/base/internal/text_cursor.h"
#include "leat/host/internal/cpu_work.h"
#include "leat/host/internal/device_reader.h"
#include "leat/host/internal/socket_reader.h"
#include "leat/sys/proc_tables.h"

namespace leat::host {

using sys::read_line;

namespace {

/// Those that decide about received packets; net/core/sysctl_net_core.c,
/// net/ipv4/sysctl_net_ipv4.c.
constexpr const char* kSysctls[] = {
    "net.core.rps_sock_flow_entries",
    "net.core.rps_default_mask",
    "net.core.netdev_max_backlog",
    "net.core.netdev_budget",
    "net.core.netdev_budget_usecs",
    "net.core.dev_weight",
    "net.core.gro_normal_batch",
    "net.core.flow_limit_cpu_bitmap",
    "net.core.flow_limit_table_len",
    "net.core.busy_poll",
    "net.core.busy_read",
    "net.core.rmem_default",
    "net.core.rmem_max",
    "net.core.somaxconn",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_migrate_req",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.udp_rmem_min",
};

std::string sysctl_path(std::string name) {
  std::replace(name.begin(), name.end(), '.', '/');
  return "/proc/sys/" + name;
}

Sysctls read_sysctls(sys::Machine& machine) {
  Sysctls sysctls;
  for (const char* const name : kSysctls) {
    sysctls[name] = sys::reading_of(read_line(machine, sysctl_path(name)), "root");
  }
  return sysctls;
}

Result<Topology> read_topology(sys::Machine& machine) {
  const auto if_there = [&](const std::string& path) -> Result<std::optional<std::string>> {
    Result<std::string> text = machine.read_file(path);
    if (text) return std::optional(*std::move(text));
    const int number = text.error().number();
    if (number == ENOENT || number == ENOTDIR) return std::optional<std::string>();
    return text.error();
  };
  const auto otherwise = [&]() -> Result<CpuSet> {
    const auto status = machine.read_file("/proc/self/status");
    if (!status) return status.error();
    return CpuSet::parse_list(sys::status_field(*status, "Cpus_allowed_list"));
  };
  return Topology::read("/sys", if_there, otherwise);
}

Result<sys::NamedNumbers> read_protocols(sys::Machine& machine) {
  sys::NamedNumbers all;
  for (const char* const file : {"/proc/net/snmp", "/proc/net/netstat", "/proc/net/snmp6"}) {
    const auto text = machine.read_file(file);
    if (!text && text.error().number() == ENOENT) continue;  // No IPv6.
    if (!text) return text.error();
    const bool is_list = std::string_view(file).ends_with('6');
    auto counters =
        is_list ? sys::parse_name_value_lines(*text) : sys::parse_protocol_counters(*text);
    if (!counters) return counters.error();
    all.insert(all.end(), counters->begin(), counters->end());
  }
  return all;
}

}  // namespace

bool Device::is_up() const {
  return (link.flags & IFF_UP) != 0;
}

bool Device::is_loopback() const {
  return (link.flags & IFF_LOOPBACK) != 0;
}

std::optional<sys::Feature> Device::feature(std::string_view name) const {
  if (!features) return std::nullopt;
  const auto at = std::find_if(features->begin(), features->end(),
                               [&](const sys::Feature& f) { return f.name == name; });
  return at == features->end() ? std::nullopt : std::optional(*at);
}

const Device* Inventory::find(std::string_view device) const {
  const auto at = std::find_if(devices.begin(), devices.end(),
                               [&](const Device& d) { return d.link.name == device; });
  return at == devices.end() ? nullptr : &*at;
}

std::optional<std::uint64_t> Inventory::sysctl_number(const std::string& name) const {
  const auto at = sysctls.find(name);
  if (at == sysctls.end() || !at->second) return std::nullopt;
  const std::string& text = *at->second;
  std::uint64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

Result<Inventory> read_inventory(sys::Machine& machine, const InventoryOptions& options) {
  const auto links = sys::read_links(machine);
  if (!links) return links.error();
  const bool is_known = options.device.empty() ||
                        std::any_of(links->begin(), links->end(), [&](const sys::Link& link) {
                          return link.name == options.device;
                        });
  if (!is_known) {
    return Error::from_errno(ENODEV, "device " + leat::internal::quoted(options.device));
  }
  Inventory inventory;
  inventory.kernel = read_line(machine, "/proc/sys/kernel/osrelease").value_or("");
  auto topology = read_topology(machine);
  if (!topology) return topology.error();
  inventory.topology = *std::move(topology);
  inventory.sysctls = read_sysctls(machine);
  inventory.cpus = sys::reading_of(internal::read_cpu_work(machine), "");
  inventory.protocols = sys::reading_of(read_protocols(machine), "");
  internal::DeviceReader reader(machine, options);
  inventory.interrupt_cpus = reader.interrupt_cpus();
  for (const sys::Link& link : *links) {
    if (!options.device.empty() && link.name != options.device) continue;
    inventory.devices.push_back(reader.read(link));
  }
  if (options.sockets) internal::read_sockets_into(machine, options, inventory);
  return inventory;
}

}  // namespace leat::host
