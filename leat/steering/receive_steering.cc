#include "leat/steering/receive_steering.h"

#include <string>
#include <utility>

#include "leat/base/assert.h"

namespace leat::steering {
namespace {

constexpr std::size_t kMaxQueues = 0xffff;

Error no_such_queue(std::size_t queue) {
  return Error::invalid_argument("receive queue " + std::to_string(queue) + ": there is none");
}

}  // namespace

Result<ReceiveSteering> ReceiveSteering::create(Options options) {
  if (options.cpus < 1 || options.cpus >= QueueFlow::kNoCpu) {
    return Error::invalid_argument(std::to_string(options.cpus) + " CPUs");
  }
  if (options.receive_queues < 1 || options.receive_queues > kMaxQueues) {
    return Error::invalid_argument(std::to_string(options.receive_queues) + " receive queues");
  }
  if (options.max_backlog > Backlog::kMaxLimit) {
    return Error::invalid_argument("netdev_max_backlog " + std::to_string(options.max_backlog) +
                                   ": the most is " + std::to_string(Backlog::kMaxLimit));
  }
  if (options.online.empty()) options.online = CpuSet::range(0, options.cpus - 1);
  return ReceiveSteering(options);
}

ReceiveSteering::ReceiveSteering(const Options& options)
    : rules_(options.rules),
      queues_(options.receive_queues, Queue{{}, QueueFlowTable(options.rules.flow_slot)}),
      cpus_(static_cast<std::size_t>(options.cpus), Cpu{Backlog(options.max_backlog), {}, {}}),
      online_set_(options.online),
      online_(flags_of(options.online)),
      sockets_(options.cpus) {}

std::vector<std::uint8_t> ReceiveSteering::flags_of(const CpuSet& cpus) const {
  std::vector<std::uint8_t> flags(cpus_.size());
  for (std::size_t cpu = 0; cpu < flags.size(); ++cpu) {
    flags[cpu] = cpus.contains(static_cast<int>(cpu)) ? 1 : 0;
  }
  return flags;
}

void ReceiveSteering::set_online(const CpuSet& online) {
  online_set_ = online;
  online_ = flags_of(online);
}

Result<void> ReceiveSteering::set_rps_cpus(std::size_t queue, const CpuSet& mask) {
  if (queue >= queues_.size()) return no_such_queue(queue);
  auto map = RpsMap::create(mask, online_set_, static_cast<int>(cpus_.size()));
  if (!map) return std::move(map).error();
  queues_[queue].rps = *std::move(map);
  return {};
}

Result<void> ReceiveSteering::set_rps_flow_count(std::size_t queue, std::size_t entries) {
  if (queue >= queues_.size()) return no_such_queue(queue);
  return queues_[queue].flows.set_size(entries);
}

Result<void> ReceiveSteering::set_flow_limit(const CpuSet& cpus, std::size_t buckets) {
  for (std::size_t i = 0; i < cpus_.size(); ++i) {
    std::optional<FlowLimit>& limit = cpus_[i].flow_limit;
    if (!cpus.contains(static_cast<int>(i))) {
      limit.reset();
    } else if (!limit) {
      auto made = FlowLimit::create(buckets, rules_.flow_limit_bucket);
      if (!made) return std::move(made).error();
      limit = *std::move(made);
    }
  }
  return {};
}

void ReceiveSteering::enable_arfs(NearestQueueMap nearest, FilterTable& filters) {
  nearest_ = std::move(nearest);
  filters_ = &filters;
}

bool ReceiveSteering::wants_hash(std::size_t queue) const {
  return queue < queues_.size() && !(queues_[queue].rps.empty() && queues_[queue].flows.empty());
}

SteeringDecision ReceiveSteering::steer(std::size_t queue, std::uint32_t hash) {
  if (!wants_hash(queue) || hash == 0) return {};
  Queue& settings = queues_[queue];

  if (!settings.flows.empty()) {
    const SteeringDecision decision = steer_by_reader(settings, queue, hash);
    if (decision.cpu != SteeringDecision::kStayHere) return decision;
  }
  if (!settings.rps.empty()) {
    const int cpu = settings.rps.cpu_for(hash);
    if (is_online(static_cast<std::uint32_t>(cpu))) {
      return {.cpu = cpu, .by = SteeringDecision::By::kRps};
    }
  }
  return {};
}

/// RFS: to the CPU of the flow's reader, unless packets of it still wait on another.
SteeringDecision ReceiveSteering::steer_by_reader(Queue& queue, std::size_t number,
                                                  std::uint32_t hash) {
  const std::optional<std::uint32_t> desired = sockets_.cpu_of(hash);
  if (!desired) return {};
  QueueFlow* flow = &queue.flows.at(queue.flows.slot(hash));
  if (flow->cpu != *desired && may_leave(*flow)) flow = &move_flow(*flow, number, hash, *desired);
  if (!is_online(flow->cpu)) return {};
  return {.cpu = flow->cpu, .by = SteeringDecision::By::kRfs, .flow = flow};
}

/// Whether nothing of the flow waits where it went so far.
bool ReceiveSteering::may_leave(const QueueFlow& flow) const {
  if (rules_.tail == TailRule::kAtOnce || !is_online(flow.cpu)) return true;
  return at(flow.cpu).backlog.position().beyond(flow.last_tail) >= 0;
}

/// The kernel's set_rps_cpu(): also has the card send the flow to a queue near `cpu`. Gives the
/// slot that has the flow now, which is in the new queue's table if the card took it.
QueueFlow& ReceiveSteering::move_flow(QueueFlow& flow, std::size_t queue, std::uint32_t hash,
                                      std::uint32_t cpu) {
  QueueFlow* moved = &flow;
  if (cpu < cpus_.size()) {
    if (QueueFlow* other = program_filter(flow, queue, hash, cpu)) moved = other;
    moved->last_tail = cpus_[cpu].backlog.position().head;
  }
  moved->cpu = static_cast<std::uint16_t>(cpu);
  return *moved;
}

/// The slot in the target queue's table, or nullptr if the flow stays with its queue.
QueueFlow* ReceiveSteering::program_filter(QueueFlow& flow, std::size_t queue, std::uint32_t hash,
                                           std::uint32_t cpu) {
  if (!nearest_) return nullptr;
  const std::uint16_t target = nearest_->queue_of(static_cast<int>(cpu));
  if (target == queue || target >= queues_.size()) return nullptr;
  QueueFlowTable& table = queues_[target].flows;
  if (table.empty()) return nullptr;

  const std::uint32_t flow_id = table.slot(hash);
  QueueFlow& slot = table.at(flow_id);
  if (rules_.filter == FilterRule::kDoNotOverwriteActive && slot.filter != QueueFlow::kNoFilter &&
      is_active(slot, table) && (table.filter_hash(flow_id) != hash || slot.cpu == cpu)) {
    return nullptr;
  }
  const auto id = filters_->program(hash, target, flow_id);
  if (!id) return nullptr;
  slot.filter = *id;
  table.filter_hash(flow_id) = hash;
  if (flow.filter == *id) flow.filter = QueueFlow::kNoFilter;
  return &slot;
}

bool ReceiveSteering::is_active(const QueueFlow& flow, const QueueFlowTable& table) const {
  if (flow.cpu >= cpus_.size()) return false;
  const std::size_t base = rules_.active == ActiveRule::kTenTimesMask ? table.size() - 1  //
                                                                      : table.size();
  return at(flow.cpu).backlog.position().beyond(flow.last_tail) <
         static_cast<std::int64_t>(10 * base);
}

bool ReceiveSteering::may_expire(const FilterTable::Filter& filter) const {
  if (filter.queue >= queues_.size()) return true;
  const QueueFlowTable& table = queues_[filter.queue].flows;
  if (filter.flow_id >= table.size()) return true;
  const QueueFlow& flow = table.at(filter.flow_id);
  return flow.filter != filter.id || !is_active(flow, table);
}

ReceiveSteering::Enqueued ReceiveSteering::enqueue(int here, const SteeringDecision& decision,
                                                   std::uint32_t hash, PacketHandle packet) {
  const int target = decision.cpu == SteeringDecision::kStayHere ? here : decision.cpu;
  Cpu& to = at(target);
  if (to.backlog.full()) {
    ++to.counters.dropped;
    return Enqueued::kDroppedFull;
  }
  Cpu& from = at(here);
  if (to.backlog.half_full() && from.flow_limit && from.flow_limit->exceeded(hash)) {
    ++from.counters.flow_limit_count;
    ++to.counters.dropped;
    return Enqueued::kDroppedFlowLimit;
  }
  const Backlog::Queued queued = to.backlog.enqueue(packet);
  if (decision.flow != nullptr) decision.flow->last_tail = queued.tail;
  if (!queued.wake) return Enqueued::kQueued;
  if (target != here) ++to.counters.received_rps;
  return Enqueued::kQueuedWake;
}

std::optional<PacketHandle> ReceiveSteering::dequeue(int cpu) {
  Cpu& from = at(cpu);
  const std::optional<PacketHandle> packet = from.backlog.dequeue();
  if (packet) ++from.counters.processed;
  return packet;
}

}  // namespace leat::steering
