#include "leat/steering/reuseport_group.h"

#include <cerrno>
#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "leat/base/random.h"
#include "leat/steering/port_listeners.h"

namespace leat::steering {
namespace {

using Kind = ReuseportVerdict::Kind;
using Packet = ReuseportGroup::Packet;

ReuseportGroup group_of(std::uint64_t sockets) {
  ReuseportGroup group;
  for (std::uint64_t id = 0; id < sockets; ++id) EXPECT_TRUE(group.add({.id = id}));
  return group;
}

std::vector<std::uint64_t> ids_of(const ReuseportGroup& group) {
  std::vector<std::uint64_t> ids;
  for (std::size_t i = 0; i < group.size(); ++i) ids.push_back(group.at(i));
  return ids;
}

TEST(ReuseportGroup, AppendsAndTheLastMovesIntoTheHole) {
  ReuseportGroup group = group_of(5);
  EXPECT_TRUE(group.close(1));
  EXPECT_EQ(ids_of(group), (std::vector<std::uint64_t>{0, 4, 2, 3}));
  EXPECT_TRUE(group.close(3));
  EXPECT_EQ(ids_of(group), (std::vector<std::uint64_t>{0, 4, 2}));
  EXPECT_FALSE(group.close(3));
  EXPECT_TRUE(group.add({.id = 9}));
  EXPECT_EQ(ids_of(group), (std::vector<std::uint64_t>{0, 4, 2, 9}));
}

TEST(ReuseportGroup, SelectsByTheHashsHighBits) {
  const ReuseportGroup group = group_of(4);
  EXPECT_EQ(group.select({.hash = 0}), 0u);
  EXPECT_EQ(group.select({.hash = 0x4000'0000}), 1u);
  EXPECT_EQ(group.select({.hash = 0xffff'ffff}), 3u);
  EXPECT_FALSE(ReuseportGroup().select({.hash = 1}));
}

TEST(ReuseportGroup, IsForOneUser) {
  ReuseportGroup group;
  ASSERT_TRUE(group.add({.id = 1, .user = 1000}));
  EXPECT_EQ(group.add({.id = 2, .user = 1001}).error().number(), EADDRINUSE);
  EXPECT_TRUE(group.add({.id = 2, .user = 1000}));
}

TEST(ReuseportGroup, PassesOverConnectedSockets) {
  ReuseportGroup group;
  ASSERT_TRUE(group.add({.id = 0}));
  ASSERT_TRUE(group.add({.id = 1, .connected = true}));
  EXPECT_EQ(group.select({.hash = 0xffff'ffff}), 0u);
  ASSERT_TRUE(group.close(0));
  EXPECT_FALSE(group.select({.hash = 0xffff'ffff}));
}

TEST(ReuseportGroup, TheIncomingCpuDecidesWhereAnySocketHasOne) {
  ReuseportGroup group = group_of(4);
  group.set_incoming_cpu(2, 7);
  EXPECT_EQ(group.select({.hash = 0, .cpu = 7}), 2u);
  EXPECT_EQ(group.select({.hash = 0xffff'ffff, .cpu = 7}), 2u) << "all around";
  EXPECT_EQ(group.select({.hash = 0x4000'0000, .cpu = 6}), 1u) << "none fits: the first";
  group.set_incoming_cpu(2, std::nullopt);
  EXPECT_EQ(group.select({.hash = 0, .cpu = 7}), 0u);
  ASSERT_TRUE(group.add({.id = 8, .incoming_cpu = 7}));
  EXPECT_EQ(group.select({.hash = 0, .cpu = 7}), 8u);
  ASSERT_TRUE(group.close(8));
  EXPECT_EQ(group.select({.hash = 0, .cpu = 7}), 0u);
}

TEST(ReuseportGroup, AProgramDecidesPassesOrRefuses) {
  ReuseportGroup group = group_of(4);
  ReuseportVerdict verdict;
  group.set_program([&](const Packet&) { return verdict; });
  const auto selected = [&](Kind kind, std::uint64_t value) {
    verdict = {kind, value};
    return group.select({.hash = 0x4000'0000});
  };
  EXPECT_EQ(selected(Kind::kIndex, 3), 3u);
  EXPECT_EQ(selected(Kind::kIndex, 4), 1u) << "beyond the sockets: by hash";
  EXPECT_EQ(selected(Kind::kSocket, 2), 2u);
  EXPECT_EQ(selected(Kind::kPass, 0), 1u);
  EXPECT_FALSE(selected(Kind::kDrop, 0)) << "no way back to the hash";
  ASSERT_TRUE(group.close(2, true));
  EXPECT_EQ(selected(Kind::kSocket, 2), 0u) << "a closed one is not there for programs";
  verdict = {Kind::kDrop, 0};
  group.set_program({});
  EXPECT_EQ(group.select({.hash = 0x4000'0000}), 0u);
}

TEST(ReuseportGroup, ClosedSocketsWaitAtTheBackForTheirRequests) {
  ReuseportGroup group = group_of(3);
  ASSERT_TRUE(group.close(0, true));
  EXPECT_EQ(group.closed_size(), 1u);
  EXPECT_EQ(ids_of(group), (std::vector<std::uint64_t>{2, 1}));
  EXPECT_EQ(group.migrate(0, {.hash = 0}), 2u);
  EXPECT_FALSE(group.migrate(1, {.hash = 0})) << "it listens";
  ASSERT_TRUE(group.close(1, false));
  EXPECT_FALSE(group.migrate(1, {.hash = 0})) << "closed without migration";
  EXPECT_TRUE(group.forget(0));
  EXPECT_FALSE(group.forget(0));
  EXPECT_FALSE(group.migrate(0, {.hash = 0}));
  ASSERT_TRUE(group.close(2, true));
  EXPECT_FALSE(group.migrate(2, {.hash = 0})) << "nobody is left";
}

TEST(ReuseportGroup, GrowsToItsBoundAndThenEvictsClosedOnes) {
  ReuseportGroup group;
  ASSERT_TRUE(group.add({.id = 1'000'000}));
  ASSERT_TRUE(group.close(1'000'000, true));
  for (std::uint64_t id = 0; id < ReuseportGroup::kMaxSlots - 1; ++id) {
    ASSERT_TRUE(group.add({.id = id})) << id;
  }
  EXPECT_TRUE(group.migrate(1'000'000, {}).has_value()) << "it moved along as the group grew";
  ASSERT_TRUE(group.add({.id = 2'000'000})) << "in the place of the closed one";
  EXPECT_EQ(group.size(), ReuseportGroup::kMaxSlots);
  EXPECT_EQ(group.closed_size(), 0u);
  EXPECT_EQ(group.add({.id = 3'000'000}).error().number(), ENOMEM);
}

double kept(const ReuseportGroup& before, const ReuseportGroup& after) {
  Random random(1);
  const int hashes = 200'000;
  int same = 0;
  for (int i = 0; i < hashes; ++i) {
    const Packet packet{.hash = static_cast<std::uint32_t>(random())};
    same += before.select(packet) == after.select(packet);
  }
  return static_cast<double>(same) / hashes;
}

// Why listeners should come and go rarely: the flows that keep their socket.
TEST(ReuseportGroup, HalfOfTheFlowsMoveWhenTheGroupChanges) {
  const struct {
    std::uint64_t sockets;
    double close_first;
  } kRows[] = {{2, 0.5}, {4, 0.25}, {8, 0.375}, {16, 0.4375}};
  for (const auto& row : kRows) {
    const ReuseportGroup before = group_of(row.sockets);
    EXPECT_NEAR(kept(before, group_of(row.sockets + 1)), 0.5, 0.01) << row.sockets;
    ReuseportGroup first = group_of(row.sockets);
    ASSERT_TRUE(first.close(0));
    EXPECT_NEAR(kept(before, first), row.close_first, 0.01) << row.sockets;
    EXPECT_NEAR(kept(before, group_of(row.sockets - 1)), 0.5, 0.01) << row.sockets;
  }
}

// With net.ipv4.tcp_migrate_req a request migrates by its hash, unless the program was loaded for
// migration (expected_attach_type in reuseport_migrate_sock()).
TEST(ReuseportGroup, AProgramChoosesForMigratedRequestsOnlyIfItIsMadeForThat) {
  constexpr std::uint32_t kTowardsTheLast = 0xffff'ffff;
  for (const bool migrates : {false, true}) {
    ReuseportGroup group = group_of(4);
    group.set_program(
        [](const Packet&) { return ReuseportVerdict{ReuseportVerdict::Kind::kIndex, 1}; },
        migrates);
    EXPECT_EQ(group.select({.hash = kTowardsTheLast}), 1u);
    ASSERT_TRUE(group.close(0, true));  // 3, 1, 2 are left, in this order
    EXPECT_EQ(group.migrate(0, {.hash = kTowardsTheLast}), migrates ? 1u : 2u);
    group.set_program(
        [](const Packet&) { return ReuseportVerdict{ReuseportVerdict::Kind::kDrop, 0}; }, migrates);
    EXPECT_EQ(group.migrate(0, {.hash = kTowardsTheLast}).has_value(), !migrates);
  }
}

// Half-open and queued connections of a closed socket, over four listeners: lost, or migrated.
TEST(ReuseportGroup, OnlyClosingLosesAndMigrationLosesNothing) {
  for (const bool migrate : {false, true}) {
    Random random(9);
    ReuseportGroup group = group_of(4);
    std::vector<std::pair<std::uint64_t, Packet>> requests;
    for (int i = 0; i < 120; ++i) {
      const Packet packet{.hash = static_cast<std::uint32_t>(random())};
      requests.emplace_back(*group.select(packet), packet);
    }
    // Adding does not touch them: each is found by itself, not by its listener.
    ASSERT_TRUE(group.add({.id = 4}));
    ASSERT_TRUE(group.close(1, migrate));
    ASSERT_TRUE(group.close(2, migrate));
    int lost = 0;
    int moved = 0;
    for (const auto& [id, packet] : requests) {
      if (id != 1 && id != 2) continue;
      const auto target = group.migrate(id, packet);
      (target ? moved : lost) += 1;
      if (target) {
        EXPECT_TRUE(*target == 0 || *target == 3 || *target == 4);
      }
    }
    EXPECT_EQ(migrate ? lost : moved, 0);
    EXPECT_GT(migrate ? moved : lost, 40);
  }
}

using Age = PortListeners::Age;

PortListeners listeners_of(Age age, std::uint64_t count) {
  PortListeners listeners(age);
  for (std::uint64_t id = 0; id < count; ++id) EXPECT_TRUE(listeners.add({.id = id}));
  return listeners;
}

TEST(PortListeners, TheCostOfEachAge) {
  for (const std::uint64_t count : {1u, 2u, 16u, 1000u}) {
    for (const Age age : {Age::kLastServes, Age::kLinearBalanced, Age::kGroups}) {
      const PortListeners listeners = listeners_of(age, count);
      EXPECT_EQ(listeners.size(), count);
      EXPECT_EQ(listeners.select({.hash = 77}).visited, age == Age::kGroups ? 1 : count);
    }
  }
  EXPECT_EQ(PortListeners(Age::kGroups).select({}).visited, 0u);
}

TEST(PortListeners, OnceTheLastOneServed) {
  PortListeners listeners = listeners_of(Age::kLastServes, 3);
  Random random(2);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(listeners.select({.hash = static_cast<std::uint32_t>(random())}).id, 2u);
  }
  EXPECT_TRUE(listeners.close(2));
  EXPECT_EQ(listeners.select({.hash = 5}).id, 1u) << "the next takes over";
  EXPECT_FALSE(listeners.close(2));
  EXPECT_TRUE(listeners.add({.id = 7, .user = 5})) << "of anyone";
}

TEST(PortListeners, SinceThenTheyShareEvenly) {
  for (const Age age : {Age::kLinearBalanced, Age::kGroups}) {
    PortListeners listeners = listeners_of(age, 8);
    EXPECT_EQ(listeners.add({.id = 9, .user = 5}).error().number(), EADDRINUSE);
    Random random(6);
    std::map<std::uint64_t, int> shares;
    for (int i = 0; i < 80'000; ++i) {
      ++shares[*listeners.select({.hash = static_cast<std::uint32_t>(random())}).id];
    }
    ASSERT_EQ(shares.size(), 8u);
    for (const auto& [id, share] : shares) EXPECT_NEAR(share, 10'000, 500) << id;
  }
}

}  // namespace
}  // namespace leat::steering
