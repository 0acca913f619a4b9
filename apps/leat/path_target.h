// Internal: what `leat path` is asked about: a device, a process, a port, or everything.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "leat/base/result.h"
#include "leat/host/findings.h"
#include "leat/host/inventory.h"

namespace leat::app {

struct PathTarget {
  std::string device;  ///< Empty: all.
  std::optional<int> pid;
  std::optional<std::uint16_t> port;  ///< ":80"

  [[nodiscard]] bool is_everything() const { return device.empty() && !pid && !port; }
  [[nodiscard]] bool wants(const host::Inventory& inventory, const host::SocketEntry& entry) const;
};

/// "eth0", "4711", ":80". A number is a process.
[[nodiscard]] Result<PathTarget> parse_path_target(const std::string& text);

/// Takes sockets out that nobody asked for, with their groups, and whoever holds none of the rest;
/// what refers to one of them by its index is numbered anew.
void keep_wanted(const PathTarget& target, host::Inventory& inventory);

}  // namespace leat::app
