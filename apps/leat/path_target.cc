#include "apps/leat/path_target.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>
#include <vector>

#include "leat/base/internal/text_cursor.h"

namespace leat::app {

namespace {

template <typename T>
std::optional<T> whole_number(std::string_view text) {
  T number{};
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

/// Where each of `count` things stands after only the kept ones remain.
std::vector<std::optional<std::size_t>> renumbered(const std::vector<bool>& kept) {
  std::vector<std::optional<std::size_t>> places(kept.size());
  std::size_t next = 0;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (kept[i]) places[i] = next++;
  }
  return places;
}

template <typename T>
void keep(std::vector<T>& list, const std::vector<bool>& kept) {
  std::size_t to = 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (kept[i] && to != i) list[to] = std::move(list[i]);
    if (kept[i]) ++to;
  }
  list.erase(list.begin() + static_cast<std::ptrdiff_t>(to), list.end());
}

}  // namespace

bool PathTarget::wants(const host::Inventory& inventory, const host::SocketEntry& entry) const {
  if (port && entry.socket.local.port != *port && entry.socket.peer.port != *port) return false;
  if (!pid) return true;
  return std::any_of(entry.owners.begin(), entry.owners.end(),
                     [&](std::size_t owner) { return (*inventory.owners)[owner].pid == *pid; });
}

Result<PathTarget> parse_path_target(const std::string& text) {
  PathTarget target;
  if (text.starts_with(':')) {
    target.port = whole_number<std::uint16_t>(std::string_view(text).substr(1));
    if (!target.port || *target.port == 0) {
      return Error::invalid_argument(leat::internal::quoted(text) + " is no port from 1 to 65535");
    }
  } else if (const auto pid = whole_number<int>(text)) {
    target.pid = *pid;
  } else {
    target.device = text;
  }
  return target;
}

void keep_wanted(const PathTarget& target, host::Inventory& inventory) {
  if ((!target.pid && !target.port) || !inventory.sockets || !inventory.owners) return;
  std::vector<host::SocketEntry>& entries = *inventory.sockets;
  std::vector<sys::SocketOwner>& owners = *inventory.owners;
  std::vector<bool> kept_sockets(entries.size());
  std::vector<bool> kept_owners(owners.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    kept_sockets[i] = target.wants(inventory, entries[i]);
    if (!kept_sockets[i]) continue;
    for (const std::size_t owner : entries[i].owners) kept_owners[owner] = true;
  }
  const auto socket_place = renumbered(kept_sockets);
  const auto owner_place = renumbered(kept_owners);
  std::vector<host::ReuseportGroup> groups;
  std::vector<std::optional<std::size_t>> group_place(inventory.groups.size());
  for (std::size_t i = 0; i < inventory.groups.size(); ++i) {
    host::ReuseportGroup group;
    for (const std::size_t member : inventory.groups[i].sockets) {
      if (socket_place[member]) group.sockets.push_back(*socket_place[member]);
    }
    if (group.sockets.empty()) continue;
    group_place[i] = groups.size();
    groups.push_back(std::move(group));
  }
  inventory.groups = std::move(groups);
  keep(entries, kept_sockets);
  keep(owners, kept_owners);
  for (host::SocketEntry& entry : entries) {
    if (entry.group) entry.group = group_place[*entry.group];
    for (std::size_t& owner : entry.owners) owner = owner_place[owner].value_or(0);
  }
}

}  // namespace leat::app
