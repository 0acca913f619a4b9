// Internal: CPUs that receive, steer and process packets in a random order, watched for reordering.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "leat/base/random.h"
#include "leat/steering/receive_steering.h"

namespace leat::steering::testing {

/// Flows arrive each on the queue that the card gives it; their readers move between CPUs; CPUs
/// process in batches, one packet at a time, and a packet counts as delivered only when its CPU
/// goes on to the next one. Every flow's packets are numbered.
///
///     flow -> card (filter, or hash % queues) -> steer -> backlog of a CPU -> in work -> delivered
class OrderWorld {
 public:
  struct Options {
    std::uint64_t seed = 1;
    int cpus = 4;
    std::size_t queues = 2;
    std::size_t flows = 20;         ///< An even number.
    std::size_t flow_entries = 64;  ///< Of each queue: fewer than flows share slots.
    std::size_t max_backlog = 200;
    KernelRules rules{};
    bool rps = true;  ///< A map of all CPUs on every queue.
    bool read_before_packets = true;
    bool arfs = false;
    bool own_slots = false;  ///< No two flows share a slot in the queues' tables.
  };

  explicit OrderWorld(const Options& options)
      : options_(options),
        random_(options.seed),
        steering_(ReceiveSteering::create({.cpus = options.cpus,
                                           .receive_queues = options.queues,
                                           .max_backlog = options.max_backlog,
                                           .rules = options.rules})
                      .value()),
        filters_(FilterTable::create(options.flows).value()),
        workers_(static_cast<std::size_t>(options.cpus)) {
    steering_.socket_flows().set_size(kSocketEntries).value();
    for (std::size_t queue = 0; queue < options.queues; ++queue) {
      steering_.set_rps_flow_count(queue, options.flow_entries).value();
      if (options.rps) steering_.set_rps_cpus(queue, CpuSet::range(0, options.cpus - 1)).value();
    }
    if (options.arfs) enable_arfs();
    make_flows();
  }

  void run(std::size_t steps) {
    for (std::size_t i = 0; i < steps; ++i) {
      // Bursts, in which queues grow, and pauses, in which they drain and flows can move.
      const unsigned arrivals = i % 200 < 60 ? 75 : 8;
      const auto what = random_.uniform(0, 99);
      if (what < arrivals) {
        // Half of the flows rest, long enough for their filters to expire.
        const std::size_t half = flows_.size() / 2;
        arrive(any(half) + (i / 10'000 % 2) * half);
      } else if (what < arrivals + 6) {
        read(flows_[any(flows_.size())]);
      } else if (what < arrivals + 8) {
        expired += filters_.expire(4, [&](const auto& f) { return steering_.may_expire(f); });
      } else {
        work(static_cast<int>(any(workers_.size())));
      }
    }
    for (int cpu = 0; cpu < options_.cpus; ++cpu) {
      while (work(cpu)) {
      }
    }
  }

  std::uint64_t delivered = 0;
  std::uint64_t reordered = 0;
  std::uint64_t moved = 0;  ///< Packets of a flow that went to another CPU than the one before.
  std::uint64_t by_filter = 0;
  std::uint64_t expired = 0;
  [[nodiscard]] const FilterTable& filters() const { return filters_; }
  [[nodiscard]] ReceiveSteering& steering() { return steering_; }

 private:
  static constexpr std::size_t kSocketEntries = 4096;
  static constexpr std::uint64_t kBatch = 64;

  struct Flow {
    std::uint32_t hash = 0;
    std::uint32_t sent = 0;
    std::uint32_t delivered = 0;
    int cpu = -1;
  };
  struct Worker {
    std::optional<PacketHandle> in_work;
    std::uint64_t batch = 0;
  };

  std::size_t any(std::size_t count) {
    return static_cast<std::size_t>(random_.uniform(0, count - 1));
  }

  void enable_arfs() {
    Topology flat;
    flat.online = CpuSet::range(0, options_.cpus - 1);
    for (const int cpu : flat.online) {
      flat.cpus.push_back({.number = cpu, .core = cpu, .siblings = CpuSet::of(cpu)});
    }
    NearestQueueMap nearest(flat, options_.cpus, static_cast<std::uint16_t>(options_.queues));
    for (int cpu = 0; cpu < options_.cpus; ++cpu) {
      const auto queue = static_cast<std::size_t>(cpu) % options_.queues;
      nearest.set_affinity(static_cast<std::uint16_t>(queue), CpuSet::of(cpu));
    }
    steering_.enable_arfs(std::move(nearest), filters_);
  }

  /// Each with a slot of its own in the global table, as else the last reader's flow would have it.
  void make_flows() {
    std::set<std::uint32_t> taken;
    std::set<std::uint32_t> slots;
    QueueFlowTable table(options_.rules.flow_slot);
    table.set_size(options_.flow_entries).value();
    while (flows_.size() < options_.flows) {
      const auto hash = static_cast<std::uint32_t>(random_());
      if (hash == 0 || !taken.insert(hash & (kSocketEntries - 1)).second) continue;
      if (options_.own_slots && !slots.insert(table.slot(hash)).second) continue;
      flows_.push_back({.hash = hash});
      if (options_.read_before_packets) read(flows_.back());
    }
  }

  void read(const Flow& flow) {
    steering_.socket_flows().on_receive({.hash = flow.hash, .connected = true},
                                        static_cast<int>(any(workers_.size())));
  }

  void arrive(std::size_t number) {
    Flow& flow = flows_[number];
    const auto filtered = filters_.queue_for(flow.hash);
    by_filter += filtered.has_value();
    const std::size_t queue = filtered ? *filtered : flow.hash % options_.queues;
    const auto decision = steering_.steer(queue, flow.hash);
    const int here = static_cast<int>(queue) % options_.cpus;
    const PacketHandle packet = PacketHandle{number} << 32 | flow.sent;
    const auto queued = steering_.enqueue(here, decision, flow.hash, packet);
    if (queued != ReceiveSteering::Enqueued::kQueued &&
        queued != ReceiveSteering::Enqueued::kQueuedWake) {
      return;  // Lost, which is not reordered.
    }
    ++flow.sent;
    moved += flow.cpu != -1 && flow.cpu != decision.cpu;
    flow.cpu = decision.cpu;
  }

  /// One step of a CPU: it finishes its packet and takes the next. False if there is none.
  bool work(int cpu) {
    Worker& worker = workers_[static_cast<std::size_t>(cpu)];
    if (worker.in_work) deliver(*worker.in_work);
    worker.in_work.reset();
    if (worker.batch < kBatch) worker.in_work = steering_.dequeue(cpu);
    if (worker.in_work) {
      ++worker.batch;
      return true;
    }
    steering_.end_batch(cpu);
    const bool more = worker.batch == kBatch;
    worker.batch = 0;
    return more;
  }

  void deliver(PacketHandle packet) {
    Flow& flow = flows_[packet >> 32];
    const auto number = static_cast<std::uint32_t>(packet);
    ++delivered;
    if (number < flow.delivered) {
      ++reordered;
    } else {
      flow.delivered = number + 1;
    }
  }

  Options options_;
  Random random_;
  ReceiveSteering steering_;
  FilterTable filters_;
  std::vector<Worker> workers_;
  std::vector<Flow> flows_;
};

}  // namespace leat::steering::testing
