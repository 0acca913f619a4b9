#include "chain/chain.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <map>
#include <thread>
#include <utility>

#include "leat/base/monotonic_time.h"
#include "leat/reactor/event_loop.h"

#include "chain/chain_clients.h"
#include "chain/chain_server.h"

namespace leat::testing {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kSocketFlows = 32'768;
constexpr Duration kLastPackets = 50ms;
constexpr Duration kNeighbourStays = 20ms;

/// Keeps one CPU after the other busy.
void disturb(const CpuSet& cpus, const std::atomic<bool>& stop) {
  while (!stop) {
    for (const int cpu : cpus) {
      (void)CpuSet::of(cpu).pin_current_thread();
      const MonotonicTime end = monotonic_now() + kNeighbourStays;
      while (!stop && monotonic_now() < end) {
      }
    }
  }
}

}  // namespace

std::unique_ptr<Chain> Chain::create(std::string& why) {
  std::unique_ptr<Chain> chain(new Chain);
  chain->cpus_ = CpuSet::available().value();
  if (chain->cpus_.count() < 2) {
    why = "needs two CPUs";
    return nullptr;
  }
  if (!chain->make_world(why)) return nullptr;
  const auto keep = [events = &chain->events_](std::span<const std::byte> bytes) {
    chain_event event{};
    std::memcpy(&event, bytes.data(), std::min(bytes.size(), sizeof(event)));
    events->push_back(event);
  };
  chain->watch_ = BpfWatch::create(LEAT_CHAIN_WATCH, keep, why);
  return chain->watch_ != nullptr ? std::move(chain) : nullptr;
}

std::optional<ChainTally> Chain::run(const Pieces& pieces, const ChainLoad& load,
                                     std::string& why) {
  if (!make_world(why)) return std::nullopt;
  if (!set(pieces)) {
    why = "the kernel refused a setting of RPS, RFS or XPS";
    return std::nullopt;
  }
  auto base = EventLoop::create().value();
  ChainServer server(*base, cpus_, pieces);
  std::optional<Result<InetAddress>> address;
  world_->in_near([&] { address = server.start(VethWorld::kNearAddress); });
  if (!*address) {
    why = address->error().message();
    return std::nullopt;
  }
  if (!watch((*address)->port())) {
    why = "the filter of " LEAT_CHAIN_WATCH;
    return std::nullopt;
  }
  std::optional<ChainClients> clients;
  const auto done = [loop = base.get()] {
    loop->queue_in_loop([loop] { loop->run_after(kLastPackets, [loop] { loop->quit(); }); });
  };
  world_->in_far([&] { clients.emplace(**address, load, cpus_, done); });
  base->run_every(2ms, [this] { watch_->consume(); });
  std::atomic<bool> stop{!load.neighbour};
  std::thread neighbour([&] { disturb(cpus_, stop); });
  (void)base->loop();
  stop = true;
  neighbour.join();
  watch_->consume();
  const auto connections = server.stop();
  why = clients->failure();
  if (!why.empty()) return std::nullopt;
  std::map<int, unsigned> queues;
  for (const int cpu : cpus_) queues.emplace(cpu, queues.size());
  ChainTally tally(connections, clients->long_ports(), queues);
  if (tally.connections() != connections.size()) {
    why = "clients used a port twice";
    return std::nullopt;
  }
  for (const chain_event& event : events_) tally.count(event);
  return tally;
}

/// A new one for each run, in which no port is in TIME_WAIT: a port tells which connection it was.
bool Chain::make_world(std::string& why) {
  world_.reset();
  world_ = VethWorld::create(why, cpus_.count());
  return world_ != nullptr;
}

bool Chain::set(const Pieces& pieces) {
  bool done = world_->set_socket_flow_entries(pieces.rfs ? kSocketFlows : 0);
  std::size_t queue = 0;
  for (const int cpu : cpus_) {
    done = done && world_->set_rps_cpus(queue, pieces.rps ? cpus_ : CpuSet()) &&
           world_->set_rps_flow_count(queue, pieces.rfs ? kSocketFlows / cpus_.count() : 0) &&
           world_->set_xps_cpus(queue, pieces.xps ? CpuSet::of(cpu) : CpuSet());
    ++queue;
  }
  return done;
}

bool Chain::watch(std::uint16_t port) {
  watch_->consume();  // What came late of the last run.
  events_.clear();
  const chain_filter filter{
      .network_namespace = world_->near_inode(), .device = world_->near_device(), .port = port};
  return watch_->set_filter(&filter);
}

}  // namespace leat::testing
