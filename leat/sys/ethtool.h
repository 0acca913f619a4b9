// Public: what a device's driver lets one see and set, by the netlink family "ethtool".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "leat/base/result.h"
#include "leat/sys/machine.h"
#include "leat/sys/named_number.h"

namespace leat::sys {

/// Descriptors of each ring. What the device does not have is absent.
struct Rings {
  std::optional<std::uint32_t> rx, rx_max;
  std::optional<std::uint32_t> tx, tx_max;
  std::optional<std::uint32_t> rx_mini, rx_mini_max;
  std::optional<std::uint32_t> rx_jumbo, rx_jumbo_max;
};

/// Queues with an interrupt of their own. Combined ones have a receive and a transmit queue each.
struct Channels {
  std::optional<std::uint32_t> rx, rx_max;
  std::optional<std::uint32_t> tx, tx_max;
  std::optional<std::uint32_t> other, other_max;
  std::optional<std::uint32_t> combined, combined_max;
};

struct Feature {
  std::string name;  ///< "rx-ntuple-filter", as `ethtool -k` has it in brackets or not.
  bool active = false;
  bool wanted = false;  ///< By the user; differs where another setting forbids it.
  bool changeable = false;
};

/// Receive side scaling: which queue the device gives a packet to.
struct Rss {
  std::uint32_t context = 0;
  std::uint32_t function = 0;        ///< ETH_RSS_HASH_*: bit 0 Toeplitz, 1 XOR, 2 CRC32.
  std::vector<std::uint32_t> table;  ///< Indirection table; empty: the device has none.
  std::vector<std::uint8_t> key;
  std::uint32_t transform = 0;  ///< RXH_XFRM_*: bit 0 symmetric XOR, 1 symmetric OR-XOR.
};

// Each asks about one device; EOPNOTSUPP where its driver or this kernel has no such thing, ENODEV
// where it is gone. `device` is the name; the kernel refuses what is no name.

[[nodiscard]] Result<Rings> read_rings(Machine& machine, const std::string& device);
[[nodiscard]] Result<Channels> read_channels(Machine& machine, const std::string& device);
/// By the names of `ethtool`'s specification: "rx-usecs", "use-adaptive-rx" ...
[[nodiscard]] Result<NamedNumbers> read_coalesce(Machine& machine, const std::string& device);
/// Those that are on, or that can be changed; whatever else there is is off and fixed.
[[nodiscard]] Result<std::vector<Feature>> read_features(Machine& machine,
                                                         const std::string& device);
/// Of the default context; by ioctl where the kernel does not know it by netlink.
[[nodiscard]] Result<Rss> read_rss(Machine& machine, const std::string& device);

// Each asks for a change. What is not named stays. The kernel may round: read it back.

/// `values` by the names of the specification: {"rx", 1024}.
Result<void> set_rings(Machine& machine, const std::string& device, const NamedNumbers& values);
/// {"combined-count", 4}
Result<void> set_channels(Machine& machine, const std::string& device, const NamedNumbers& values);
Result<void> set_coalesce(Machine& machine, const std::string& device, const NamedNumbers& values);
Result<void> set_feature(Machine& machine, const std::string& device, const std::string& feature,
                         bool on);

/// What to change of RSS. An empty table means: back to the driver's own, which is not the same as
/// writing that one (the kernel then forgets that a user has set it).
struct RssChange {
  std::optional<std::vector<std::uint32_t>> table;
  std::optional<std::vector<std::uint8_t>> key;
};
/// By ioctl where the kernel cannot by netlink (before 6.17).
Result<void> set_rss(Machine& machine, const std::string& device, const RssChange& change);

}  // namespace leat::sys
