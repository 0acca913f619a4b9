// Public: what a machine's receive path looks like at one moment, as plain values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "leat/base/cpu_set.h"
#include "leat/base/result.h"
#include "leat/base/topology.h"
#include "leat/sys/driver.h"
#include "leat/sys/ethtool.h"
#include "leat/sys/links.h"
#include "leat/sys/machine.h"
#include "leat/sys/named_number.h"
#include "leat/sys/napi.h"
#include "leat/sys/processes.h"
#include "leat/sys/reading.h"
#include "leat/sys/sockets.h"

namespace leat::host {

using sys::Reading;

/// An interrupt line of a device.
struct Interrupt {
  int number = 0;
  std::string action;         ///< The name that the driver gave it: "virtio2-input.0".
  Reading<CpuSet> asked;      ///< smp_affinity_list
  Reading<CpuSet> effective;  ///< Where it really goes; follows a change at the next interrupt.
  std::vector<std::uint64_t> counts;  ///< By `Inventory::interrupt_cpus`.
};

/// A receive queue and how its packets are spread further; files below queues/rx-N.
struct ReceiveQueue {
  int index = 0;
  std::optional<int> irq;             ///< Key of Device::interrupts.
  std::optional<std::uint32_t> napi;  ///< Key of Device::napis.
  Reading<CpuSet> rps_cpus;
  Reading<std::uint64_t> rps_flow_count;
  sys::NamedNumbers statistics;  ///< "rx-packets" ...; empty where the driver tells none.
};

/// A transmit queue; files below queues/tx-N.
struct TransmitQueue {
  int index = 0;
  std::optional<int> irq;
  std::optional<std::uint32_t> napi;
  Reading<CpuSet> xps_cpus;
  Reading<CpuSet> xps_rxqs;  ///< Receive queues, not CPUs.
  sys::NamedNumbers statistics;
};

/// A network device with everything that decides where its packets go.
///
///     rss, ntuple -> receive_queues[i] -> interrupts[irq] -> a CPU -> rps_cpus, flow tables -> a
///     CPU
///                                     \-> napis[napi]
struct Device {
  sys::Link link;
  /// /sys was mounted in another network namespace: no setting of this device is seen or may be
  /// written by it.
  bool sysfs_is_foreign = false;
  Reading<sys::DriverInfo> driver;
  Reading<int> numa_node;  ///< -1: the machine does not say.
  Reading<sys::Rings> rings;
  Reading<sys::Channels> channels;
  Reading<sys::NamedNumbers> coalesce;
  Reading<std::vector<sys::Feature>> features;
  Reading<sys::Rss> rss;
  Reading<sys::NtupleFilters> ntuple;
  /// Bits that driver and device have agreed on, of a virtio device only.
  Reading<std::vector<int>> virtio_features;
  Reading<std::uint64_t> gro_flush_timeout;  ///< ns; of all NAPIs without their own
  Reading<std::uint64_t> defer_hard_irqs;
  Reading<bool> threaded;
  std::vector<ReceiveQueue> receive_queues;  ///< By index.
  std::vector<TransmitQueue> transmit_queues;
  std::map<int, Interrupt> interrupts;
  Reading<std::vector<sys::Napi>> napis;
  Reading<sys::NamedNumbers> driver_statistics;

  [[nodiscard]] bool is_up() const;
  [[nodiscard]] bool is_loopback() const;
  /// Nothing where the driver lists none of that name: it is off and cannot be turned on.
  [[nodiscard]] std::optional<sys::Feature> feature(std::string_view name) const;
};

/// What one CPU has done since the machine started.
struct CpuWork {
  int cpu = 0;
  std::uint64_t processed = 0;
  std::uint64_t dropped = 0;
  std::uint64_t squeezed = 0;
  std::optional<std::uint64_t> received_rps, flow_limit, input_queue, process_queue;
  std::optional<std::uint64_t> net_rx;  ///< Softirqs of that kind.
  std::optional<std::uint64_t> net_tx;
};

/// A socket and what its options say, where they could be asked for.
struct SocketEntry {
  sys::Socket socket;
  Reading<int> incoming_cpu;             ///< -1: none yet.
  Reading<std::uint32_t> incoming_napi;  ///< 0: none yet.
  std::vector<std::size_t> owners;       ///< Indices of Inventory::owners.
  std::optional<std::size_t> group;      ///< Index of Inventory::groups.
};

/// Sockets that share an address, so the kernel chooses one of them for each packet.
struct ReuseportGroup {
  std::vector<std::size_t> sockets;  ///< Indices of Inventory::sockets, two or more.
};

/// Settings of the whole machine or of the network namespace: "net.core.netdev_budget".
using Sysctls = std::map<std::string, Reading<std::string>>;

struct Inventory {
  std::string kernel;  ///< "6.12.0"
  Topology topology;
  Sysctls sysctls;
  std::vector<int> interrupt_cpus;
  Reading<std::vector<CpuWork>> cpus;
  std::vector<Device> devices;  ///< By index of the link.
  Reading<std::vector<SocketEntry>> sockets;
  std::vector<ReuseportGroup> groups;
  Reading<std::vector<sys::SocketOwner>> owners;
  int processes_unreadable = 0;          ///< Whose descriptors could not be listed.
  std::vector<int> irqbalance;           ///< Processes of that name.
  Reading<sys::NamedNumbers> protocols;  ///< "Tcp.InSegs", "TcpExt.ListenDrops", "Udp6InErrors" ...

  /// nullptr if there is none of that name.
  [[nodiscard]] const Device* find(std::string_view device) const;
  /// The number in a sysctl, if it could be read and is one.
  [[nodiscard]] std::optional<std::uint64_t> sysctl_number(const std::string& name) const;
};

struct InventoryOptions {
  /// Only this device; ENODEV if there is none. Empty: all.
  std::string device = {};
  bool sockets = true;
  /// How many sockets at most are asked for their incoming CPU, by borrowing the descriptor for a
  /// moment (pidfd_getfd(2)); listening ones come first.
  std::size_t ask_sockets = 512;
  bool driver_statistics = false;
};

/// Reads all of it. What cannot be read is a Reading that says why; an error is only what leaves
/// nothing to show: no list of devices, or not the one that was asked for.
[[nodiscard]] Result<Inventory> read_inventory(sys::Machine& machine,
                                               const InventoryOptions& options = {});

}  // namespace leat::host
