#include "apps/leat/predict_model.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "leat/base/topology.h"

namespace leat::app {

namespace {

using steering::FilterTable;
using steering::IndirectionTable;
using steering::NearestQueueMap;
using steering::ReceiveSteering;
using steering::RssHash;
using steering::SteeringDecision;

/// What many cards have room for.
constexpr std::size_t kFilters = 8192;
/// NAPI's weight: after so many packets the CPU turns to other work (dev_weight).
constexpr int kBatch = 64;
/// Drivers look at some filters now and then; here at one for each packet.
constexpr std::size_t kFiltersLookedAt = 1;
/// A constant one, so that a trace always gives the same forecast.
constexpr steering::SoftwareFlowHash::Secret kSecret{0x6c65'6174, 0x7072'6564};

steering::PacketHandle to_handle(std::uint32_t flow, std::uint32_t length) {
  return steering::PacketHandle{flow} << 32 | length;
}

std::uint32_t to_length(std::size_t length) {
  return static_cast<std::uint32_t>(
      std::min<std::size_t>(length, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace

int interrupt_cpu(std::size_t queue, int cpus) {
  return static_cast<int>(queue % static_cast<std::size_t>(cpus));
}

NearestQueueMap nearest_queues(const PredictOptions& options) {
  // Each CPU a core of its own, all on one node: the forecast knows no more of the machine.
  Topology flat;
  flat.online = CpuSet::range(0, options.cpus - 1);
  for (int cpu = 0; cpu < options.cpus; ++cpu) {
    flat.cpus.push_back(
        {.number = cpu, .package = 0, .core = cpu, .node = 0, .siblings = CpuSet::of(cpu)});
  }
  const auto queues = static_cast<std::uint16_t>(options.queues);
  NearestQueueMap nearest(std::move(flat), options.cpus, queues);
  for (std::uint16_t queue = 0; queue < queues; ++queue) {
    nearest.set_affinity(queue, CpuSet::of(interrupt_cpu(queue, options.cpus)));
  }
  return nearest;
}

Result<std::unique_ptr<PredictModel>> PredictModel::create(const PredictOptions& options) {
  Result<IndirectionTable> table = make_table(options.card, options.queues);
  if (!table) return std::move(table).error();
  Result<RssHash> hash = make_hash(options.card);
  if (!hash) return std::move(hash).error();
  Result<ReceiveSteering> steering = ReceiveSteering::create({.cpus = options.cpus,
                                                              .online = {},
                                                              .receive_queues = options.queues,
                                                              .max_backlog = options.backlog,
                                                              .rules = {}});
  if (!steering) return std::move(steering).error();
  Result<FilterTable> filters = FilterTable::create(kFilters);
  if (!filters) return std::move(filters).error();
  std::unique_ptr<PredictModel> model(new PredictModel(options, *std::move(hash), *std::move(table),
                                                       *std::move(steering), *std::move(filters)));
  if (Result<void> set = model->set_up(options); !set) return std::move(set).error();
  return model;
}

PredictModel::PredictModel(const PredictOptions& options, RssHash hash, IndirectionTable table,
                           ReceiveSteering steering, FilterTable filters)
    : hash_(std::move(hash)),
      table_(std::move(table)),
      software_hash_(kSecret),
      steering_(std::move(steering)),
      filters_(std::move(filters)),
      readers_(options.readers.begin(), options.readers.end()),
      workers_(static_cast<std::size_t>(options.cpus)),
      service_(options.service),
      arfs_(options.arfs),
      queues_(options.queues),
      cpus_(static_cast<std::size_t>(options.cpus)) {
  awake_.reserve(workers_.size());
}

Result<void> PredictModel::set_up(const PredictOptions& options) {
  CpuSet interrupted;
  for (std::size_t queue = 0; queue < options.queues; ++queue) {
    interrupted.add(interrupt_cpu(queue));
    if (auto set = steering_.set_rps_cpus(queue, options.rps); !set) return set;
    // Documentation/networking/scaling.rst: the entries divided by the number of queues.
    const std::size_t share = (options.rfs + options.queues - 1) / options.queues;
    if (auto set = steering_.set_rps_flow_count(queue, share); !set) return set;
  }
  if (auto set = steering_.socket_flows().set_size(options.rfs); !set) return set;
  if (options.flow_limit) {
    if (auto set = steering_.set_flow_limit(interrupted); !set) return set;
  }
  if (arfs_) steering_.enable_arfs(nearest_queues(options), filters_);
  return {};
}

std::uint32_t PredictModel::flow_of(const wire::FlowKey& key) {
  const std::size_t before = flows_.size();
  const std::uint32_t number = flows_.find_or_add(key, software_hash_(key));
  if (number < before) return number;
  PredictFlow& flow = flows_[number];
  flow.card_hash = hash_(key);
  // The kernel takes a card's hash for steering if ports went into it.
  const bool ports = key.has_ports && hash_.fields(steering::flow_type(key)).has_ports();
  flow.steering_hash = ports ? flow.card_hash : flow.software_hash;
  flow.reader = readers_[number % readers_.size()];
  return number;
}

void PredictModel::receive(Duration time, const wire::FlowKey& key, std::size_t length) {
  advance(std::max(now_, time));
  const std::uint32_t number = flow_of(key);
  PredictFlow& flow = flows_[number];
  ++flow.packets;
  flow.bytes += length;
  std::size_t queue = table_.queue(flow.card_hash);
  if (arfs_) {
    if (const auto filtered = filters_.queue_for(flow.steering_hash)) queue = *filtered;
    filters_.expire(kFiltersLookedAt, [this](const auto& f) { return steering_.may_expire(f); });
  }
  flow.queue = static_cast<std::int32_t>(queue);
  arrive(queue, flow.steering_hash, {.flow = number, .length = to_length(length)});
  if (arfs_) filters_most_ = std::max(filters_most_, filters_.size());
}

void PredictModel::receive_other(Duration time, std::size_t length) {
  advance(std::max(now_, time));
  arrive(0, 0, {.flow = kNoFlow, .length = to_length(length)});
}

void PredictModel::arrive(std::size_t queue, std::uint32_t hash, Packet packet) {
  ++queues_[queue].packets;
  queues_[queue].bytes += packet.length;
  const int here = interrupt_cpu(queue);
  const SteeringDecision decision = steering_.steer(queue, hash);
  if (decision.cpu == SteeringDecision::kStayHere) {
    worker(here).free_at = std::max(worker(here).free_at, now_) + service_;
    steering_.processed_here(here);
    handled(here, packet);
    return;
  }
  PredictCpu& target = cpus_[static_cast<std::size_t>(decision.cpu)];
  switch (steering_.enqueue(here, decision, hash, to_handle(packet.flow, packet.length))) {
    case ReceiveSteering::Enqueued::kQueued:
      break;
    case ReceiveSteering::Enqueued::kQueuedWake:
      wake(decision.cpu);
      break;
    case ReceiveSteering::Enqueued::kDroppedFull:
      ++target.dropped_full;
      break;
    case ReceiveSteering::Enqueued::kDroppedFlowLimit:
      ++target.dropped_flow_limit;
      break;
  }
}

void PredictModel::wake(int cpu) {
  Worker& woken = worker(cpu);
  woken.free_at = std::max(woken.free_at, now_);
  if (woken.awake) return;
  woken.awake = true;
  awake_.push_back(cpu);
}

/// Lets the CPUs work until `now`.
void PredictModel::advance(Duration now) {
  now_ = now;
  for (std::size_t i = 0; i < awake_.size();) {
    const int cpu = awake_[i];
    bool more = true;
    while (more && worker(cpu).free_at <= now) more = step(cpu);
    if (more) {
      ++i;
      continue;
    }
    worker(cpu).awake = false;
    awake_[i] = awake_.back();
    awake_.pop_back();
  }
}

/// The CPU finishes its packet and takes the next. False if there is none and it goes to sleep.
bool PredictModel::step(int cpu) {
  Worker& working = worker(cpu);
  if (working.in_work) handled(cpu, *working.in_work);
  working.in_work.reset();
  if (working.batch < kBatch) {
    if (const auto handle = steering_.dequeue(cpu)) {
      working.in_work = Packet{.flow = static_cast<std::uint32_t>(*handle >> 32),
                               .length = static_cast<std::uint32_t>(*handle)};
      ++working.batch;
      working.free_at += service_;
      return true;
    }
  }
  steering_.end_batch(cpu);
  const bool more = working.batch == kBatch;
  working.batch = 0;
  return more;
}

void PredictModel::handled(int cpu, Packet packet) {
  PredictCpu& load = cpus_[static_cast<std::size_t>(cpu)];
  ++load.packets;
  load.bytes += packet.length;
  if (packet.flow == kNoFlow) return;
  PredictFlow& flow = flows_[packet.flow];
  ++flow_packets_;
  if (flow.reader == cpu) ++load.on_reader;
  if (flow.cpu != PredictFlow::kNowhere && flow.cpu != cpu) ++flow.moves;
  flow.cpu = cpu;
  steering_.socket_flows().on_receive({.hash = flow.steering_hash, .connected = true}, flow.reader);
}

void PredictModel::finish(PredictResult& result) {
  advance(Duration::max());
  for (const PredictFlow& flow : flows_.all()) {
    if (flow.queue >= 0) ++queues_[static_cast<std::size_t>(flow.queue)].flows;
    if (flow.cpu >= 0) ++cpus_[static_cast<std::size_t>(flow.cpu)].flows;
    result.moves += flow.moves;
  }
  result.flows = flows_.size();
  result.queues = queues_;
  result.cpus = cpus_;
  result.flow_packets = flow_packets_;
  result.filters_most = filters_most_;
  result.filters_capacity = arfs_ ? filters_.capacity() : 0;
}

}  // namespace leat::app
