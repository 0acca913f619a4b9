// Consistent hashing over the sockets of a group, held against the kernel: who changes sockets when
// one goes.
#include "leat/net/consistent_hash_group.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "leat/net/internal/socket_ops.h"
#include "leat/steering/maglev_table.h"

#include "support/own_network.h"
#include "support/places.h"
#include "support/raw_sockets.h"
#include "support/server_fixture.h"

namespace leat {
namespace {

using Member = ConsistentHashGroup::Member;
using testing::moved_of_the_rest;
using testing::Places;
using testing::wait_until;

#define NEEDS_RIGHTS()                                                         \
  if (const std::string missing = testing::missing_rights(); !missing.empty()) \
  GTEST_SKIP() << missing

class UdpGroup : public ::testing::Test {
 protected:
  static constexpr std::size_t kClients = 400;

  void open(std::size_t sockets) {
    for (std::size_t i = 0; i < sockets; ++i) {
      UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      const int on = 1;
      ASSERT_EQ(::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on), 0);
      ASSERT_EQ(::bind(socket.get(), address_.get(), address_.size()), 0);
      address_ = InetAddress::local_of(socket.get()).value();
      sockets_.push_back(std::move(socket));
    }
    for (std::size_t i = 0; i < kClients; ++i) {
      UniqueFd client(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      const InetAddress any = InetAddress::loopback(0);
      ASSERT_EQ(::bind(client.get(), any.get(), any.size()), 0);
      clients_.push_back(std::move(client));
    }
  }
  std::vector<Member> members(const std::vector<std::size_t>& places) const {
    std::vector<Member> list;
    for (const std::size_t i : places) list.push_back({.id = i, .socket = sockets_[i].get()});
    return list;
  }
  /// Who gets what each client sends.
  Places ask() {
    Places places;
    for (const UniqueFd& client : clients_) {
      const int port = InetAddress::local_of(client.get()).value().port();
      EXPECT_EQ(::sendto(client.get(), "x", 1, 0, address_.get(), address_.size()), 1);
      for (std::size_t i = 0; i < sockets_.size(); ++i) {
        char byte = 0;
        if (sockets_[i] && ::recv(sockets_[i].get(), &byte, 1, 0) == 1) places[port] = i;
      }
    }
    EXPECT_EQ(places.size(), clients_.size());
    return places;
  }

  InetAddress address_ = InetAddress::loopback(0);
  std::vector<UniqueFd> sockets_;
  std::vector<UniqueFd> clients_;
};

TEST_F(UdpGroup, OfTheRestFewMoveWhenOneGoes) {
  NEEDS_RIGHTS();
  open(5);
  const auto group = ConsistentHashGroup::create(5).value();
  ASSERT_TRUE(group->set_members(members({0, 1, 2, 3, 4})));
  const Places before = ask();
  ASSERT_TRUE(group->set_members(members({0, 1, 3, 4})));
  sockets_[2].reset();
  const Places after = ask();

  // What the tables say of all hashes, the kernel does to these.
  std::vector<steering::MaglevBackend> backends{{0}, {1}, {2}, {3}, {4}};
  const auto five = steering::MaglevTable::create(backends).value();
  backends.erase(backends.begin() + 2);
  const auto four = steering::MaglevTable::create(backends).value();
  double changed = 0;
  for (std::size_t i = 0; i < five.size(); ++i) {
    changed += backends[four.entries()[i]].id != five.entries()[i] ? 1 : 0;
  }
  double moved = 0;
  for (const auto& [port, place] : before) moved += after.at(port) != place ? 1 : 0;
  EXPECT_NEAR(moved / kClients, changed / static_cast<double>(five.size()), 0.08);  // 4 sigma
  EXPECT_LT(moved_of_the_rest(before, after, 2), 0.08);
  for (const auto& [port, place] : after) EXPECT_NE(place, 2u);
}

TEST_F(UdpGroup, ByTheKernelsHashMostOfTheRestMove) {
  open(5);
  const Places before = ask();
  sockets_[2].reset();
  EXPECT_GT(moved_of_the_rest(before, ask(), 2), 0.2);
}

TEST_F(UdpGroup, WhoComesBackFindsItsClients) {
  NEEDS_RIGHTS();
  open(4);
  const auto group = ConsistentHashGroup::create(4).value();
  ASSERT_TRUE(group->set_members(members({0, 1, 2, 3})));
  const Places before = ask();
  for (int round = 0; round < 20; ++round) {
    ASSERT_TRUE(group->set_members(members({3, 1})));
    ASSERT_TRUE(group->set_members(members({2, 0, 3})));
  }
  for (const auto& [port, place] : ask()) EXPECT_NE(place, 1u);
  ASSERT_TRUE(group->set_members(members({3, 2, 1, 0})));
  EXPECT_EQ(ask(), before);
}

TEST_F(UdpGroup, SharesAreEven) {
  NEEDS_RIGHTS();
  open(4);
  const auto group = ConsistentHashGroup::create(4).value();
  ASSERT_TRUE(group->set_members(members({0, 1, 2, 3})));
  std::vector<int> shares(4);
  for (const auto& [port, place] : ask()) ++shares[place];
  EXPECT_THAT(shares, ::testing::Each(::testing::AllOf(::testing::Gt(60), ::testing::Lt(140))));
}

TEST_F(UdpGroup, WhoClosesUntoldIsReplacedByTheHash) {
  NEEDS_RIGHTS();
  open(3);
  const auto group = ConsistentHashGroup::create(3).value();
  ASSERT_TRUE(group->set_members(members({0, 1, 2})));
  const Places before = ask();
  sockets_[1].reset();
  EXPECT_EQ(moved_of_the_rest(before, ask(), 1), 0.0);
}

TEST_F(UdpGroup, OutlivesItsObjectUntilItIsDetached) {
  NEEDS_RIGHTS();
  open(3);
  auto group = ConsistentHashGroup::create(3).value();
  ASSERT_TRUE(group->set_members(members({2})));
  group.reset();
  for (const auto& [port, place] : ask()) EXPECT_EQ(place, 2u);
  ASSERT_TRUE(ConsistentHashGroup::detach(sockets_[0].get()));
  ASSERT_TRUE(ConsistentHashGroup::detach(sockets_[0].get()));
  const auto next = ConsistentHashGroup::create(3).value();
  EXPECT_TRUE(wait_until([&] { return next->set_members(members({1})).has_value(); }));
  for (const auto& [port, place] : ask()) EXPECT_EQ(place, 1u);
}

TEST_F(UdpGroup, WhatCannotBeIsRefusedAndChangesNothing) {
  EXPECT_EQ(ConsistentHashGroup::create(0).error().number(), EINVAL);
  EXPECT_EQ(ConsistentHashGroup::create(ConsistentHashGroup::kMostMembers + 1).error().number(),
            EINVAL);
  NEEDS_RIGHTS();
  open(4);
  const auto group = ConsistentHashGroup::create(3).value();
  EXPECT_EQ(group->set_members({}).error().number(), EINVAL);
  ASSERT_TRUE(group->set_members(members({0, 1})));
  const Places before = ask();
  EXPECT_EQ(group->set_members(members({0, 1, 2, 3})).error().number(), EINVAL);
  EXPECT_EQ(group->set_members(members({0, 2, 2})).error().number(), EINVAL);
  const UniqueFd alone(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const std::vector<Member> with_other{{0, sockets_[0].get()}, {7, alone.get()}};
  EXPECT_EQ(group->set_members(with_other).error().number(), EINVAL);
  const auto other = ConsistentHashGroup::create(3).value();
  EXPECT_EQ(other->set_members(members({3, 1})).error().number(), EBUSY);
  EXPECT_EQ(ask(), before);
  EXPECT_TRUE(group->set_members(members({0, 1, 3})));  // nothing was left in the other's map
}

TEST(TcpGroup, WhatWaitsInAListenerThatClosesGoesWhereTheTableSays) {
  NEEDS_RIGHTS();
  const bool allowed = testing::in_own_network([] {
    ASSERT_TRUE(testing::set_up("lo", 65536));
    constexpr std::size_t kClients = 60;
    const internal::ListenerOptions options{.reuse_port = true};
    std::vector<UniqueFd> listeners;
    InetAddress address = InetAddress::loopback(0);
    for (int i = 0; i < 3; ++i) {
      listeners.push_back(internal::open_listener(address, options).value());
      address = InetAddress::local_of(listeners.front().get()).value();
    }
    const auto group = ConsistentHashGroup::create(3).value();
    ASSERT_TRUE(group->set_members(std::vector<Member>{{0, listeners[0].get()}}));
    std::vector<UniqueFd> clients;
    for (std::size_t i = 0; i < kClients; ++i) clients.push_back(testing::plain_connect(address));
    ASSERT_TRUE(group->set_members(std::vector<Member>{{2, listeners[2].get()}}));
    listeners[0].reset();
    std::size_t accepted = 0;
    while (UniqueFd(::accept(listeners[2].get(), nullptr, nullptr))) ++accepted;
    EXPECT_EQ(accepted, kClients);
  });
  if (!allowed) GTEST_SKIP() << "network namespaces cannot be made here";
}

}  // namespace
}  // namespace leat
