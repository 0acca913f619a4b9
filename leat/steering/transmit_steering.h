// Public: which transmit queue a packet takes, decided as Linux does (XPS).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "leat/base/cpu_set.h"
#include "leat/base/result.h"

namespace leat::steering {

/// What a socket remembers for the choice.
struct TransmitSocket {
  std::optional<std::uint16_t> transmit_queue{};  ///< The last one; choose() writes it.
  std::optional<std::uint16_t> receive_queue{};   ///< On which its packets arrive.
  bool has_route = false;  ///< Its route is cached; otherwise the choice is not remembered.
};

/// One packet.
struct TransmitPacket {
  std::uint32_t hash = 0;
  int cpu = 0;                                   ///< That sends it.
  std::optional<std::uint16_t> receive_queue{};  ///< Of a packet that is forwarded.
  /// May change its queue: nothing of the flow is on its way (skb->ooo_okay, which TCP sets).
  bool may_reorder = false;
  std::uint8_t traffic_class = 0;
};

/// The transmit queues of one device: xps_cpus, xps_rxqs, traffic classes and the choice among
/// them. No allocation per packet. One thread at a time.
///
///     maps   row = id * classes + traffic class      id: a CPU, or a receive queue
///            [ queue, queue ... ]                    one: it; several: by the hash
class TransmitSteering {
 public:
  /// The queues of a traffic class: first ... first + count - 1.
  struct TrafficClass {
    std::uint16_t first = 0;
    std::uint16_t count = 0;
  };
  static constexpr std::size_t kMaxClasses = 16;

  struct Options {
    std::uint16_t transmit_queues = 1;
    std::uint16_t receive_queues = 1;
    int cpus = 1;
    /// At most kMaxClasses; none: all queues are of one class.
    std::vector<TrafficClass> classes{};
  };
  /// EINVAL, and which option is out of range.
  [[nodiscard]] static Result<TransmitSteering> create(Options options);

  /// xps_cpus of a transmit queue: the CPUs that use it; it serves the traffic class that it
  /// belongs to. EINVAL: no such queue; EOVERFLOW: a CPU that cannot be.
  Result<void> set_xps_cpus(std::uint16_t queue, const CpuSet& cpus);
  /// xps_rxqs: the receive queues whose sockets use it. It counts before xps_cpus. EINVAL as above.
  Result<void> set_xps_rxqs(std::uint16_t queue, const CpuSet& receive_queues);
  /// How many queues are in use (1 to transmit_queues); maps keep the others, which count as none.
  void set_real_queues(std::uint16_t queues);

  /// The queue. `socket` may be nullptr. In the order of the kernel's netdev_pick_tx(): what the
  /// socket remembers, XPS by receive queue, XPS by CPU, the hash.
  [[nodiscard]] std::uint16_t choose(const TransmitPacket& packet, TransmitSocket* socket) const;

 private:
  using Row = std::vector<std::uint16_t>;
  using Map = std::vector<Row>;  // empty: no map at all

  explicit TransmitSteering(Options options);
  [[nodiscard]] std::size_t classes() const {
    return options_.classes.empty() ? 1 : options_.classes.size();
  }
  [[nodiscard]] std::optional<std::size_t> class_of(std::uint16_t queue) const;
  Result<void> set(Map& map, std::size_t ids, std::uint16_t queue, const CpuSet& members);
  [[nodiscard]] std::optional<std::uint16_t> by_map(const Map& map, std::size_t id,
                                                    const TransmitPacket& packet) const;
  [[nodiscard]] std::optional<std::uint16_t> by_xps(const TransmitPacket& packet,
                                                    const TransmitSocket* socket) const;
  [[nodiscard]] std::uint16_t by_hash(const TransmitPacket& packet) const;

  Options options_;
  std::uint16_t real_queues_;
  Map by_cpu_;
  Map by_receive_queue_;
};

}  // namespace leat::steering
