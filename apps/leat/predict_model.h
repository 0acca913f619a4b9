// Internal: a machine's receive path, in a model, with the packets of a trace put through it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "leat/base/monotonic_time.h"
#include "leat/base/result.h"
#include "leat/steering/filter_table.h"
#include "leat/steering/indirection_table.h"
#include "leat/steering/nearest_queue_map.h"
#include "leat/steering/receive_steering.h"
#include "leat/steering/rss_hash.h"
#include "leat/steering/software_flow_hash.h"
#include "leat/wire/flow_key.h"

#include "apps/leat/predict_flows.h"
#include "apps/leat/predict_options.h"
#include "apps/leat/predict_result.h"

namespace leat::app {

/// The CPU that a queue interrupts.
[[nodiscard]] int interrupt_cpu(std::size_t queue, int cpus);
/// By which queue aRFS reaches each CPU.
[[nodiscard]] steering::NearestQueueMap nearest_queues(const PredictOptions& options);

/// The card hashes a packet and puts it on a queue, whose interrupt goes to CPU (queue mod CPUs).
/// That CPU handles it, or gives it to another's backlog, by the same code that steers real
/// packets (leat/steering). Time is the trace's; handling takes a CPU the same time for each packet
/// and is all that it does. Each flow has a reader, in turn on the CPUs for readers, which reads a
/// packet as soon as it has been handled.
///
///     packet -> filter or hash, table -> queue -> its CPU -> steer -> handle -> read
///                  ^                                           |        ^         |
///                  +------------- aRFS ------------------------+  backlog of a CPU |
///                                                              ^                  |
///                                                              +---- RFS ---------+
class PredictModel {
 public:
  /// `options` as check_options() left them.
  [[nodiscard]] static Result<std::unique_ptr<PredictModel>> create(const PredictOptions& options);
  PredictModel(const PredictModel&) = delete;
  PredictModel& operator=(const PredictModel&) = delete;

  /// A packet of a flow. A time before the last one's counts as the last one's.
  void receive(Duration time, const wire::FlowKey& key, std::size_t length);
  /// A packet that cards do not hash.
  void receive_other(Duration time, std::size_t length);
  /// Lets the CPUs finish what waits, and fills in queues, CPUs, flows and filters.
  void finish(PredictResult& result);

  [[nodiscard]] const PredictFlows& flows() const { return flows_; }

 private:
  static constexpr std::uint32_t kNoFlow = 0xffff'ffff;
  /// What waits in a backlog: a flow's number, and a packet's length.
  struct Packet {
    std::uint32_t flow;
    std::uint32_t length;
  };
  /// A CPU at work on its backlog.
  struct Worker {
    Duration free_at{0};  ///< When it can begin with another packet.
    std::optional<Packet> in_work;
    int batch = 0;
    bool awake = false;
  };

  PredictModel(const PredictOptions& options, steering::RssHash hash,
               steering::IndirectionTable table, steering::ReceiveSteering steering,
               steering::FilterTable filters);
  [[nodiscard]] Result<void> set_up(const PredictOptions& options);

  std::uint32_t flow_of(const wire::FlowKey& key);
  void advance(Duration now);
  void arrive(std::size_t queue, std::uint32_t hash, Packet packet);
  void wake(int cpu);
  bool step(int cpu);
  void handled(int cpu, Packet packet);
  [[nodiscard]] int interrupt_cpu(std::size_t queue) const {
    return app::interrupt_cpu(queue, static_cast<int>(workers_.size()));
  }
  Worker& worker(int cpu) { return workers_[static_cast<std::size_t>(cpu)]; }

  steering::RssHash hash_;
  steering::IndirectionTable table_;
  steering::SoftwareFlowHash software_hash_;
  steering::ReceiveSteering steering_;
  steering::FilterTable filters_;
  PredictFlows flows_;
  std::vector<int> readers_;
  std::vector<Worker> workers_;
  std::vector<int> awake_;
  Duration now_{0};
  Duration service_;
  bool arfs_ = false;

  std::vector<PredictQueue> queues_;
  std::vector<PredictCpu> cpus_;
  std::uint64_t flow_packets_ = 0;
  std::size_t filters_most_ = 0;
};

}  // namespace leat::app
