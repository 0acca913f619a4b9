#include "leat/host/internal/interrupt_names.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "leat/base/whole_number.h"

namespace leat::host::internal {
namespace {

std::optional<int> queue_number(std::string_view text) {
  const auto number = whole_number<int>(text);
  return number && *number >= 0 ? number : std::nullopt;
}

struct Kind {
  std::string_view text;
  bool receives;
  bool transmits;
};

// What stands between the device's name and the queue's number. Longer ones first.
constexpr std::array kAfterDevice = {
    Kind{"-Tx-Rx-", true, true}, Kind{"-TxRx-", true, true},   Kind{"-txrx-", true, true},
    Kind{"-fp-", true, true},    Kind{"-input.", true, false}, Kind{"-output.", false, true},
    Kind{"-rx-", true, false},   Kind{"-tx-", false, true},    Kind{"-rx", true, false},
    Kind{"-tx", false, true},    Kind{":rx-", true, false},    Kind{":tx-", false, true},
    Kind{".rx-", true, false},   Kind{".tx-", false, true},    Kind{"-q", true, true},
    Kind{"-", true, true},
};

// Names that are not made of the device's but of the PCI function's behind it.
constexpr std::array kBeforeParent = {Kind{"mlx5_comp", true, true}, Kind{"mlx4-", true, true},
                                      Kind{"mana_q", true, true}};

std::optional<InterruptName> after_device(std::string_view rest) {
  for (const Kind& kind : kAfterDevice) {
    if (!rest.starts_with(kind.text)) continue;
    const auto queue = queue_number(rest.substr(kind.text.size()));
    if (!queue) continue;
    return InterruptName{.receives = kind.receives, .transmits = kind.transmits, .queue = queue};
  }
  return std::nullopt;
}

std::optional<InterruptName> before_parent(std::string_view name, std::string_view parent) {
  const std::size_t at = name.find('@');
  if (parent.empty() || at == std::string_view::npos || !name.ends_with(parent)) {
    return std::nullopt;
  }
  for (const Kind& kind : kBeforeParent) {
    if (!name.starts_with(kind.text)) continue;
    const auto queue = queue_number(name.substr(kind.text.size(), at - kind.text.size()));
    if (!queue) return std::nullopt;
    return InterruptName{.receives = kind.receives, .transmits = kind.transmits, .queue = queue};
  }
  return std::nullopt;
}

/// "ice-eth0-TxRx-3" -> "eth0-TxRx-3": some drivers put their own name first.
std::string_view without_driver(std::string_view name, std::string_view device) {
  const std::size_t dash = name.find('-');
  if (dash == std::string_view::npos) return name;
  const bool is_driver =
      dash > 0 && std::all_of(name.begin(), name.begin() + static_cast<long>(dash), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
      });
  return is_driver && name.substr(dash + 1).starts_with(device) ? name.substr(dash + 1) : name;
}

}  // namespace

std::optional<InterruptName> parse_interrupt_name(std::string_view name, const DeviceNames& names) {
  if (name.find("fdir") != std::string_view::npos) return std::nullopt;
  if (auto found = before_parent(name, names.parent)) return found;
  for (const std::string_view own : {names.device, names.parent}) {
    if (own.empty()) continue;
    const std::string_view tail = name.starts_with(own) ? name : without_driver(name, own);
    if (!tail.starts_with(own)) continue;
    if (tail == own) return InterruptName{.receives = true, .transmits = true, .queue = {}};
    if (auto found = after_device(tail.substr(own.size()))) return found;
  }
  return std::nullopt;
}

}  // namespace leat::host::internal
