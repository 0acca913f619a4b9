#include "decision_rows.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "leat/base/random.h"
#include "leat/steering/indirection_table.h"
#include "leat/steering/receive_steering.h"
#include "leat/steering/rss_hash.h"

namespace leat::bench {
namespace {

using namespace leat::steering;

constexpr int kCpus = 8;
constexpr std::size_t kQueues = 4;
constexpr std::size_t kBatch = 64;  // A poll of NAPI takes as many packets.

/// A server's machine: a queue for every second CPU, RPS over all, and readers that have been moved
/// to any of them. Three flows of four have a reader.
struct Machine {
  RssHash rss{ToeplitzKey::verification()};
  IndirectionTable table = IndirectionTable::standard(128, kQueues).value();
  ReceiveSteering steering;
  /// Packets as they come, each of another flow: they are read in order, and only the tables at
  /// random, for a card has just put a packet's head into the cache.
  std::vector<wire::FlowKey> keys;
  std::vector<std::uint32_t> hashes;

  explicit Machine(std::size_t flows)
      : steering(ReceiveSteering::create({.cpus = kCpus, .online = {}, .receive_queues = kQueues})
                     .value()) {
    // As scaling.rst advises: twice the flows, and each queue its share.
    const std::size_t entries = 2 * std::bit_ceil(flows);
    steering.socket_flows().set_size(entries).value();
    for (std::size_t queue = 0; queue < kQueues; ++queue) {
      steering.set_rps_cpus(queue, CpuSet::range(0, kCpus - 1)).value();
      steering.set_rps_flow_count(queue, entries / kQueues).value();
    }
    Random random(flows);
    for (std::size_t i = 0; i < flows; ++i) add_flow(random);
  }

  int decide(const wire::FlowKey& key) { return decide_by_hash(rss(key)); }
  int decide_by_hash(std::uint32_t hash) { return steering.steer(table.queue(hash), hash).cpu; }
  /// As who takes packets in batches would: all hashes, then all decisions.
  void decide_batch(std::size_t first) {
    std::array<std::uint32_t, kBatch> batch;
    const std::size_t count = std::min(kBatch, keys.size() - first);
    for (std::size_t i = 0; i < count; ++i) batch[i] = rss(keys[first + i]);
    for (std::size_t i = 0; i < count; ++i) keep(decide_by_hash(batch[i]));
  }

 private:
  void add_flow(Random& random) {
    wire::FlowKey& key = keys.emplace_back();
    key.protocol = 6;
    key.has_ports = true;
    for (std::size_t i = 0; i < 4; ++i) key.source[i] = static_cast<std::uint8_t>(random());
    key.destination = {10, 0, 0, 1};
    key.source_port = static_cast<std::uint16_t>(random.uniform(1'024, 65'535));
    key.destination_port = 443;
    hashes.push_back(rss(key));
    if (random.uniform(0, 3) == 0) return;
    const auto cpu = static_cast<int>(random.uniform(0, kCpus - 1));
    steering.socket_flows().on_receive({.hash = hashes.back(), .connected = true}, cpu);
  }
};

/// That what is measured is the usual case.
void check(Machine& machine) {
  std::size_t by_reader = 0;
  for (const std::uint32_t hash : machine.hashes) {
    const auto decision = machine.steering.steer(machine.table.queue(hash), hash);
    if (decision.by == SteeringDecision::By::kRfs) ++by_reader;
  }
  const std::size_t flows = machine.hashes.size();
  if (by_reader > flows / 2 && by_reader < flows * 4 / 5) return;
  std::fprintf(stderr, "RFS decides for %zu of %zu flows\n", by_reader, flows);
  std::exit(1);
}

Row row_for(std::size_t flows, const char* title) {
  const auto machine = std::make_shared<Machine>(flows);
  check(*machine);
  const auto whole = [machine](std::size_t passes) {
    while (passes-- > 0) {
      for (const wire::FlowKey& key : machine->keys) keep(machine->decide(key));
    }
  };
  const auto by_device = [machine](std::size_t passes) {
    while (passes-- > 0) {
      for (const std::uint32_t hash : machine->hashes) keep(machine->decide_by_hash(hash));
    }
  };
  const auto in_batches = [machine](std::size_t passes) {
    while (passes-- > 0) {
      for (std::size_t i = 0; i < machine->keys.size(); i += kBatch) machine->decide_batch(i);
    }
  };
  return {title,
          flows,
          {{"Leat", whole},
           {"Leat again", whole},
           {"Leat, batches", in_batches},
           {"hash by the card", by_device}}};
}

}  // namespace

std::vector<Row> decision_rows() {
  return {row_for(1'000, "RSS+RPS+RFS decision, 1k flows"),
          row_for(64'000, "RSS+RPS+RFS decision, 64k flows"),
          row_for(1'000'000, "RSS+RPS+RFS decision, 1M flows")};
}

}  // namespace leat::bench
