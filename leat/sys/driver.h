// Public: a device's driver, its own statistics and its ntuple filters, by SIOCETHTOOL.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "leat/base/result.h"
#include "leat/sys/machine.h"
#include "leat/sys/named_number.h"

namespace leat::sys {

struct DriverInfo {
  std::string driver;  ///< "virtio_net"
  std::string version;
  std::string firmware;
  std::string bus;  ///< "0000:00:03.0"
};

/// One rule of the device: packets that match it go to a queue of their own (or are dropped).
struct NtupleFilter {
  std::uint32_t location = 0;
  std::uint32_t flow_type = 0;         ///< TCP_V4_FLOW and the like, linux/ethtool.h.
  std::optional<std::uint32_t> queue;  ///< Nothing: packets are dropped.
  std::vector<std::byte> spec;         ///< struct ethtool_rx_flow_spec, for writing it again.
};

struct NtupleFilters {
  std::uint32_t capacity = 0;  ///< 0: the driver does not say.
  std::vector<NtupleFilter> rules;
};

// EOPNOTSUPP where the driver has no such thing, ENODEV where the device is gone. Netlink has none
// of these.

[[nodiscard]] Result<DriverInfo> read_driver(Machine& machine, const std::string& device);
/// What `ethtool -S` prints, with the driver's own names.
[[nodiscard]] Result<NamedNumbers> read_driver_statistics(Machine& machine,
                                                          const std::string& device);
[[nodiscard]] Result<NtupleFilters> read_ntuple_filters(Machine& machine,
                                                        const std::string& device);
/// `spec` as it was read, its location included.
Result<void> insert_ntuple_filter(Machine& machine, const std::string& device,
                                  const NtupleFilter& filter);
Result<void> delete_ntuple_filter(Machine& machine, const std::string& device,
                                  std::uint32_t location);

}  // namespace leat::sys
