#include "leat/host/internal/socket_reader.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace leat::host::internal {
namespace {

constexpr const char* kTrace = "CAP_SYS_PTRACE";

/// Sockets that hear packets of strangers and have the same address are a group: without
/// SO_REUSEPORT the kernel would not have let the second one in (UDP's SO_REUSEADDR apart).
void find_groups(std::vector<SocketEntry>& entries, std::vector<ReuseportGroup>& groups) {
  using Key =
      std::tuple<sys::SocketProtocol, bool, std::array<std::uint8_t, 16>, std::uint16_t, int>;
  std::map<Key, std::vector<std::size_t>> by_address;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const sys::Socket& socket = entries[i].socket;
    if (!socket.is_listening() || socket.local.port == 0) continue;
    by_address[{socket.protocol, socket.local.is_ipv6, socket.local.bytes, socket.local.port,
                socket.device}]
        .push_back(i);
  }
  for (auto& [key, members] : by_address) {
    if (members.size() < 2) continue;
    for (const std::size_t member : members) entries[member].group = groups.size();
    groups.push_back({.sockets = std::move(members)});
  }
}

struct Holder {
  std::size_t owner;
  int fd;
};

/// Listening ones first, for each of them stands for many connections.
std::vector<std::size_t> order_of_asking(const std::vector<SocketEntry>& entries) {
  std::vector<std::size_t> order;
  order.reserve(entries.size());
  for (const bool listening : {true, false}) {
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (entries[i].socket.is_listening() == listening) order.push_back(i);
    }
  }
  return order;
}

void ask_sockets(sys::Machine& machine, std::size_t limit,
                 const std::vector<sys::SocketOwner>& owners,
                 const std::unordered_map<std::uint32_t, Holder>& holders,
                 std::vector<SocketEntry>& entries) {
  std::size_t asked = 0;
  for (const std::size_t i : order_of_asking(entries)) {
    SocketEntry& entry = entries[i];
    const auto holder = holders.find(entry.socket.inode);
    if (holder == holders.end()) continue;
    if (asked++ == limit) return;
    const auto options =
        machine.socket_options(owners[holder->second.owner].pid, holder->second.fd);
    if (options) {
      entry.incoming_cpu = options->incoming_cpu;
      entry.incoming_napi = options->napi_id;
    } else {
      entry.incoming_cpu = sys::why_unreadable(options.error(), kTrace);
      entry.incoming_napi = sys::why_unreadable(options.error(), kTrace);
    }
  }
}

}  // namespace

void read_sockets_into(sys::Machine& machine, const InventoryOptions& options,
                       Inventory& inventory) {
  auto sockets = sys::read_sockets(machine);
  if (!sockets) {
    inventory.sockets = sys::why_unreadable(sockets.error(), "CAP_NET_ADMIN");
    return;
  }
  std::vector<SocketEntry> entries;
  entries.reserve(sockets->size());
  std::unordered_set<std::uint32_t> inodes;
  std::unordered_multimap<std::uint32_t, std::size_t> by_inode;
  for (sys::Socket& socket : *sockets) {
    if (socket.inode != 0) {
      inodes.insert(socket.inode);
      by_inode.emplace(socket.inode, entries.size());
    }
    entries.push_back(
        {.socket = socket, .incoming_cpu = {}, .incoming_napi = {}, .owners = {}, .group = {}});
  }
  find_groups(entries, inventory.groups);
  auto scan = sys::scan_processes(machine, inodes);
  if (!scan) {
    inventory.owners = sys::why_unreadable(scan.error(), kTrace);
    inventory.sockets = std::move(entries);
    return;
  }
  inventory.processes_unreadable = scan->unreadable;
  inventory.irqbalance = scan->irqbalance;
  std::unordered_map<std::uint32_t, Holder> holders;
  for (std::size_t i = 0; i < scan->owners.size(); ++i) {
    for (const sys::SocketOwner::Held& held : scan->owners[i].sockets) {
      const auto range = by_inode.equal_range(held.inode);
      for (auto at = range.first; at != range.second; ++at) {
        std::vector<std::size_t>& owners = entries[at->second].owners;
        if (owners.empty() || owners.back() != i) owners.push_back(i);
      }
      holders.emplace(held.inode, Holder{.owner = i, .fd = held.fd});
    }
  }
  ask_sockets(machine, options.ask_sockets, scan->owners, holders, entries);
  inventory.owners = std::move(scan->owners);
  inventory.sockets = std::move(entries);
}

}  // namespace leat::host::internal
