// Internal: which queue an interrupt serves, by the name that its driver gave it.
#pragma once

#include <optional>
#include <string_view>

namespace leat::host::internal {

/// What an interrupt's name says.
struct InterruptName {
  bool receives = false;
  bool transmits = false;
  /// Nothing: all of them, for a device that has a single interrupt of its own name.
  std::optional<int> queue;
};

/// How a device is called in names of interrupts.
struct DeviceNames {
  std::string_view device;  ///< "eth0"
  std::string_view parent;  ///< "virtio2", "0000:81:00.0"; empty if there is none.
};

/// Nothing if the name is not one of this device's queues: another's, a control interrupt, or
/// Intel's "fdir-TxRx", which only looks like one.
///
///     virtio2-input.0  virtio2-output.0        virtio_net
///     eth0-TxRx-3  ice-eth0-TxRx-3  i40e-eth0-TxRx-3  eth0-fp-3  eth0-Tx-Rx-3    Intel, bnx2x, ena
///     eth0-rx-0  eth0-tx-0  eth0:rx-0  eth0-0                                    others
///     mlx5_comp3@pci:0000:81:00.0  mlx4-3@0000:81:00.0  mana_q3@pci:7870:00:00.0
///     eth0                                                                       single interrupt
[[nodiscard]] std::optional<InterruptName> parse_interrupt_name(std::string_view name,
                                                                const DeviceNames& names);

}  // namespace leat::host::internal
