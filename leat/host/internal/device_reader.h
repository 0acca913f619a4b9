// Internal: reads one network device into the inventory.
#pragma once

#include <string>
#include <vector>

#include "leat/host/inventory.h"
#include "leat/sys/proc_tables.h"

namespace leat::host::internal {

/// Keeps /proc/interrupts between the devices of one inventory. `machine` and `options` must
/// outlive it.
class DeviceReader {
 public:
  DeviceReader(sys::Machine& machine, const InventoryOptions& options);

  [[nodiscard]] const std::vector<int>& interrupt_cpus() const { return interrupts_.cpus; }
  [[nodiscard]] Device read(const sys::Link& link);

 private:
  void read_driver_side(Device& device);
  void read_sysfs_side(Device& device);
  void read_queue_files(Device& device);
  void read_napis(Device& device);
  void read_queue_statistics(Device& device);
  void match_interrupts(Device& device);
  [[nodiscard]] Interrupt read_interrupt(const sys::InterruptLine& line, std::string action);
  /// Why the files below /sys/class/net/DEVICE are not this device's, if they are not.
  [[nodiscard]] std::optional<sys::Unreadable> foreign_sysfs(const sys::Link& link);

  sys::Machine& machine_;
  const InventoryOptions& options_;
  sys::InterruptTable interrupts_;
};

}  // namespace leat::host::internal
