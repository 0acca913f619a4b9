#include "leat/steering/transmit_steering.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "leat/base/assert.h"
#include "leat/steering/reciprocal_scale.h"

namespace leat::steering {

Result<TransmitSteering> TransmitSteering::create(Options options) {
  if (options.transmit_queues < 1 || options.receive_queues < 1 || options.cpus < 1 ||
      options.cpus > CpuSet::kMaxCpus) {
    return Error::invalid_argument("a device without queues or CPUs");
  }
  if (options.classes.size() > kMaxClasses) {
    return Error::invalid_argument(std::to_string(options.classes.size()) +
                                   " traffic classes: the most is " + std::to_string(kMaxClasses));
  }
  for (const TrafficClass& c : options.classes) {
    if (c.first + c.count > options.transmit_queues) {
      return Error::invalid_argument("a traffic class of " + std::to_string(c.count) +
                                     " queues from " + std::to_string(c.first) +
                                     ", and there are " + std::to_string(options.transmit_queues));
    }
  }
  return TransmitSteering(std::move(options));
}

TransmitSteering::TransmitSteering(Options options)
    : options_(std::move(options)), real_queues_(options_.transmit_queues) {}

void TransmitSteering::set_real_queues(std::uint16_t queues) {
  LEAT_ASSERT(queues >= 1 && queues <= options_.transmit_queues, "a number of queues out of range");
  real_queues_ = queues;
}

Result<void> TransmitSteering::set_xps_cpus(std::uint16_t queue, const CpuSet& cpus) {
  return set(by_cpu_, static_cast<std::size_t>(options_.cpus), queue, cpus);
}

Result<void> TransmitSteering::set_xps_rxqs(std::uint16_t queue, const CpuSet& receive_queues) {
  return set(by_receive_queue_, options_.receive_queues, queue, receive_queues);
}

std::optional<std::size_t> TransmitSteering::class_of(std::uint16_t queue) const {
  if (options_.classes.empty()) return 0;
  for (std::size_t i = 0; i < options_.classes.size(); ++i) {
    const TrafficClass& c = options_.classes[i];
    if (queue >= c.first && queue - c.first < c.count) return i;
  }
  return std::nullopt;
}

Result<void> TransmitSteering::set(Map& map, std::size_t ids, std::uint16_t queue,
                                   const CpuSet& members) {
  const std::string what = "transmit queue " + std::to_string(queue);
  if (queue >= real_queues_) return Error::invalid_argument(what + ": there is none");
  const std::optional<std::size_t> its_class = class_of(queue);
  if (!its_class) return Error::invalid_argument(what + ": of no traffic class");
  for (const int id : members) {
    if (static_cast<std::size_t>(id) < ids) continue;
    return Error::from_errno(EOVERFLOW, what + ": " + std::to_string(id) + " is above the last, " +
                                            std::to_string(ids - 1));
  }
  if (map.empty()) map.resize(ids * classes());
  for (std::size_t id = 0; id < ids; ++id) {
    Row& row = map[id * classes() + *its_class];
    const auto place = std::ranges::find(row, queue);
    const bool wanted = members.contains(static_cast<int>(id));
    if (wanted && place == row.end()) {
      row.push_back(queue);
    } else if (!wanted && place != row.end()) {
      *place = row.back();  // The kernel's order too: the last one fills the hole.
      row.pop_back();
    }
  }
  return {};
}

std::uint16_t TransmitSteering::choose(const TransmitPacket& packet, TransmitSocket* socket) const {
  if (real_queues_ == 1) return 0;
  const std::optional<std::uint16_t> last = socket ? socket->transmit_queue : std::nullopt;
  if (last && *last < real_queues_ && !packet.may_reorder) return *last;

  const auto by_settings = by_xps(packet, socket);
  const std::uint16_t queue = by_settings ? *by_settings : by_hash(packet);
  if (socket != nullptr && socket->has_route) socket->transmit_queue = queue;
  return queue;
}

std::optional<std::uint16_t> TransmitSteering::by_xps(const TransmitPacket& packet,
                                                      const TransmitSocket* socket) const {
  if (socket != nullptr && socket->receive_queue) {
    const auto queue = by_map(by_receive_queue_, *socket->receive_queue, packet);
    if (queue) return queue;
  }
  return by_map(by_cpu_, static_cast<std::size_t>(packet.cpu), packet);
}

std::optional<std::uint16_t> TransmitSteering::by_map(const Map& map, std::size_t id,
                                                      const TransmitPacket& packet) const {
  if (packet.traffic_class >= classes()) return std::nullopt;
  const std::size_t index = id * classes() + packet.traffic_class;
  if (index >= map.size() || map[index].empty()) return std::nullopt;
  const Row& row = map[index];
  const std::uint16_t queue =
      row[reciprocal_scale(packet.hash, static_cast<std::uint32_t>(row.size()))];
  if (queue >= real_queues_) return std::nullopt;
  return queue;
}

/// The kernel's skb_tx_hash(): within the class's queues, by the queue on which a forwarded packet
/// came, or by the hash.
std::uint16_t TransmitSteering::by_hash(const TransmitPacket& packet) const {
  TrafficClass range{0, real_queues_};
  if (packet.traffic_class < options_.classes.size() &&
      options_.classes[packet.traffic_class].count > 0) {
    range = options_.classes[packet.traffic_class];
  }
  if (packet.receive_queue) {
    std::uint16_t offset = *packet.receive_queue;
    if (offset >= range.first) offset = static_cast<std::uint16_t>(offset - range.first);
    return static_cast<std::uint16_t>(range.first + offset % range.count);
  }
  return static_cast<std::uint16_t>(range.first + reciprocal_scale(packet.hash, range.count));
}

}  // namespace leat::steering
