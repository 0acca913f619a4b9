#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "leat/net/udp_socket.h"

#include "support/udp_fixture.h"

namespace leat {
namespace {

using testing::free_udp_address;
using testing::UdpTest;
using Origin = UdpError::Origin;

class UdpErrorTest : public UdpTest {
 protected:
  /// No event is left that would be reported for ever.
  void expect_quiet() {
    settle();
    const auto before = loop->counters().events.load();
    settle();
    EXPECT_EQ(loop->counters().events.load(), before);
  }
};

TEST_F(UdpErrorTest, AConnectedSocketLearnsThatNobodyIsThere) {
  const InetAddress nobody = free_udp_address();
  const auto client = connect(nobody);
  ASSERT_TRUE(client->socket->send("hello?"));
  ASSERT_TRUE(wait([&] { return !client->reports.empty(); }));
  expect_quiet();
  ASSERT_EQ(client->reports.size(), 1u);
  EXPECT_EQ(client->reports[0].origin, Origin::kIcmp);
  EXPECT_EQ(client->reports[0].number, ECONNREFUSED);
  EXPECT_EQ(client->reports[0].peer, nobody);
  EXPECT_EQ(client->counters().errors_reported.load(), 1u);
  EXPECT_EQ(client->counters().send_failed.load(), 0u);
}

TEST_F(UdpErrorTest, TheErrorQueueTellsWhichPeerAndWho) {
  const InetAddress first = free_udp_address();
  const auto server = bind();
  const auto client = bind({.error_queue = true});
  ASSERT_TRUE(client->socket->send("to nobody", {.to = first}));
  ASSERT_TRUE(client->socket->send("to somebody", {.to = server->address()}));
  ASSERT_TRUE(wait([&] { return !client->reports.empty() && !server->received.empty(); }));
  expect_quiet();
  ASSERT_EQ(client->reports.size(), 1u);
  const auto& report = client->reports[0];
  EXPECT_EQ(report.origin, Origin::kIcmp);
  EXPECT_EQ(report.number, ECONNREFUSED);
  EXPECT_EQ(report.peer, first);
  EXPECT_EQ(report.offender, InetAddress::loopback(0));
  EXPECT_EQ(report.type, ICMP_DEST_UNREACH);
  EXPECT_EQ(report.code, ICMP_PORT_UNREACH);
  EXPECT_EQ(report.payload, "to nobody");
  EXPECT_EQ(report.mtu, 0u);
  EXPECT_NE(report.message.find(first.to_string()), std::string::npos) << report.message;
}

TEST_F(UdpErrorTest, OverIpv6) {
  const InetAddress nobody = free_udp_address(kIpv6);
  const auto client = bind(InetAddress::any(0, kIpv6), {.error_queue = true});
  ASSERT_TRUE(client->socket->send("six", {.to = nobody}));
  ASSERT_TRUE(wait([&] { return !client->reports.empty(); }));
  EXPECT_EQ(client->reports[0].number, ECONNREFUSED);
  EXPECT_EQ(client->reports[0].peer, nobody);
  EXPECT_EQ(client->reports[0].offender, InetAddress::loopback(0, kIpv6));
  EXPECT_EQ(client->reports[0].type, ICMP6_DST_UNREACH);
  EXPECT_EQ(client->reports[0].code, ICMP6_DST_UNREACH_NOPORT);
  EXPECT_EQ(client->reports[0].payload, "six");
}

TEST_F(UdpErrorTest, OverIpv4FromAnIpv6Socket) {
  const InetAddress nobody = free_udp_address();
  const auto client = bind(InetAddress::any(0, kIpv6), {.error_queue = true});
  ASSERT_TRUE(client->socket->send("four", {.to = nobody}));
  ASSERT_TRUE(wait([&] { return !client->reports.empty(); }));
  EXPECT_EQ(client->reports[0].number, ECONNREFUSED);
  EXPECT_EQ(client->reports[0].peer.unmapped(), nobody);
  EXPECT_EQ(client->reports[0].offender.unmapped(), InetAddress::loopback(0));
}

TEST_F(UdpErrorTest, AnUnconnectedSocketWithoutTheQueueLearnsNothing) {
  const auto client = bind();
  ASSERT_TRUE(client->socket->send("x", {.to = free_udp_address()}));
  expect_quiet();
  EXPECT_TRUE(client->reports.empty());
}

TEST_F(UdpErrorTest, ManyReportsAreTakenInTurn) {
  const InetAddress nobody = free_udp_address();
  const auto client = bind({.gso = false, .error_queue = true});
  // The kernel limits ICMP answers by a rate; on loopback it does not.
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(client->socket->send("x", {.to = nobody}));
  ASSERT_TRUE(wait([&] { return client->reports.size() == 100; }));
  expect_quiet();
  // What was sent earlier must not make later datagrams fail.
  EXPECT_EQ(client->counters().datagrams_sent.load(), 100u);
  EXPECT_EQ(client->counters().send_failed.load(), 0u);
}

TEST_F(UdpErrorTest, WithoutACallbackItDoesNotSpin) {
  for (const bool queue : {false, true}) {
    const auto client = connect(free_udp_address(), {.error_queue = queue});
    client->socket->on_error(nullptr);
    ASSERT_TRUE(client->socket->send("x"));
    ASSERT_TRUE(wait([&] { return client->counters().errors_reported.load() == 1; }));
    expect_quiet();
    EXPECT_EQ(client->counters().errors_reported.load(), 1u);
  }
}

/// The kernel makes the next send() fail for what happened to an earlier one. That datagram must
/// go out all the same.
TEST_F(UdpErrorTest, AnOldErrorDoesNotCostANewDatagram) {
  for (const bool queue : {false, true}) {
    const auto client = connect(free_udp_address(), {.error_queue = queue});
    ASSERT_TRUE(client->socket->send("first"));
    client->socket->flush();
    ASSERT_TRUE(client->socket->send("second"));
    client->socket->flush();
    EXPECT_EQ(client->counters().datagrams_sent.load(), 1u) << "the error had not come yet";
    settle();
    EXPECT_EQ(client->counters().datagrams_sent.load(), 2u);
    EXPECT_EQ(client->counters().send_failed.load(), 0u);
    ASSERT_EQ(client->reports.size(), 2u);
    EXPECT_EQ(client->reports[0].origin, Origin::kIcmp);
    EXPECT_EQ(client->reports[1].origin, Origin::kIcmp);
  }
}

TEST_F(UdpErrorTest, NorAtTheEndOfAnIteration) {
  for (const bool queue : {false, true}) {
    const auto client = connect(free_udp_address(), {.error_queue = queue});
    loop->queue_in_loop([&] {
      ASSERT_TRUE(client->socket->send("first"));
      client->socket->flush();
      // Its error is there when this one is written.
      ASSERT_TRUE(client->socket->send("second"));
    });
    settle();
    EXPECT_EQ(client->counters().datagrams_sent.load(), 2u);
    EXPECT_EQ(client->counters().send_failed.load(), 0u);
    ASSERT_EQ(client->reports.size(), 2u);
    EXPECT_EQ(client->reports[0].origin, Origin::kIcmp);
    EXPECT_EQ(client->reports[0].number, ECONNREFUSED);
    EXPECT_EQ(client->reports[1].origin, Origin::kIcmp);
  }
}

TEST_F(UdpErrorTest, WhatTheKernelRefusesIsToldAndTheRestGoesOn) {
  const auto server = bind();
  for (const bool queue : {false, true}) {
    server->received.clear();
    const auto client = bind({.error_queue = queue});
    // Without SO_BROADCAST that is EACCES.
    const auto broadcast = InetAddress::parse("255.255.255.255:9").value();
    ASSERT_TRUE(client->socket->send("before", {.to = server->address()}));
    ASSERT_TRUE(client->socket->send("refused", {.to = broadcast}));
    ASSERT_TRUE(client->socket->send("refused", {.to = broadcast}));
    ASSERT_TRUE(client->socket->send("after", {.to = server->address()}));
    EXPECT_TRUE(client->reports.empty());
    ASSERT_TRUE(wait_received(*server, 2));
    EXPECT_EQ(server->received, (std::vector<std::string>{"before", "after"}));
    // The two had been joined.
    ASSERT_EQ(client->reports.size(), 1u);
    EXPECT_EQ(client->reports[0].origin, Origin::kSend);
    EXPECT_EQ(client->reports[0].number, EACCES);
    EXPECT_EQ(client->reports[0].peer, broadcast);
    EXPECT_EQ(client->counters().send_failed.load(), 2u);
    EXPECT_EQ(client->counters().datagrams_sent.load(), 2u);
  }
}

/// Of UDP over IPv6 the largest datagrams do not fit into one packet of loopback.
TEST_F(UdpErrorTest, WhatThePathDoesNotTakeIsToldWithItsMtu) {
  const auto server = bind(InetAddress::loopback(0, kIpv6));
  for (const bool queue : {false, true}) {
    server->received.clear();
    const auto client = connect(
        server->address(), {.error_queue = queue, .path_mtu_discovery = PathMtuDiscovery::kAlways});
    const std::size_t mtu = client->socket->path_mtu().value();
    if (mtu >= UdpSocket::kMaxPayloadIpv6 + 48) GTEST_SKIP() << "loopback takes all";
    ASSERT_TRUE(client->socket->send(std::string(mtu - 47, 'x')));
    ASSERT_TRUE(client->socket->send(std::string(mtu - 48, 'y')));
    ASSERT_TRUE(wait_received(*server, 1));
    EXPECT_EQ(server->received[0], std::string(mtu - 48, 'y'));
    settle();
    EXPECT_EQ(client->counters().send_failed.load(), 1u);
    ASSERT_GE(client->reports.size(), 1u);
    EXPECT_EQ(client->reports[0].number, EMSGSIZE);
    EXPECT_EQ(client->reports[0].peer, server->address());
    EXPECT_EQ(client->reports[0].origin, Origin::kSend);
    if (!queue) continue;
    ASSERT_GE(client->reports.size(), 2u);
    EXPECT_EQ(client->reports[1].origin, Origin::kLocal);
    EXPECT_EQ(client->reports[1].peer, server->address());
    EXPECT_EQ(client->reports[1].mtu, mtu);
  }
}

}  // namespace
}  // namespace leat
