// TCP and UDP over IPv4 and IPv6: RPS and RFS steer every packet of a connection as the model says,
// the handshake's and the last ones too, and XPS keeps TCP's segments in order as it says.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "leat/net/inet_address.h"
#include "leat/steering/receive_steering.h"
#include "leat/steering/transmit_steering.h"

#include "kernel/kernel_fixture.h"

namespace leat::steering {
namespace {

using leat::testing::receive_queue;
using leat::testing::VethWorld;

struct Transport {
  const char* name;
  int type;
  const char* near;  ///< Addresses, as they are written before a port.
  const char* far;
};

constexpr std::size_t kSocketEntries = 32'768;
constexpr std::size_t kFlowEntries = 4096;

class TransportKernel : public leat::testing::KernelFixture,
                        public ::testing::WithParamInterface<Transport> {
 protected:
  /// A connection; what the far end sends the near end reads, on CPU `reader`.
  struct Pair {
    UniqueFd near;
    UniqueFd far;
    int reader = 0;
  };

  [[nodiscard]] static bool is_tcp() { return GetParam().type == SOCK_STREAM; }

  [[nodiscard]] UniqueFd bound(bool near) const {
    UniqueFd made;
    const auto make = [&] {
      const InetAddress own =
          InetAddress::parse(std::string(near ? GetParam().near : GetParam().far) + ":0").value();
      made = UniqueFd(::socket(own.get()->sa_family, GetParam().type | SOCK_CLOEXEC, 0));
      ASSERT_EQ(::bind(made.get(), own.get(), own.size()), 0) << own.to_string();
      const timeval patience{.tv_sec = 5, .tv_usec = 0};
      ::setsockopt(made.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
      const int on = 1;
      if (is_tcp()) ::setsockopt(made.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    };
    near ? world->in_near(make) : world->in_far(make);
    return made;
  }
  static bool connect_to(const UniqueFd& from, const UniqueFd& to) {
    const InetAddress address = InetAddress::local_of(to.get()).value();
    return ::connect(from.get(), address.get(), address.size()) == 0;
  }
  static std::uint16_t port(const UniqueFd& socket) {
    return InetAddress::local_of(socket.get()).value().port();
  }

  Pair make_pair(int reader) {
    Pair pair{.near = bound(true), .far = bound(false), .reader = reader};
    if (!is_tcp()) {
      EXPECT_TRUE(connect_to(pair.near, pair.far) && connect_to(pair.far, pair.near));
      return pair;
    }
    EXPECT_EQ(::listen(pair.near.get(), 1), 0);
    EXPECT_TRUE(connect_to(pair.far, pair.near));
    pair.near = UniqueFd(::accept4(pair.near.get(), nullptr, nullptr, SOCK_CLOEXEC));
    EXPECT_TRUE(pair.near);
    return pair;
  }
  static bool transfer(const UniqueFd& from, const UniqueFd& to) {
    char bytes[16] = "0123456789";
    return ::send(from.get(), bytes, sizeof(bytes), 0) == sizeof(bytes) &&
           ::recv(to.get(), bytes, sizeof(bytes), MSG_WAITALL) == sizeof(bytes);
  }

  ReceiveSteering configured(const CpuSet& rps, std::size_t flow_entries) {
    auto model = ReceiveSteering::create(
        {.cpus = cpus, .online = online, .receive_queues = VethWorld::kQueues});
    if (flow_entries != 0) {
      EXPECT_TRUE(world->set_socket_flow_entries(kSocketEntries));
      EXPECT_TRUE(model->socket_flows().set_size(kSocketEntries));
    }
    for (std::size_t queue = 0; queue < VethWorld::kQueues; ++queue) {
      EXPECT_TRUE(world->set_rps_cpus(queue, rps));
      EXPECT_TRUE(model->set_rps_cpus(queue, rps));
      EXPECT_TRUE(world->set_rps_flow_count(queue, flow_entries));
      EXPECT_TRUE(model->set_rps_flow_count(queue, flow_entries));
    }
    return *std::move(model);
  }
  static void expect_agreement(ReceiveSteering& model, const steering_event& event) {
    const SteeringDecision decision = model.steer(receive_queue(event), event.hash);
    const bool stays = decision.cpu == SteeringDecision::kStayHere;
    EXPECT_EQ(event.cpu, stays ? event.entry_cpu : static_cast<unsigned>(decision.cpu))
        << "from port " << event.source_port << " queue " << event.queue << " hash " << event.hash;
  }
};

TEST_P(TransportKernel, RpsFromTheFirstPacketToTheLast) {
  const std::size_t each = is_tcp() ? 6 : 3;  // SYN, its acknowledgement, data, FIN
  constexpr std::size_t kPairs = 40;
  std::size_t compared = 0;
  std::size_t moved = 0;
  for (const CpuSet& rps : {CpuSet(), CpuSet::of(0), CpuSet::of(1), CpuSet::of({0, 1})}) {
    for (const int sender : {0, 1}) {
      SCOPED_TRACE("rps_cpus " + rps.to_mask() + ", sender on CPU " + std::to_string(sender));
      ReceiveSteering model = configured(rps, 0);
      ASSERT_TRUE(CpuSet::of(sender).pin_current_thread());
      watch->take();
      for (std::size_t i = 0; i < kPairs; ++i) {
        const Pair pair = make_pair(0);
        for (int packet = 0; packet < 3; ++packet) ASSERT_TRUE(transfer(pair.far, pair.near));
        ::shutdown(pair.far.get(), SHUT_WR);
      }
      for (const steering_event& event : seen(STEERING_RECEIVED, kPairs * each)) {
        expect_agreement(model, event);
        ++compared;
        moved += event.cpu != event.entry_cpu;
      }
    }
  }
  EXPECT_GT(compared, 8 * kPairs * each / 2) << "half of them or more were seen";
  EXPECT_GT(moved, 0u);
}

TEST_P(TransportKernel, RfsOfReadersThatStay) {
  constexpr std::size_t kRounds = 20;
  constexpr std::size_t kPairs = 24;
  std::size_t compared = 0;
  std::size_t lost = 0;
  for (const int sender : {0, 1}) {
    SCOPED_TRACE("sender on CPU " + std::to_string(sender));
    ReceiveSteering model = configured(CpuSet::of({0, 1}), kFlowEntries);
    others.clear();
    std::vector<Pair> pairs;
    std::map<std::uint16_t, int> readers;
    for (std::size_t i = 0; i < kPairs; ++i) {
      pairs.push_back(make_pair(static_cast<int>(i % 2)));
      readers[port(pairs.back().far)] = pairs.back().reader;
    }
    const auto round = [&] {
      for (const Pair& pair : pairs) {
        ASSERT_TRUE(CpuSet::of(sender).pin_current_thread());
        ASSERT_EQ(::send(pair.far.get(), "x", 1, 0), 1);
        ASSERT_TRUE(CpuSet::of(pair.reader).pin_current_thread());
        char byte;
        ASSERT_EQ(::recv(pair.near.get(), &byte, 1, 0), 1);
      }
    };
    // The first records who reads which hash, the second shows that it did.
    round();
    round();
    std::map<std::uint16_t, std::uint32_t> hashes;
    const auto note = [&](const std::vector<steering_event>& events) {
      for (const auto& event : events) hashes[event.source_port] = event.hash;
    };
    note(seen(STEERING_RECEIVED, kPairs * (is_tcp() ? 4 : 2)));
    for (std::size_t i = 0; i < kRounds; ++i) round();
    const auto events = seen(STEERING_RECEIVED, kPairs * kRounds);
    note(events);
    // Flows of one slot take it from each other, those among them that the far end records: its
    // sockets have the hashes of what the near end sent.
    std::map<std::uint32_t, int> slots;
    std::set<std::uint32_t> sent;
    for (const auto& event : others) sent.insert(event.hash);
    for (const std::uint32_t hash : sent) ++slots[hash & (kSocketEntries - 1)];
    QueueFlowTable table(KernelRules().flow_slot);
    ASSERT_TRUE(table.set_size(kFlowEntries));
    for (const auto& [from, hash] : hashes) {
      ++slots[hash & (kSocketEntries - 1)];
      ++slots[kSocketEntries + table.slot(hash)];
      model.socket_flows().on_receive({.hash = hash, .connected = true}, readers[from]);
    }
    for (const auto& event : events) {
      if (slots[event.hash & (kSocketEntries - 1)] != 1) continue;
      if (slots[kSocketEntries + table.slot(event.hash)] != 1) continue;
      ++compared;
      const SteeringDecision decision = model.steer(receive_queue(event), event.hash);
      EXPECT_EQ(decision.by, SteeringDecision::By::kRfs);
      EXPECT_EQ(decision.cpu, readers[event.source_port]);
      if (event.cpu == static_cast<unsigned>(decision.cpu)) continue;
      ++lost;
      const int by_map = model.rps_map(receive_queue(event)).cpu_for(event.hash);
      EXPECT_EQ(event.cpu, static_cast<unsigned>(by_map)) << "neither by RFS nor by RPS";
    }
  }
  // The table is the whole machine's: another program's flow may take a slot, and then RPS decides.
  EXPECT_LE(lost, compared / 10);
  EXPECT_GT(compared, 2 * kPairs * kRounds / 2) << "half of them or more were seen";
}

// Pairs of segments from one CPU and the other: while the first is on its way, the second must not
// overtake it on another queue; when nothing is, the CPU decides anew.
TEST_P(TransportKernel, XpsMovesASocketWhenNothingIsOnItsWay) {
  auto model = TransmitSteering::create({.transmit_queues = VethWorld::kQueues,
                                         .receive_queues = VethWorld::kQueues,
                                         .cpus = cpus})
                   .value();
  for (const auto& [queue, on] : {std::pair<std::uint16_t, CpuSet>{0, CpuSet()},
                                  {1, CpuSet::of(0)},
                                  {2, CpuSet::of(1)},
                                  {3, CpuSet::of(1)}}) {
    ASSERT_TRUE(world->set_xps_cpus(queue, on));
    ASSERT_TRUE(model.set_xps_cpus(queue, on));
  }
  constexpr std::size_t kPairs = 30;
  constexpr std::size_t kRounds = 12;
  std::vector<Pair> pairs;
  for (std::size_t i = 0; i < kPairs; ++i) pairs.push_back(make_pair(0));
  watch->take();
  for (std::size_t i = 0; i < kRounds; ++i) {
    for (const Pair& pair : pairs) {
      for (const int cpu : {0, 1}) {
        ASSERT_TRUE(CpuSet::of(static_cast<int>((i + static_cast<std::size_t>(cpu)) % 2))
                        .pin_current_thread());
        ASSERT_EQ(::send(pair.near.get(), "x", 1, 0), 1);
      }
      char bytes[2];
      ASSERT_EQ(::recv(pair.far.get(), bytes, is_tcp() ? 2 : 1, MSG_WAITALL), is_tcp() ? 2 : 1);
    }
  }
  const auto events = seen(STEERING_SENT, kPairs * kRounds * 2);
  ASSERT_GT(events.size(), kPairs * kRounds);
  std::map<std::uint16_t, TransmitSocket> sockets;
  std::size_t agreed = 0;
  std::size_t chosen_anew = 0;
  std::set<std::uint32_t> used;
  for (const steering_event& event : events) {
    TransmitSocket& socket = sockets.try_emplace(event.source_port).first->second;
    const bool known = socket.transmit_queue.has_value();
    socket.has_route = true;
    const std::uint16_t queue = model.choose({.hash = event.hash,
                                              .cpu = static_cast<int>(event.cpu),
                                              .may_reorder = event.may_reorder != 0},
                                             &socket);
    // The first was seen, or it kept what was chosen before.
    agreed += queue == event.queue || !known;
    if (event.may_reorder != 0) {
      EXPECT_EQ(queue, event.queue) << "hash " << event.hash;
    }
    socket.transmit_queue = static_cast<std::uint16_t>(event.queue);
    chosen_anew += event.may_reorder;
    used.insert(event.queue);
  }
  // Neither a packet that was not seen nor a route that had to be looked up again (the kernel then
  // forgets the queue) is known to the model.
  EXPECT_GE(agreed, events.size() * 9 / 10);
  if (is_tcp()) {
    EXPECT_GT(chosen_anew, events.size() / 4);
    EXPECT_EQ(used, (std::set<std::uint32_t>{1, 2, 3}));
  } else {
    EXPECT_EQ(chosen_anew, 0u) << "UDP never says so";
  }
}

INSTANTIATE_TEST_SUITE_P(EveryTransport, TransportKernel,
                         ::testing::Values(Transport{"tcp4", SOCK_STREAM, VethWorld::kNearAddress,
                                                     VethWorld::kFarAddress},
                                           Transport{"udp4", SOCK_DGRAM, VethWorld::kNearAddress,
                                                     VethWorld::kFarAddress},
                                           Transport{"tcp6", SOCK_STREAM, "[fd77::1]", "[fd77::2]"},
                                           Transport{"udp6", SOCK_DGRAM, "[fd77::1]", "[fd77::2]"}),
                         [](const auto& parameter) { return std::string(parameter.param.name); });

}  // namespace
}  // namespace leat::steering
