// What loopback as it is cannot show: an MTU of 1500, and a socket that the kernel really blocks.
#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "leat/net/udp_socket.h"

#include "support/own_network.h"
#include "support/udp_fixture.h"

namespace leat {
namespace {

using testing::in_own_network;
using testing::joined;
using testing::Node;
using testing::numbered;
using testing::run_until;
using testing::UdpTest;

/// The fixture's loop belongs to the test's thread: here is one for the thread in the namespace.
class UdpNamespaceTest : public UdpTest {
 protected:
  void with_own_loop(const std::function<void()>& work) {
    const bool allowed = in_own_network([&] {
      std::unique_ptr<EventLoop> outer =
          std::exchange(loop, EventLoop::create({.poller = testing::poller_kind()}).value());
      work();
      loop = std::move(outer);
    });
    if (!allowed) GTEST_SKIP() << "network namespaces cannot be made here";
  }
};

TEST_F(UdpNamespaceTest, SegmentsAboveTheMtuAreCutByLeat) {
  with_own_loop([&] {
    ASSERT_TRUE(testing::set_up("lo", 1500));
    const auto server = bind({.gro = true});
    const auto client = connect(server->address());
    EXPECT_EQ(client->socket->path_mtu().value(), 1500u);
    // 2000 bytes do not fit into a packet: each datagram travels in two fragments.
    const auto sent = numbered(10, 2000);
    ASSERT_TRUE(client->socket->send(joined(sent), {.segment_size = 2000}));
    ASSERT_TRUE(wait_received(*server, 10));
    EXPECT_EQ(server->received, sent);
    EXPECT_EQ(client->counters().gso_refused.load(), 1u);
    EXPECT_EQ(client->counters().gso_sent.load(), 0u);
    EXPECT_EQ(client->counters().send_failed.load(), 0u);
    EXPECT_TRUE(client->reports.empty());
    // Those that fit are still joined.
    const auto small = numbered(10, 1472);
    for (const auto& one : small) ASSERT_TRUE(client->socket->send(one));
    ASSERT_TRUE(wait_received(*server, 20));
    EXPECT_EQ(client->counters().gso_sent.load(), 1u);
  });
}

TEST_F(UdpNamespaceTest, WithoutFragmentsTheMtuIsTold) {
  with_own_loop([&] {
    ASSERT_TRUE(testing::set_up("lo", 1500));
    for (const bool queue : {false, true}) {
      const auto server = bind();
      const auto client =
          bind({.error_queue = queue, .path_mtu_discovery = PathMtuDiscovery::kAlways});
      const auto to = server->address();
      ASSERT_TRUE(client->socket->send(std::string(2000, 'x'), {.to = to}));
      ASSERT_TRUE(client->socket->send(std::string(1472, 'y'), {.to = to}));
      ASSERT_TRUE(wait_received(*server, 1));
      settle();
      EXPECT_EQ(server->received, (std::vector<std::string>{std::string(1472, 'y')}));
      EXPECT_EQ(client->counters().send_failed.load(), 1u);
      ASSERT_GE(client->reports.size(), 1u);
      EXPECT_EQ(client->reports[0].origin, UdpError::Origin::kSend);
      EXPECT_EQ(client->reports[0].number, EMSGSIZE);
      EXPECT_EQ(client->reports[0].peer, to);
      if (!queue) continue;
      ASSERT_GE(client->reports.size(), 2u);
      EXPECT_EQ(client->reports[1].origin, UdpError::Origin::kLocal);
      EXPECT_EQ(client->reports[1].number, EMSGSIZE);
      EXPECT_EQ(client->reports[1].peer.host(), to.host());
      EXPECT_EQ(client->reports[1].mtu, 1500u);
    }
  });
}

TEST_F(UdpNamespaceTest, ABlockedSocketWaitsForRoom) {
  with_own_loop([&] {
    const testing::SilentEthernet ethernet;
    if (!ethernet.ready()) GTEST_SKIP() << "no /dev/net/tun";
    const auto client = connect(InetAddress::parse("192.0.2.2:9").value(),
                                {.kernel_send_buffer = 4096, .gso = false, .max_queued = 100'000});
    std::size_t accepted = 0;
    while (client->socket->send(std::string(1000, 'x'))) ++accepted;
    settle();
    EXPECT_EQ(client->counters().send_blocked.load(), 1u);
    EXPECT_GT(client->counters().datagrams_sent.load(), 0u);
    EXPECT_LT(client->counters().datagrams_sent.load(), accepted);
    EXPECT_EQ(client->writable, 0);
    // Nothing to do is nothing done.
    const auto iterations = client->counters().send_calls.load();
    settle();
    EXPECT_EQ(client->counters().send_calls.load(), iterations);

    ASSERT_TRUE(ethernet.answer());
    EXPECT_TRUE(wait([&] { return client->counters().datagrams_sent.load() == accepted; }));
    EXPECT_EQ(client->writable, 1);
    EXPECT_EQ(client->counters().send_failed.load(), 0u);
  });
}

}  // namespace
}  // namespace leat
