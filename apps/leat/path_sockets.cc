// The end of the path: sockets, their groups, and who may read them where.

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include <fmt/format.h>

#include "leat/sys/printable.h"

#include "apps/leat/path_tree.h"

namespace leat::app {

using host::Finding;
using host::Inventory;
using host::SocketEntry;
using sys::printable;

namespace {

/// More are summed up, so that a host with ten thousand sockets still fits a screen or two.
constexpr std::size_t kMostLines = 40;

using FindingsByPlace = std::unordered_map<std::string, std::vector<Finding>>;

const char* protocol_text(const SocketEntry& entry) {
  return entry.socket.protocol == sys::SocketProtocol::kTcp ? "tcp" : "udp";
}

/// "nginx (4711) on CPUs 0-3".
std::string owners_text(const Inventory& inventory, const std::set<std::size_t>& owners) {
  if (owners.empty() || !inventory.owners) return "owner unknown";
  std::string text;
  std::size_t shown = 0;
  for (const std::size_t i : owners) {
    if (shown++ == 3) return text + fmt::format(" and {} more", owners.size() - 3);
    const sys::SocketOwner& owner = (*inventory.owners)[i];
    text.append(
        fmt::format("{}{} ({})", text.empty() ? "" : ", ", printable(owner.name), owner.pid));
    if (!owner.threads) continue;
    CpuSet cpus;
    for (const sys::Thread& thread : *owner.threads) cpus |= thread.allowed;
    text.append(" on CPUs " + cpus.to_list());
  }
  return text;
}

std::string incoming_text(const std::map<int, std::size_t>& cpus) {
  std::string text;
  for (const auto& [cpu, count] : cpus) {
    text.append(fmt::format("{}CPU {} ({})", text.empty() ? "" : ", ", cpu, count));
  }
  return text.empty() ? "" : ", packets on " + text;
}

/// Sockets that are shown as one line.
struct Bundle {
  std::vector<const SocketEntry*> entries;

  [[nodiscard]] std::set<std::size_t> owners() const {
    std::set<std::size_t> all;
    for (const SocketEntry* entry : entries) all.insert(entry->owners.begin(), entry->owners.end());
    return all;
  }
  [[nodiscard]] std::map<int, std::size_t> incoming() const {
    std::map<int, std::size_t> cpus;
    for (const SocketEntry* entry : entries) {
      if (entry->incoming_cpu.value_or(-1) >= 0) ++cpus[*entry->incoming_cpu];
    }
    return cpus;
  }
};

std::string listening_line(const Inventory& inventory, const Bundle& bundle) {
  const SocketEntry& first = *bundle.entries.front();
  std::string text = fmt::format("{} {}", protocol_text(first), first.socket.local.to_text());
  if (bundle.entries.size() > 1) {
    text.append(fmt::format(", group of {}", bundle.entries.size()));
  }
  std::uint64_t waiting = 0;
  for (const SocketEntry* entry : bundle.entries) waiting += entry->socket.receive_queue;
  if (first.socket.protocol == sys::SocketProtocol::kTcp) {
    text.append(fmt::format(", {} waiting of {}", waiting, first.socket.send_queue));
  } else {
    text.append(fmt::format(", {} bytes unread", waiting));
  }
  text.append(incoming_text(bundle.incoming()));
  return text + ", " + owners_text(inventory, bundle.owners());
}

std::string connected_line(const Inventory& inventory, const std::string& name,
                           const Bundle& bundle) {
  const SocketEntry& first = *bundle.entries.front();
  std::string text = bundle.entries.size() == 1
                         ? fmt::format("{} {}, peer {}", protocol_text(first),
                                       first.socket.local.to_text(), first.socket.peer.to_text())
                         : fmt::format("{}: {} connections", name, bundle.entries.size());
  text.append(incoming_text(bundle.incoming()));
  return text + ", " + owners_text(inventory, bundle.owners());
}

void add_bundle(TreeText& out, const std::string& line, const Bundle& bundle,
                const FindingsByPlace& findings) {
  out.line(2, line);
  std::size_t shown = 0;
  for (const SocketEntry* entry : bundle.entries) {
    const auto at = findings.find(fmt::format("socket/{}", entry->socket.cookie));
    if (at == findings.end()) continue;
    if (shown++ == 3) {
      out.line(6, "... and more like these (--json has all)");
      return;
    }
    out.findings(6, at->second, at->first);
  }
}

}  // namespace

void add_sockets(TreeText& out, const Inventory& inventory, const std::vector<Finding>& findings) {
  if (!inventory.sockets) {
    out.line(0, "Sockets  " + unreadable_text(inventory.sockets.unreadable()));
    return;
  }
  FindingsByPlace by_place;
  for (const Finding& finding : findings) {
    if (finding.place.starts_with("socket/")) by_place[finding.place].push_back(finding);
  }
  // One line each: those that listen on an address, the connections of a port where somebody
  // listens, and those to an address elsewhere.
  std::map<std::string, Bundle> listening;
  std::map<std::string, Bundle> connected;
  std::set<std::pair<sys::SocketProtocol, std::uint16_t>> served;
  for (const SocketEntry& entry : *inventory.sockets) {
    if (!entry.socket.is_listening()) continue;
    served.emplace(entry.socket.protocol, entry.socket.local.port);
  }
  for (const SocketEntry& entry : *inventory.sockets) {
    const sys::Socket& socket = entry.socket;
    if (socket.is_listening()) {
      listening[fmt::format("{} {:>5} {}", protocol_text(entry), socket.local.port,
                            socket.local.to_text())]
          .entries.push_back(&entry);
    } else if (socket.peer.port != 0) {
      connected[served.contains({socket.protocol, socket.local.port})
                    ? fmt::format("{} port {}", protocol_text(entry), socket.local.port)
                    : fmt::format("{} to {}", protocol_text(entry), socket.peer.to_text())]
          .entries.push_back(&entry);
    }
  }
  out.line(0, fmt::format("Sockets  {}", inventory.sockets->size()));
  if (inventory.processes_unreadable > 0) {
    out.line(2, fmt::format("the descriptors of {} processes could not be listed (needs "
                            "CAP_SYS_PTRACE): owners may be missing",
                            inventory.processes_unreadable));
  }
  for (const auto& [key, bundle] : listening) {
    add_bundle(out, listening_line(inventory, bundle), bundle, by_place);
  }
  std::vector<const std::pair<const std::string, Bundle>*> largest;
  for (const auto& named : connected) largest.push_back(&named);
  std::sort(largest.begin(), largest.end(), [](const auto* a, const auto* b) {
    const std::size_t of_a = a->second.entries.size();
    const std::size_t of_b = b->second.entries.size();
    return of_a != of_b ? of_a > of_b : a->first < b->first;
  });
  for (std::size_t i = 0; i < std::min(largest.size(), kMostLines); ++i) {
    const auto& [name, bundle] = *largest[i];
    add_bundle(out, connected_line(inventory, name, bundle), bundle, by_place);
  }
  if (largest.size() > kMostLines) {
    out.line(2, fmt::format("... and {} more ports and peers (--json has all)",
                            largest.size() - kMostLines));
  }
}

}  // namespace leat::app
