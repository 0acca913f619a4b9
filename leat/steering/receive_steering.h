// Public: which CPU processes a received packet, decided as Linux does, and the queues on the way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "leat/base/assert.h"
#include "leat/base/cpu_set.h"
#include "leat/base/result.h"
#include "leat/steering/backlog.h"
#include "leat/steering/filter_table.h"
#include "leat/steering/flow_limit.h"
#include "leat/steering/kernel_rules.h"
#include "leat/steering/nearest_queue_map.h"
#include "leat/steering/queue_flow_table.h"
#include "leat/steering/rps_map.h"
#include "leat/steering/socket_flow_table.h"

namespace leat::steering {

/// Where a packet goes, and why.
struct SteeringDecision {
  static constexpr int kStayHere = -1;
  enum class By : std::uint8_t { kNothing, kRps, kRfs };

  int cpu = kStayHere;  ///< kStayHere: the CPU that received it goes on with it.
  By by = By::kNothing;
  /// By RFS: the slot that enqueue() tells the packet's place in the queue. Valid until a table
  /// gets another size.
  QueueFlow* flow = nullptr;
};

/// The columns of /proc/net/softnet_stat that this code moves, for one CPU.
struct SoftnetCounters {
  std::uint64_t processed = 0;
  std::uint64_t dropped = 0;           ///< By a full backlog or the flow limit of the sender.
  std::uint64_t received_rps = 0;      ///< Woken by another CPU: interrupts between CPUs.
  std::uint64_t flow_limit_count = 0;  ///< Packets that *this* CPU was not allowed to enqueue.
};

/// The receive side of one device and the CPUs behind it: RPS, RFS, aRFS, backlogs. Tables are
/// set up first; afterwards no packet costs an allocation. One thread at a time: this is the
/// machinery, the hand-over between threads is its user's.
///
///     (receive queue, hash) -> steer() -> kStayHere: process it, processed_here()
///                                |
///                              a CPU
///                                v
///                            enqueue() -> wake the CPU if it says so
///                                v
///     on that CPU     dequeue(), dequeue() ... end_batch()
class ReceiveSteering {
 public:
  struct Options {
    int cpus = 1;                    ///< Possible CPUs: 0 ... cpus - 1.
    CpuSet online{};                 ///< Empty: all of them.
    std::size_t receive_queues = 1;  ///< 1 to 65,535.
    std::size_t max_backlog = 1000;  ///< net.core.netdev_max_backlog, packets.
    KernelRules rules{};
  };

  /// EINVAL, and which option is out of range.
  [[nodiscard]] static Result<ReceiveSteering> create(Options options);

  // Settings. A queue that is not there: EINVAL.

  /// rps_cpus of a queue; the empty set turns RPS off. Errors as RpsMap::create().
  Result<void> set_rps_cpus(std::size_t queue, const CpuSet& mask);
  /// rps_flow_cnt of a queue; see QueueFlowTable::set_size().
  Result<void> set_rps_flow_count(std::size_t queue, std::size_t entries);
  /// rps_sock_flow_entries, and what readers record.
  [[nodiscard]] SocketFlowTable& socket_flows() { return sockets_; }
  /// CPUs that enqueue under the flow limit: flow_limit_cpu_bitmap names those that *receive* from
  /// the device. `buckets` as FlowLimit::create(); tables that are there already stay.
  Result<void> set_flow_limit(const CpuSet& cpus, std::size_t buckets = FlowLimit::kDefaultBuckets);
  /// aRFS: programs `filters`, which must outlive this object, by `nearest`, which must know as
  /// many CPUs and queues. Each queue that is to get flows needs a flow table.
  void enable_arfs(NearestQueueMap nearest, FilterTable& filters);
  /// CPUs that are online from now on; maps of RPS stay as they are.
  void set_online(const CpuSet& online);

  // Per packet.

  /// False if nothing steers the packets of this queue, so that a hash would be for nothing.
  [[nodiscard]] bool wants_hash(std::size_t queue) const;
  /// Decides for one packet, in the order of the kernel's get_rps_cpu(), and moves its flow if that
  /// is due. `hash` 0 means none. A queue that is not there: kStayHere. Enqueue each packet before
  /// the next is steered, for whether a flow may move depends on what is in the queues.
  [[nodiscard]] SteeringDecision steer(std::size_t queue, std::uint32_t hash);

  enum class Enqueued : std::uint8_t {
    kQueued,      ///< The target is awake.
    kQueuedWake,  ///< The target sleeps: run it, by an interrupt if it is not this CPU.
    kDroppedFull,
    kDroppedFlowLimit,
  };
  /// Puts a packet into the backlog that was decided on; with kStayHere into that of `here`, the
  /// CPU that enqueues, as netif_rx() does.
  [[nodiscard]] Enqueued enqueue(int here, const SteeringDecision& decision, std::uint32_t hash,
                                 PacketHandle packet);
  /// See Backlog. `cpu` must be one of the CPUs.
  [[nodiscard]] std::optional<PacketHandle> dequeue(int cpu);
  void end_batch(int cpu) { at(cpu).backlog.end_batch(); }
  /// Counts a packet that was processed where it was received.
  void processed_here(int cpu) { ++at(cpu).counters.processed; }

  /// Whether a filter may go, for FilterTable::expire(): its slot has another by now, or the CPU
  /// has processed ten tables' worth of packets since its flow's last. On an idle CPU none expires.
  [[nodiscard]] bool may_expire(const FilterTable::Filter& filter) const;

  [[nodiscard]] const Backlog& backlog(int cpu) const { return at(cpu).backlog; }
  [[nodiscard]] const SoftnetCounters& counters(int cpu) const { return at(cpu).counters; }
  [[nodiscard]] const RpsMap& rps_map(std::size_t queue) const { return queues_[queue].rps; }

 private:
  struct Queue {
    RpsMap rps;
    QueueFlowTable flows;
  };
  struct Cpu {
    Backlog backlog;
    std::optional<FlowLimit> flow_limit;
    SoftnetCounters counters;
  };

  explicit ReceiveSteering(const Options& options);
  [[nodiscard]] SteeringDecision steer_by_reader(Queue& queue, std::size_t number,
                                                 std::uint32_t hash);
  [[nodiscard]] bool may_leave(const QueueFlow& flow) const;
  QueueFlow& move_flow(QueueFlow& flow, std::size_t queue, std::uint32_t hash, std::uint32_t cpu);
  QueueFlow* program_filter(QueueFlow& flow, std::size_t queue, std::uint32_t hash,
                            std::uint32_t cpu);
  [[nodiscard]] bool is_active(const QueueFlow& flow, const QueueFlowTable& table) const;
  [[nodiscard]] bool is_online(std::uint32_t cpu) const {
    return cpu < online_.size() && online_[cpu] != 0;
  }
  [[nodiscard]] std::vector<std::uint8_t> flags_of(const CpuSet& cpus) const;
  [[nodiscard]] const Cpu& at(int cpu) const {
    LEAT_ASSERT(cpu >= 0 && static_cast<std::size_t>(cpu) < cpus_.size(), "no such CPU");
    return cpus_[static_cast<std::size_t>(cpu)];
  }
  [[nodiscard]] Cpu& at(int cpu) { return const_cast<Cpu&>(std::as_const(*this).at(cpu)); }

  KernelRules rules_;
  std::vector<Queue> queues_;
  std::vector<Cpu> cpus_;
  CpuSet online_set_;
  std::vector<std::uint8_t> online_;  // the same, one look for each packet
  SocketFlowTable sockets_;
  std::optional<NearestQueueMap> nearest_;
  FilterTable* filters_ = nullptr;
};

}  // namespace leat::steering
