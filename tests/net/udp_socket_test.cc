#include "leat/net/udp_socket.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/udp_fixture.h"

namespace leat {
namespace {

using testing::int_option;
using testing::joined;
using testing::Node;
using testing::numbered;
using testing::UdpTest;

class UdpSocketTest : public UdpTest, public ::testing::WithParamInterface<InetAddress::Family> {
 protected:
  [[nodiscard]] static InetAddress here() { return InetAddress::loopback(0, GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(Families, UdpSocketTest,
                         ::testing::Values(InetAddress::Family::kIpv4, InetAddress::Family::kIpv6),
                         [](const auto& family) {
                           return family.param == InetAddress::Family::kIpv4 ? "Ipv4" : "Ipv6";
                         });

TEST_P(UdpSocketTest, SendsThereAndBack) {
  const auto server = bind(here());
  server->then = [&](auto datagrams) {
    for (const Datagram& one : datagrams) {
      EXPECT_TRUE(server->socket->send(std::string(one.payload) + "!", one.reply()));
    }
  };
  const auto client = connect(server->address());
  ASSERT_TRUE(client->socket->send("one"));
  ASSERT_TRUE(client->socket->send(""));
  ASSERT_TRUE(wait_received(*client, 2));
  EXPECT_EQ(client->received, (std::vector<std::string>{"one!", "!"}));
  EXPECT_EQ(server->received, (std::vector<std::string>{"one", ""}));
  EXPECT_EQ(server->pieces[0].peer, client->address());
  EXPECT_EQ(client->pieces[0].peer, server->address());
  EXPECT_EQ(server->counters().datagrams_received.load(), 2u);
  EXPECT_EQ(server->counters().bytes_received.load(), 3u);
  EXPECT_EQ(server->counters().datagrams_sent.load(), 2u);
  EXPECT_EQ(server->counters().bytes_sent.load(), 5u);
  EXPECT_EQ(server->counters().kernel_drops.load(), 0u);
}

TEST_P(UdpSocketTest, OneIterationsSendsAreOneSystemCall) {
  const auto server = bind(here());
  const auto client = bind(here(), {.gso = false});
  const auto sent = numbered(40, 100);
  for (const std::string& one : sent) {
    ASSERT_TRUE(client->socket->send(one, {.to = server->address()}));
  }
  EXPECT_EQ(client->counters().send_calls.load(), 0u);
  ASSERT_TRUE(wait_received(*server, 40));
  EXPECT_EQ(server->received, sent);
  EXPECT_EQ(client->counters().send_calls.load(), 1u);
  EXPECT_EQ(client->counters().gso_sent.load(), 0u);
  // 32 and 8: the second batch was not full, so nobody asked for a third.
  EXPECT_EQ(server->batches, (std::vector<std::size_t>{32, 8}));
  EXPECT_EQ(server->counters().receive_calls.load(), 2u);
}

TEST_P(UdpSocketTest, ManyLittleSendsBecomeOnePieceByGsoAndGro) {
  const auto server = bind(here(), {.gro = true});
  const auto client = connect(server->address());
  auto sent = numbered(50, 1200);
  sent.push_back("the last one is shorter");
  for (const std::string& one : sent) ASSERT_TRUE(client->socket->send(one));
  ASSERT_TRUE(wait_received(*server, sent.size()));
  EXPECT_EQ(server->received, sent);
  EXPECT_EQ(client->counters().send_calls.load(), 1u);
  EXPECT_EQ(client->counters().gso_sent.load(), 1u);
  EXPECT_EQ(client->counters().datagrams_sent.load(), sent.size());
  ASSERT_EQ(server->pieces.size(), 1u) << "GRO is not in use";
  EXPECT_EQ(server->pieces[0].segment_size, 1200u);
  EXPECT_EQ(server->counters().gro_received.load(), 1u);
  EXPECT_EQ(server->counters().datagrams_received.load(), sent.size());
}

TEST_P(UdpSocketTest, OnePieceIsCutForWhoHasNoGro) {
  const auto server = bind(here());
  const auto client = connect(server->address());
  const auto sent = numbered(64, 1000);
  ASSERT_TRUE(client->socket->send(joined(sent), {.segment_size = 1000}));
  ASSERT_TRUE(wait_received(*server, 64));
  EXPECT_EQ(server->received, sent);
  EXPECT_EQ(server->pieces[0].segment_size, 0u);
  EXPECT_EQ(client->counters().gso_sent.load(), 1u);
  EXPECT_EQ(client->counters().datagrams_sent.load(), 64u);
}

TEST_P(UdpSocketTest, APieceGoesBackAsItCame) {
  const auto server = bind(here(), {.gro = true});
  server->then = [&](auto datagrams) {
    for (const Datagram& one : datagrams) {
      EXPECT_TRUE(server->socket->send(one.payload, one.reply()));
    }
  };
  const auto client = connect(server->address(), {.gro = true});
  auto sent = numbered(30, 1400);
  sent.push_back("rest");
  ASSERT_TRUE(client->socket->send(joined(sent), {.segment_size = 1400}));
  ASSERT_TRUE(wait_received(*client, sent.size()));
  EXPECT_EQ(client->received, sent);
  EXPECT_EQ(server->counters().gso_sent.load(), 1u);
  EXPECT_EQ(client->pieces.size(), 1u);
}

TEST_P(UdpSocketTest, EcnIsSentAndReceived) {
  const auto server = bind(here(), {.receive_ecn = true});
  const auto client = connect(server->address());
  for (const Ecn ecn : {Ecn::kNotCapable, Ecn::kEct1, Ecn::kEct0, Ecn::kCongestion}) {
    ASSERT_TRUE(client->socket->send("marked", {.ecn = ecn}));
  }
  ASSERT_TRUE(wait_received(*server, 4));
  EXPECT_EQ(server->pieces[0].ecn, Ecn::kNotCapable);
  EXPECT_EQ(server->pieces[1].ecn, Ecn::kEct1);
  EXPECT_EQ(server->pieces[2].ecn, Ecn::kEct0);
  EXPECT_EQ(server->pieces[3].ecn, Ecn::kCongestion);
}

TEST_P(UdpSocketTest, EcnTravelsWithGsoAndGroToo) {
  const auto server = bind(here(), {.gro = true, .receive_ecn = true, .receive_local = true});
  const auto client = connect(server->address());
  const auto sent = numbered(10, 500);
  for (const auto& one : sent) ASSERT_TRUE(client->socket->send(one, {.ecn = Ecn::kEct0}));
  ASSERT_TRUE(wait_received(*server, 10));
  ASSERT_EQ(server->pieces.size(), 1u);
  EXPECT_EQ(server->pieces[0].ecn, Ecn::kEct0);
  EXPECT_EQ(server->pieces[0].local, server->address());
  EXPECT_EQ(server->received, sent);
}

TEST_P(UdpSocketTest, TooLongOnesAreCutAndSaidToBe) {
  const auto server = bind(here(), {.max_datagram = 100});
  const auto client = connect(server->address());
  ASSERT_TRUE(client->socket->send(std::string(101, 'x')));
  ASSERT_TRUE(client->socket->send(std::string(100, 'y')));
  ASSERT_TRUE(wait_received(*server, 2));
  EXPECT_EQ(server->pieces[0].payload, std::string(100, 'x'));
  EXPECT_TRUE(server->pieces[0].truncated);
  EXPECT_EQ(server->pieces[1].payload, std::string(100, 'y'));
  EXPECT_FALSE(server->pieces[1].truncated);
  EXPECT_EQ(server->counters().truncated.load(), 1u);
}

TEST_P(UdpSocketTest, TheLargestDatagramThereIs) {
  const bool ipv6 = GetParam() == kIpv6;
  const std::size_t most = ipv6 ? UdpSocket::kMaxPayloadIpv6 : UdpSocket::kMaxPayload;
  const auto server = bind(here());
  const auto client = connect(server->address());
  const auto larger = client->socket->send(std::string(most + 1, 'x'));
  ASSERT_FALSE(larger);
  EXPECT_EQ(larger.error().number(), EMSGSIZE);
  ASSERT_TRUE(client->socket->send(std::string(most, 'y')));
  ASSERT_TRUE(wait_received(*server, 1));
  EXPECT_EQ(server->received[0], std::string(most, 'y'));
}

TEST_P(UdpSocketTest, MoreSegmentsThanThereMayBeAreRefused) {
  const auto client = connect(testing::free_udp_address(GetParam()));
  const auto sent = client->socket->send(std::string(6401, 'x'), {.segment_size = 100});
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().number(), EMSGSIZE);
  EXPECT_TRUE(client->socket->send(std::string(6400, 'x'), {.segment_size = 100}));
}

using UdpTwoFamiliesTest = UdpTest;

TEST_F(UdpTwoFamiliesTest, AnIpv6SocketTalksToIpv4) {
  const auto server =
      bind(InetAddress::any(0, kIpv6), {.gro = true, .receive_ecn = true, .receive_local = true});
  server->then = [&](auto datagrams) {
    for (const Datagram& one : datagrams) {
      DatagramRoute back = one.reply();
      back.ecn = Ecn::kCongestion;
      EXPECT_TRUE(server->socket->send(one.payload, back));
    }
  };
  auto asked = InetAddress::parse("127.0.0.3:1").value();
  asked.set_port(server->address().port());
  const auto client = connect(asked, {.receive_ecn = true});
  const auto sent = numbered(5, 300);
  for (const auto& one : sent) ASSERT_TRUE(client->socket->send(one, {.ecn = Ecn::kEct1}));
  // A connected client hears only from the address it asked: so the answers came from there.
  ASSERT_TRUE(wait_received(*client, 5));
  EXPECT_EQ(client->received, sent);
  EXPECT_EQ(client->pieces[0].ecn, Ecn::kCongestion);
  EXPECT_EQ(server->pieces[0].ecn, Ecn::kEct1);
  EXPECT_EQ(server->pieces[0].local.unmapped().host(), "127.0.0.3");
  EXPECT_EQ(server->pieces[0].peer.unmapped(), client->address());
}

TEST_F(UdpTwoFamiliesTest, PlainIpv4AddressesServeForAnIpv6Socket) {
  const auto server = bind(InetAddress::any(0));
  const auto client = bind(InetAddress::any(0, kIpv6));
  auto to = InetAddress::loopback(server->address().port());
  const auto from = InetAddress::parse("127.0.0.9:0").value();
  ASSERT_TRUE(client->socket->send("hello", {.to = to, .from = from}));
  ASSERT_TRUE(wait_received(*server, 1));
  EXPECT_EQ(server->pieces[0].peer.host(), "127.0.0.9");
}

TEST_F(UdpTwoFamiliesTest, AnIpv4SocketDoesNotReachIpv6) {
  const auto client = bind();
  const auto sent = client->socket->send("x", {.to = InetAddress::loopback(9, kIpv6)});
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().number(), EAFNOSUPPORT);
  const auto from = client->socket->send(
      "x", {.to = InetAddress::loopback(9), .from = InetAddress::loopback(0, kIpv6)});
  ASSERT_FALSE(from);
  EXPECT_EQ(from.error().number(), EAFNOSUPPORT);
}

class UdpLocalAddressTest : public UdpTest {};

TEST_F(UdpLocalAddressTest, TheAnswerComesFromWhereTheQuestionWent) {
  const auto server = bind(InetAddress::any(0), {.receive_local = true});
  server->then = [&](auto datagrams) {
    for (const Datagram& one : datagrams) {
      EXPECT_TRUE(server->socket->send(one.payload, one.reply()));
    }
  };
  auto asked = InetAddress::parse("127.0.0.2:1").value();
  asked.set_port(server->address().port());
  const auto client = bind(InetAddress::loopback(0));
  ASSERT_TRUE(client->socket->send("who?", {.to = asked}));
  ASSERT_TRUE(wait_received(*client, 1));
  EXPECT_EQ(client->pieces[0].peer, asked);
  EXPECT_EQ(server->pieces[0].local, asked);
}

TEST_F(UdpLocalAddressTest, WithoutTheOptionItIsNotTold) {
  const auto server = bind(InetAddress::any(0));
  const auto client = bind();
  const auto to = InetAddress::loopback(server->address().port());
  ASSERT_TRUE(client->socket->send("x", {.to = to}));
  ASSERT_TRUE(wait_received(*server, 1));
  EXPECT_EQ(server->pieces[0].local, InetAddress());
  EXPECT_EQ(server->pieces[0].ecn, Ecn::kNotCapable);
}

class UdpReceiveTest : public UdpTest {};

TEST_F(UdpReceiveTest, AFloodedSocketLeavesTheLoopToOthers) {
  const auto flooded = bind({.batch = 8, .receive_budget = 16});
  const auto client = connect(flooded->address(), {.gso = false});
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(client->socket->send("x"));
  client->socket->flush();
  iterate();
  EXPECT_EQ(flooded->received.size(), 16u);
  iterate();
  EXPECT_EQ(flooded->received.size(), 32u);
  ASSERT_TRUE(wait_received(*flooded, 100));
}

TEST_F(UdpReceiveTest, WhatTheKernelDropsIsCounted) {
  const auto server = bind({.kernel_receive_buffer = 4096});
  const auto client = connect(server->address(), {.gso = false});
  server->socket->pause();
  EXPECT_FALSE(server->socket->is_receiving());
  constexpr std::size_t kSent = 500;
  for (std::size_t i = 0; i < kSent; ++i) ASSERT_TRUE(client->socket->send(std::string(200, 'x')));
  settle();
  ASSERT_EQ(client->counters().datagrams_sent.load(), kSent);
  EXPECT_TRUE(server->received.empty());
  ASSERT_TRUE(server->socket->resume());
  settle();
  const std::size_t lost = kSent - server->received.size();
  ASSERT_GT(lost, 0u);
  EXPECT_LT(lost, kSent);
  // The next that arrives brings the news.
  ASSERT_TRUE(client->socket->send("after"));
  ASSERT_TRUE(wait([&] { return server->received.back() == "after"; }));
  EXPECT_EQ(server->counters().kernel_drops.load(), lost);
}

TEST_F(UdpReceiveTest, TheKernelCanBeAskedForItsDrops) {
  const auto server = bind({.kernel_receive_buffer = 4096});
  const auto client = connect(server->address(), {.gso = false});
  server->socket->pause();
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(client->socket->send(std::string(200, 'x')));
  settle();
  EXPECT_EQ(server->counters().kernel_drops.load(), 0u);
  server->socket->refresh_kernel_drops();
  const auto drops = server->counters().kernel_drops.load();
  EXPECT_GT(drops, 0u);
  // Datagrams from before know an older number, which must not count again.
  ASSERT_TRUE(server->socket->resume());
  settle();
  server->socket->refresh_kernel_drops();
  EXPECT_EQ(server->counters().kernel_drops.load(), drops);
  EXPECT_EQ(drops + server->received.size(), 500u);
  server->socket->pause();
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(client->socket->send(std::string(200, 'x')));
  settle();
  server->socket->refresh_kernel_drops();
  ASSERT_TRUE(server->socket->resume());
  settle();
  EXPECT_EQ(server->counters().kernel_drops.load() + server->received.size(), 1000u);
}

TEST_F(UdpReceiveTest, ClosingAsksForTheLastDrops) {
  const auto server = bind({.kernel_receive_buffer = 4096});
  const auto client = connect(server->address(), {.gso = false});
  server->socket->pause();
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(client->socket->send(std::string(200, 'x')));
  settle();
  server->socket->close();
  EXPECT_GT(server->counters().kernel_drops.load(), 0u);
}

TEST_F(UdpReceiveTest, SocketsOfDifferentLayoutsShareTheMemory) {
  const auto small = bind({.batch = 4, .max_datagram = 512});
  const auto large = bind({.gro = true});
  const auto client = bind({.gso = false});
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 10; ++i) {
      ASSERT_TRUE(client->socket->send("small", {.to = small->address()}));
      ASSERT_TRUE(client->socket->send("large", {.to = large->address()}));
    }
    const auto wanted = static_cast<std::size_t>(round + 1) * 10;
    ASSERT_TRUE(wait_received(*small, wanted));
    ASSERT_TRUE(wait_received(*large, wanted));
  }
  EXPECT_EQ(small->received, std::vector<std::string>(30, "small"));
  EXPECT_EQ(large->received, std::vector<std::string>(30, "large"));
  EXPECT_EQ(small->pieces.back().peer, client->address());
}

TEST_F(UdpReceiveTest, SocketsMayShareAnAddress) {
  const auto one = bind({.reuse_port = true});
  const auto two = bind(one->address(), {.reuse_port = true});
  std::vector<std::unique_ptr<Node>> clients;
  for (int i = 0; i < 64; ++i) {
    clients.push_back(connect(one->address()));
    ASSERT_TRUE(clients.back()->socket->send("x"));
  }
  ASSERT_TRUE(wait([&] { return one->received.size() + two->received.size() == 64; }));
  EXPECT_GT(one->received.size(), 0u);
  EXPECT_GT(two->received.size(), 0u);
}

class UdpOptionsTest : public UdpTest {
 protected:
  int refused(const UdpOptions& options) {
    const auto made = UdpSocket::bind(*loop, InetAddress::loopback(0), options);
    return made ? 0 : made.error().number();
  }
};

TEST_F(UdpOptionsTest, OutOfRangeIsRefused) {
  EXPECT_EQ(refused({.batch = 0}), EINVAL);
  EXPECT_EQ(refused({.batch = 1025}), EINVAL);
  EXPECT_EQ(refused({.receive_budget = 0}), EINVAL);
  EXPECT_EQ(refused({.max_datagram = 0}), EINVAL);
  EXPECT_EQ(refused({.max_datagram = 65536}), EINVAL);
  EXPECT_EQ(refused({.gro = true, .max_datagram = 1500}), EINVAL);
  EXPECT_EQ(refused({.batch = 1024, .receive_budget = 1, .max_datagram = 1}), 0);
}

TEST_F(UdpOptionsTest, ReachTheSocket) {
  const auto made = UdpSocket::bind(*loop, InetAddress::loopback(0, kIpv6),
                                    {.kernel_receive_buffer = 30'000,
                                     .kernel_send_buffer = 20'000,
                                     .gro = true,
                                     .path_mtu_discovery = PathMtuDiscovery::kProbe})
                        .value();
  EXPECT_EQ(int_option(made->fd(), SOL_SOCKET, SO_RCVBUF), 60'000);
  EXPECT_EQ(int_option(made->fd(), SOL_SOCKET, SO_SNDBUF), 40'000);
  EXPECT_EQ(int_option(made->fd(), SOL_UDP, UDP_GRO), 1);
  EXPECT_EQ(int_option(made->fd(), IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_PROBE);
  EXPECT_EQ(int_option(made->fd(), IPPROTO_IPV6, IPV6_MTU_DISCOVER), IPV6_PMTUDISC_PROBE);
  EXPECT_EQ(int_option(made->fd(), SOL_SOCKET, SO_BUSY_POLL),
            int_option(UniqueFd(::socket(AF_INET, SOCK_DGRAM, 0)).get(), SOL_SOCKET, SO_BUSY_POLL));
}

TEST_F(UdpOptionsTest, APortInUseSaysSo) {
  const auto first = bind();
  const auto second = UdpSocket::bind(*loop, first->address());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().number(), EADDRINUSE);
  EXPECT_NE(second.error().message().find(first->address().to_string()), std::string::npos);
}

TEST_F(UdpOptionsTest, OnlyIpAddresses) {
  const auto address = InetAddress::unix_abstract("leat-udp").value();
  EXPECT_EQ(UdpSocket::bind(*loop, address).error().number(), EAFNOSUPPORT);
  EXPECT_EQ(UdpSocket::connect(*loop, address).error().number(), EAFNOSUPPORT);
}

TEST_F(UdpOptionsTest, AClientMayChooseItsAddress) {
  const auto server = bind();
  const auto from = InetAddress::parse("127.0.0.7:0").value();
  const auto client = connect(server->address(), {.bind_to = from});
  ASSERT_TRUE(client->socket->send("x"));
  ASSERT_TRUE(wait_received(*server, 1));
  EXPECT_EQ(server->pieces[0].peer.host(), "127.0.0.7");
}

TEST_F(UdpOptionsTest, ThePathsMtuIsKnownToWhoIsConnected) {
  const auto server = bind();
  const auto client = connect(server->address());
  const auto mtu = client->socket->path_mtu();
  ASSERT_TRUE(mtu) << mtu.error().message();
  EXPECT_GE(*mtu, 1280u);
  const auto none = server->socket->path_mtu();
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().number(), ENOTCONN);
  const auto client6 = connect(InetAddress::loopback(9, kIpv6));
  EXPECT_TRUE(client6->socket->path_mtu());
}

}  // namespace
}  // namespace leat
