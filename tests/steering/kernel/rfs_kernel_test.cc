// RFS: readers that stay on a CPU make every packet predictable; readers that move, nearly all.
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "leat/base/random.h"
#include "leat/steering/receive_steering.h"

#include "kernel/kernel_fixture.h"

namespace leat::steering {
namespace {

using leat::testing::receive_queue;
using leat::testing::VethWorld;

constexpr std::size_t kSocketEntries = 32'768;
constexpr std::size_t kFlowEntries = 4096;

class RfsKernel : public leat::testing::KernelFixture {
 protected:
  /// A connected pair: what the far end sends the near end reads.
  struct Flow {
    UniqueFd near;
    UniqueFd far;
    std::uint16_t port = 0;
    int reader = 0;
  };

  Flow make_flow(int reader) {
    Flow flow{.near = near_socket(0), .far = far_socket(0), .port = 0, .reader = reader};
    flow.port = port_of(flow.near);
    EXPECT_TRUE(connect(flow.near, VethWorld::kFarAddress, port_of(flow.far)));
    EXPECT_TRUE(connect(flow.far, VethWorld::kNearAddress, flow.port));
    return flow;
  }

  /// The world and a model of it with the same settings.
  ReceiveSteering configured(const CpuSet& rps, std::size_t flow_entries) {
    auto model = ReceiveSteering::create(
        {.cpus = cpus, .online = online, .receive_queues = VethWorld::kQueues});
    EXPECT_TRUE(world->set_socket_flow_entries(kSocketEntries));
    EXPECT_TRUE(model->socket_flows().set_size(kSocketEntries));
    for (std::size_t queue = 0; queue < VethWorld::kQueues; ++queue) {
      EXPECT_TRUE(world->set_rps_cpus(queue, rps));
      EXPECT_TRUE(model->set_rps_cpus(queue, rps));
      // One queue without a table: its packets go by the map alone.
      const std::size_t entries = queue == 1 ? 0 : flow_entries;
      EXPECT_TRUE(world->set_rps_flow_count(queue, entries));
      EXPECT_TRUE(model->set_rps_flow_count(queue, entries));
    }
    return *std::move(model);
  }

  /// Tells the model who reads which flow, by the hashes that were seen. Gives the ports of those
  /// that have their slots to themselves: flows of one slot of the global table take it from each
  /// other with every read, and those of one slot of a queue's wait for each other's packets.
  static std::set<std::uint16_t> record(ReceiveSteering& model, const std::vector<Flow>& flows,
                                        const std::vector<steering_event>& events) {
    std::map<std::uint16_t, std::uint32_t> hashes;
    for (const auto& event : events) hashes[event.destination_port] = event.hash;
    std::map<std::uint32_t, int> slots;
    std::map<std::uint32_t, int> queue_slots;
    QueueFlowTable table(KernelRules().flow_slot);
    EXPECT_TRUE(table.set_size(kFlowEntries));
    for (const auto& [port, hash] : hashes) {
      ++slots[hash & (kSocketEntries - 1)];
      ++queue_slots[table.slot(hash)];
    }
    std::set<std::uint16_t> alone;
    for (const Flow& flow : flows) {
      const auto seen = hashes.find(flow.port);
      if (seen == hashes.end()) continue;
      const std::uint32_t hash = seen->second;
      if (slots[hash & (kSocketEntries - 1)] == 1 && queue_slots[table.slot(hash)] == 1) {
        alone.insert(flow.port);
      }
      model.socket_flows().on_receive({.hash = hash, .connected = true}, flow.reader);
    }
    return alone;
  }
};

TEST_F(RfsKernel, EveryPacketOfReadersThatStay) {
  std::size_t by_rfs = 0;
  std::size_t compared = 0;
  std::size_t lost = 0;
  for (const CpuSet& rps : {CpuSet(), CpuSet::of(0), CpuSet::of(1), CpuSet::of({0, 1})}) {
    for (const int sender : {0, 1}) {
      SCOPED_TRACE("rps_cpus " + rps.to_mask() + ", sender on CPU " + std::to_string(sender));
      ReceiveSteering model = configured(rps, kFlowEntries);
      ASSERT_TRUE(CpuSet::of(sender).pin_current_thread());
      std::vector<Flow> flows;
      for (int i = 0; i < 24; ++i) flows.push_back(make_flow(i % 2));
      const auto round = [&](std::uint32_t number) {
        for (const Flow& flow : flows) ASSERT_TRUE(send(flow.far, number));
        // Each flow is read on its CPU before the next round.
        for (const int cpu : {0, 1}) {
          ASSERT_TRUE(CpuSet::of(cpu).pin_current_thread());
          for (const Flow& flow : flows) {
            char bytes[16];
            if (flow.reader != cpu) continue;
            ASSERT_GT(::recv(flow.near.get(), bytes, sizeof(bytes), 0), 0);
          }
        }
        ASSERT_TRUE(CpuSet::of(sender).pin_current_thread());
      };
      // The first round records who reads which hash; the second shows that it was.
      round(0);
      round(1);
      std::vector<steering_event> events = seen(STEERING_RECEIVED, 2 * flows.size());
      const std::size_t first = events.size();
      constexpr std::uint32_t kRounds = 20;
      for (std::uint32_t i = 0; i < kRounds; ++i) round(2 + i);
      for (const auto& event : seen(STEERING_RECEIVED, kRounds * flows.size())) {
        events.push_back(event);
      }
      const std::set<std::uint16_t> alone = record(model, flows, events);
      for (std::size_t i = first; i < events.size(); ++i) {
        const steering_event& event = events[i];
        if (!alone.contains(event.destination_port)) continue;
        const std::size_t queue = receive_queue(event);
        const SteeringDecision decision = model.steer(queue, event.hash);
        const bool stays = decision.cpu == SteeringDecision::kStayHere;
        if (event.cpu != (stays ? event.entry_cpu : static_cast<unsigned>(decision.cpu))) {
          ++lost;
          EXPECT_EQ(decision.by, SteeringDecision::By::kRfs) << "the map allows no doubt";
          EXPECT_EQ(event.cpu,
                    rps.empty() ? event.entry_cpu
                                : static_cast<unsigned>(model.rps_map(queue).cpu_for(event.hash)))
              << "port " << event.destination_port << " queue " << event.queue;
        }
        by_rfs += decision.by == SteeringDecision::By::kRfs;
        ++compared;
      }
    }
  }
  EXPECT_GT(compared, 8u * 24 * 20 / 2) << "half of them or more were seen";
  // The table is the whole machine's: another program's flow may take a slot, and then RPS decides.
  EXPECT_LE(lost, compared / 20);
  EXPECT_GT(by_rfs, compared / 2) << "RFS steered them";
  EXPECT_LT(by_rfs, compared) << "but for the queue without a table";
}

// One packet after the other, each read before the next is sent, on a CPU of chance. What is left
// to chance is whether the kernel had ended its batch when the next packet came.
TEST_F(RfsKernel, NearlyEveryPacketOfReadersThatMove) {
  for (const CpuSet& rps : {CpuSet(), CpuSet::of({0, 1})}) {
    ReceiveSteering model = configured(rps, kFlowEntries);
    Random random(5);
    std::vector<Flow> flows;
    for (int i = 0; i < 20; ++i) flows.push_back(make_flow(0));
    std::vector<std::pair<std::size_t, int>> reads;  // flow, CPU
    for (std::uint32_t i = 0; i < 600; ++i) {
      const Flow& flow = flows[i % flows.size()];
      ASSERT_TRUE(CpuSet::of(static_cast<int>(random.uniform(0, 1))).pin_current_thread());
      ASSERT_TRUE(send(flow.far, i));
      const int reader = static_cast<int>(random.uniform(0, 1));
      ASSERT_TRUE(CpuSet::of(reader).pin_current_thread());
      char bytes[16];
      ASSERT_GT(::recv(flow.near.get(), bytes, sizeof(bytes), 0), 0);
      reads.emplace_back(i % flows.size(), reader);
    }
    const auto events = seen(STEERING_RECEIVED, reads.size());
    ASSERT_GE(events.size(), reads.size() / 2);
    std::map<std::size_t, std::uint32_t> hashes;
    for (const auto& event : events) hashes[event.number % flows.size()] = event.hash;
    std::size_t agreed = 0;
    std::size_t by_rfs = 0;
    std::size_t read = 0;
    for (const steering_event& event : events) {
      // Reads up to this packet, also of packets that were not seen.
      for (; read < event.number; ++read) {
        const auto& [flow, reader] = reads[read];
        model.socket_flows().on_receive({.hash = hashes[flow], .connected = true}, reader);
      }
      const SteeringDecision decision = model.steer(receive_queue(event), event.hash);
      const bool stays = decision.cpu == SteeringDecision::kStayHere;
      const int cpu = stays ? static_cast<int>(event.entry_cpu) : decision.cpu;
      agreed += event.cpu == static_cast<unsigned>(cpu);
      by_rfs += decision.by == SteeringDecision::By::kRfs;
      (void)model.enqueue(static_cast<int>(event.entry_cpu), decision, event.hash, event.number);
      while (model.dequeue(cpu)) {
      }
      model.end_batch(cpu);
    }
    std::printf("readers that move: %zu of %zu packets where the model says\n", agreed,
                events.size());
    EXPECT_GE(agreed, events.size() * 9 / 10);
    EXPECT_GT(by_rfs, events.size() / 8) << "the rest came on the queue without a table";
  }
}

}  // namespace
}  // namespace leat::steering
