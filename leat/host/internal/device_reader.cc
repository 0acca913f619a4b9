#include "leat/host/internal/device_reader.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <utility>

#include "leat/base/internal/text_cursor.h"
#include "leat/host/internal/interrupt_names.h"

namespace leat::host::internal {

using sys::read_line;
using sys::read_number;
using sys::reading_from;
using sys::reading_of;
using sys::Unreadable;

namespace {

constexpr const char* kAdmin = "CAP_NET_ADMIN";
constexpr const char* kRoot = "root";

std::string directory_of(const sys::Link& link) {
  return "/sys/class/net/" + link.name;
}

std::string last_part(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

Reading<CpuSet> read_mask(sys::Machine& machine, const std::string& path) {
  return reading_from(machine.read_file(path), kRoot,
                      [](const std::string& text) { return CpuSet::parse_mask(text); });
}

Reading<CpuSet> read_cpu_list(sys::Machine& machine, const std::string& path) {
  return reading_from(machine.read_file(path), kRoot,
                      [](const std::string& text) { return CpuSet::parse_list(text); });
}

Reading<std::uint64_t> read_count(sys::Machine& machine, const std::string& path) {
  return reading_from(read_number(machine, path), kRoot,
                      [&](std::int64_t number) -> Result<std::uint64_t> {
                        if (number < 0) return Error::from_errno(EBADMSG, path);
                        return static_cast<std::uint64_t>(number);
                      });
}

/// "rx-12" -> 12 for "rx-".
std::optional<int> queue_number(std::string_view name, std::string_view kind) {
  if (!name.starts_with(kind)) return std::nullopt;
  name.remove_prefix(kind.size());
  int number = 0;
  const auto parsed = std::from_chars(name.data(), name.data() + name.size(), number);
  if (name.empty() || parsed.ec != std::errc() || parsed.ptr != name.data() + name.size()) {
    return std::nullopt;
  }
  return number < 0 ? std::nullopt : std::optional(number);
}

/// "0011": the character at i tells of bit i.
Result<std::vector<int>> virtio_bits(const std::string& text) {
  std::vector<int> bits;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '1') bits.push_back(static_cast<int>(i));
    if (text[i] != '0' && text[i] != '1') {
      return Error::from_errno(EBADMSG, "virtio features " + leat::internal::quoted(text));
    }
  }
  return bits;
}

template <typename Queue>
Queue* queue_at(std::vector<Queue>& queues, std::uint32_t index) {
  const auto at = std::find_if(queues.begin(), queues.end(), [&](const Queue& queue) {
    return static_cast<std::uint32_t>(queue.index) == index;
  });
  return at == queues.end() ? nullptr : &*at;
}

template <typename Queue>
void sort_queues(std::vector<Queue>& queues) {
  std::sort(queues.begin(), queues.end(),
            [](const Queue& a, const Queue& b) { return a.index < b.index; });
}

}  // namespace

DeviceReader::DeviceReader(sys::Machine& machine, const InventoryOptions& options)
    : machine_(machine), options_(options) {
  const auto text = machine.read_file("/proc/interrupts");
  if (auto table = text ? sys::parse_interrupts(*text) : text.error()) {
    interrupts_ = *std::move(table);
  }
}

Device DeviceReader::read(const sys::Link& link) {
  Device device;
  device.link = link;
  read_driver_side(device);
  read_napis(device);
  read_sysfs_side(device);
  read_queue_statistics(device);
  match_interrupts(device);
  return device;
}

void DeviceReader::read_driver_side(Device& device) {
  const std::string& name = device.link.name;
  device.driver = reading_of(sys::read_driver(machine_, name), kAdmin);
  device.rings = reading_of(sys::read_rings(machine_, name), kAdmin);
  device.channels = reading_of(sys::read_channels(machine_, name), kAdmin);
  device.coalesce = reading_of(sys::read_coalesce(machine_, name), kAdmin);
  device.features = reading_of(sys::read_features(machine_, name), kAdmin);
  device.rss = reading_of(sys::read_rss(machine_, name), kAdmin);
  device.ntuple = reading_of(sys::read_ntuple_filters(machine_, name), kAdmin);
  if (options_.driver_statistics) {
    device.driver_statistics = reading_of(sys::read_driver_statistics(machine_, name), kAdmin);
  }
}

std::optional<Unreadable> DeviceReader::foreign_sysfs(const sys::Link& link) {
  const auto index = read_number(machine_, directory_of(link) + "/ifindex");
  if (index && *index == link.index) return std::nullopt;
  if (!index && index.error().number() != ENOENT) return sys::why_unreadable(index.error(), kRoot);
  return Unreadable{
      Unreadable::Kind::kFailed,
      "/sys shows the devices of another network namespace: mount it anew in this one",
      {}};
}

void DeviceReader::read_sysfs_side(Device& device) {
  const std::string directory = directory_of(device.link);
  if (const auto foreign = foreign_sysfs(device.link)) {
    device.sysfs_is_foreign = foreign->kind == Unreadable::Kind::kFailed;
    device.numa_node = *foreign;
    device.virtio_features = *foreign;
    device.gro_flush_timeout = *foreign;
    device.defer_hard_irqs = *foreign;
    device.threaded = *foreign;
    return;
  }
  device.gro_flush_timeout = read_count(machine_, directory + "/gro_flush_timeout");
  device.defer_hard_irqs = read_count(machine_, directory + "/napi_defer_hard_irqs");
  device.threaded = reading_from(read_number(machine_, directory + "/threaded"), kRoot,
                                 [](std::int64_t value) { return Result<bool>(value != 0); });
  const auto parent = machine_.read_link(directory + "/device");
  if (parent && device.link.parent.empty()) device.link.parent = last_part(*parent);
  // A virtio device's node is that of the PCI function it sits on.
  auto node = read_number(machine_, directory + "/device/numa_node");
  if (!node) node = read_number(machine_, directory + "/device/../numa_node");
  device.numa_node = reading_from(
      node, kRoot, [](std::int64_t value) { return Result<int>(static_cast<int>(value)); });
  device.virtio_features =
      reading_from(read_line(machine_, directory + "/device/features"), kRoot, virtio_bits);
  read_queue_files(device);
}

void DeviceReader::read_queue_files(Device& device) {
  const std::string directory = directory_of(device.link) + "/queues";
  const auto names = machine_.list(directory);
  if (!names) return;
  for (const std::string& name : *names) {
    const std::string path = directory + "/" + name;
    if (const auto index = queue_number(name, "rx-")) {
      ReceiveQueue queue;
      queue.index = *index;
      queue.rps_cpus = read_mask(machine_, path + "/rps_cpus");
      queue.rps_flow_count = read_count(machine_, path + "/rps_flow_cnt");
      device.receive_queues.push_back(std::move(queue));
    } else if (const auto transmit = queue_number(name, "tx-")) {
      TransmitQueue queue;
      queue.index = *transmit;
      queue.xps_cpus = read_mask(machine_, path + "/xps_cpus");
      queue.xps_rxqs = read_mask(machine_, path + "/xps_rxqs");
      device.transmit_queues.push_back(std::move(queue));
    }
  }
  sort_queues(device.receive_queues);
  sort_queues(device.transmit_queues);
}

void DeviceReader::read_napis(Device& device) {
  device.napis = reading_of(sys::read_napis(machine_, device.link.index), kAdmin);
}

void DeviceReader::read_queue_statistics(Device& device) {
  if (const auto queues = sys::read_queues(machine_, device.link.index)) {
    for (const sys::NetdevQueue& queue : *queues) {
      if (queue.direction == sys::QueueDirection::kReceive) {
        if (auto* const own = queue_at(device.receive_queues, queue.id)) own->napi = queue.napi_id;
      } else if (auto* const own = queue_at(device.transmit_queues, queue.id)) {
        own->napi = queue.napi_id;
      }
    }
  }
  auto statistics = sys::read_queue_statistics(machine_, device.link.index);
  if (!statistics) return;
  for (sys::QueueStatistics& queue : *statistics) {
    if (queue.direction == sys::QueueDirection::kReceive) {
      auto* const own = queue_at(device.receive_queues, queue.id);
      if (own != nullptr) own->statistics = std::move(queue.numbers);
    } else if (auto* const own = queue_at(device.transmit_queues, queue.id)) {
      own->statistics = std::move(queue.numbers);
    }
  }
}

Interrupt DeviceReader::read_interrupt(const sys::InterruptLine& line, std::string action) {
  const std::string directory = "/proc/irq/" + std::to_string(line.number);
  return {.number = line.number,
          .action = std::move(action),
          .asked = read_cpu_list(machine_, directory + "/smp_affinity_list"),
          .effective = read_cpu_list(machine_, directory + "/effective_affinity_list"),
          .counts = line.counts};
}

void DeviceReader::match_interrupts(Device& device) {
  // By number where the driver tells which interrupt starts which NAPI.
  std::map<int, std::uint32_t> napi_of;
  if (device.napis) {
    for (const sys::Napi& napi : *device.napis) {
      if (napi.irq) napi_of[*napi.irq] = napi.id;
    }
  }
  const auto bind = [](auto& queues, int irq, const auto& is_its) {
    for (auto& queue : queues) {
      if (!queue.irq && is_its(queue)) queue.irq = irq;
    }
  };
  const DeviceNames names{.device = device.link.name, .parent = device.link.parent};
  for (const sys::InterruptLine& line : interrupts_.lines) {
    const auto napi = napi_of.find(line.number);
    if (napi != napi_of.end()) {
      const auto is_its = [&](const auto& queue) { return queue.napi == napi->second; };
      bind(device.receive_queues, line.number, is_its);
      bind(device.transmit_queues, line.number, is_its);
    }
    for (const std::string& action : line.actions) {
      const auto meaning = parse_interrupt_name(action, names);
      if (!meaning && napi == napi_of.end()) continue;
      device.interrupts.emplace(line.number, read_interrupt(line, action));
      if (!meaning || napi != napi_of.end()) continue;
      const auto is_its = [&](const auto& queue) {
        return !meaning->queue || queue.index == *meaning->queue;
      };
      if (meaning->receives) bind(device.receive_queues, line.number, is_its);
      if (meaning->transmits) bind(device.transmit_queues, line.number, is_its);
    }
  }
}

}  // namespace leat::host::internal
