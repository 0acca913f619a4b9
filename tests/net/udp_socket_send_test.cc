#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "leat/base/random.h"
#include "leat/net/udp_socket.h"

#include "support/failing_sendmmsg.h"
#include "support/udp_fixture.h"

namespace leat {
namespace {

using testing::FailingSendmmsg;
using testing::joined;
using testing::numbered;
using testing::UdpTest;

class UdpSendTest : public UdpTest {};

TEST_F(UdpSendTest, NoDestinationNoDatagram) {
  const auto client = bind();
  const auto sent = client->socket->send("x");
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().number(), EDESTADDRREQ);
}

TEST_F(UdpSendTest, AConnectedSocketMaySendToOthersToo) {
  const auto one = bind();
  const auto other = bind();
  const auto client = connect(one->address());
  ASSERT_TRUE(client->socket->send("a", {.to = other->address()}));
  ASSERT_TRUE(client->socket->send("b"));
  ASSERT_TRUE(wait_received(*one, 1));
  ASSERT_TRUE(wait_received(*other, 1));
  EXPECT_EQ(one->received[0], "b");
  EXPECT_EQ(other->received[0], "a");
}

TEST_F(UdpSendTest, AFullBatchDoesNotWaitForTheIterationsEnd) {
  const auto server = bind();
  const auto client = connect(server->address(), {.gso = false});
  for (int i = 0; i < 63; ++i) ASSERT_TRUE(client->socket->send(std::to_string(i)));
  EXPECT_EQ(client->counters().send_calls.load(), 1u - 1u);
  // Without GSO nothing is joined, so each is a message of its own.
  ASSERT_TRUE(client->socket->send("63"));
  EXPECT_EQ(client->counters().send_calls.load(), 1u);
  EXPECT_EQ(client->counters().datagrams_sent.load(), 64u);
  EXPECT_EQ(client->socket->queued(), 0u);
}

TEST_F(UdpSendTest, FlushDoesNotWaitEither) {
  const auto server = bind();
  const auto client = connect(server->address());
  ASSERT_TRUE(client->socket->send("x"));
  EXPECT_GT(client->socket->queued(), 0u);
  client->socket->flush();
  EXPECT_EQ(client->socket->queued(), 0u);
  EXPECT_EQ(client->counters().datagrams_sent.load(), 1u);
}

TEST_F(UdpSendTest, TheQueueIsBoundedAndTellsOfRoom) {
  const auto server = bind();
  const auto client = connect(server->address(), {.max_queued = 20'000, .low_water_mark = 5'000});
  bool blocked = true;
  const FailingSendmmsg failing(
      [&](auto) { return blocked ? std::optional<int>(EAGAIN) : std::nullopt; });
  std::size_t accepted = 0;
  for (;;) {
    const auto sent = client->socket->send(std::string(1000, 'x'));
    if (!sent) {
      EXPECT_EQ(sent.error().number(), ENOBUFS);
      break;
    }
    ASSERT_LT(++accepted, 20u);
  }
  EXPECT_GE(accepted, 15u);
  EXPECT_EQ(client->counters().send_rejected.load(), 1u);
  // An empty datagram is not free either.
  std::size_t empty = 0;
  while (client->socket->send("", {.segment_size = 0}) && empty < 1000) ++empty;
  EXPECT_LT(empty, 100u);
  settle();
  EXPECT_GT(client->counters().send_blocked.load(), 0u);
  EXPECT_EQ(client->counters().datagrams_sent.load(), 0u);
  EXPECT_EQ(client->writable, 0);
  blocked = false;
  ASSERT_TRUE(wait_received(*server, accepted + empty));
  EXPECT_EQ(client->writable, 1);
  EXPECT_EQ(client->socket->queued(), 0u);
  EXPECT_TRUE(client->socket->send("again"));
  ASSERT_TRUE(wait([&] { return server->received.back() == "again"; }));
  EXPECT_EQ(client->writable, 1);
}

TEST_F(UdpSendTest, ABlockedSocketGoesOnWhereItWas) {
  const auto server = bind({.gro = true});
  const auto client = connect(server->address(), {.max_queued = 4'000'000});
  Random random(7);
  const auto below = [&](std::size_t bound) { return static_cast<std::size_t>(random() % bound); };
  // Part of the calls is blocked, and none takes all.
  const FailingSendmmsg failing(
      [&](auto) { return below(2) == 0 ? std::optional<int>(EAGAIN) : std::nullopt; });
  std::vector<std::string> sent;
  for (std::size_t i = 0; i < 1000; ++i) {
    sent.push_back(std::to_string(i) + std::string(below(300), '.'));
    ASSERT_TRUE(client->socket->send(sent.back()));
    if (i % 50 == 0) iterate();
  }
  ASSERT_TRUE(wait_received(*server, sent.size()));
  EXPECT_EQ(server->received, sent);
  EXPECT_GT(client->counters().send_blocked.load(), 0u);
}

TEST_F(UdpSendTest, WaitingForRoomDoesNotKeepTheLoopBusy) {
  const auto server = bind();
  const auto client = connect(server->address(), {.gso = false});
  int calls = 0;
  const FailingSendmmsg failing([&](auto) {
    ++calls;
    return std::optional<int>(EAGAIN);
  });
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(client->socket->send("x"));
  // One early attempt, then it is left to the end of the iteration.
  EXPECT_EQ(calls, 1);
}

/// Without checksums the kernel does not cut (udp_send_skb in net/ipv4/udp.c).
TEST_F(UdpSendTest, WhatTheKernelDoesNotCutLeatCuts) {
  const auto server = bind({.gro = true});
  const auto client = connect(server->address());
  const int on = 1;
  ASSERT_EQ(::setsockopt(client->socket->fd(), SOL_SOCKET, SO_NO_CHECK, &on, sizeof on), 0);
  auto sent = numbered(20, 900);
  sent.push_back("end");
  ASSERT_TRUE(client->socket->send(joined(sent), {.segment_size = 900}));
  for (const auto& one : sent) ASSERT_TRUE(client->socket->send(one));
  ASSERT_TRUE(wait_received(*server, 2 * sent.size()));
  EXPECT_EQ(std::vector<std::string>(server->received.begin(), server->received.begin() + 21),
            sent);
  EXPECT_EQ(std::vector<std::string>(server->received.begin() + 21, server->received.end()), sent);
  EXPECT_EQ(client->counters().gso_sent.load(), 0u);
  EXPECT_EQ(client->counters().gso_refused.load(), 2u);
  EXPECT_EQ(client->counters().datagrams_sent.load(), 2 * sent.size());
  EXPECT_EQ(client->counters().send_failed.load(), 0u);
  EXPECT_TRUE(client->reports.empty());
  // Nothing of that size is joined any more, so nothing is refused any more.
  for (const auto& one : sent) ASSERT_TRUE(client->socket->send(one));
  ASSERT_TRUE(wait_received(*server, 3 * sent.size()));
  EXPECT_EQ(client->counters().gso_refused.load(), 2u);
}

TEST_F(UdpSendTest, ADeviceThatCannotCutIsAskedOnce) {
  const auto server = bind();
  const auto client = connect(server->address());
  const FailingSendmmsg failing([](std::span<const mmsghdr> messages) {
    return FailingSendmmsg::is_cut(messages[0]) ? std::optional<int>(EIO) : std::nullopt;
  });
  const auto sent = numbered(10, 100);
  for (int round = 1; round <= 3; ++round) {
    ASSERT_TRUE(client->socket->send(joined(sent), {.segment_size = 100}));
    ASSERT_TRUE(wait_received(*server, 10u * static_cast<std::size_t>(round)));
  }
  EXPECT_EQ(client->counters().gso_refused.load(), 1u);
  // The refusal, and three times ten datagrams in a call.
  EXPECT_EQ(client->counters().send_calls.load(), 4u);
}

TEST_F(UdpSendTest, WhatAFullDeviceDropsIsCountedAndTold) {
  const auto server = bind();
  const auto client = connect(server->address(), {.gso = false});
  int left = 3;
  const FailingSendmmsg failing(
      [&](auto) { return left-- > 0 ? std::optional<int>(ENOBUFS) : std::nullopt; });
  for (const auto& one : numbered(5, 1)) ASSERT_TRUE(client->socket->send(one));
  ASSERT_TRUE(wait_received(*server, 2));
  EXPECT_EQ(client->counters().send_failed.load(), 3u);
  ASSERT_EQ(client->reports.size(), 3u);
  EXPECT_EQ(client->reports[0].number, ENOBUFS);
  EXPECT_EQ(client->reports[0].peer, server->address());
}

TEST_F(UdpSendTest, AnErrorCallbackThatSendsDoesNotHoldTheLoop) {
  const auto client = connect(testing::free_udp_address());
  const FailingSendmmsg failing([](auto) { return std::optional<int>(ENOBUFS); });
  client->when_error = [&](const UdpError&) { client->socket->send("again").value(); };
  ASSERT_TRUE(client->socket->send("x"));
  iterate();
  EXPECT_EQ(client->reports.size(), 1u);
  iterate();
  EXPECT_EQ(client->reports.size(), 2u);
}

/// Whatever is joined on the way, each peer gets the datagrams that were sent to it, in order.
TEST_F(UdpSendTest, RandomDatagramsArriveAsTheyWereSent) {
  for (const bool gso : {false, true}) {
    for (const bool gro : {false, true}) {
      SCOPED_TRACE(std::string(gso ? "gso" : "") + (gro ? " gro" : ""));
      const UdpOptions receiving{.kernel_receive_buffer = 4'000'000, .gro = gro};
      const std::unique_ptr<testing::Node> servers[] = {bind(receiving), bind(receiving)};
      const auto client = bind({.gso = gso});
      Random random(11);
      const auto below = [&](std::size_t bound) {
        return static_cast<std::size_t>(random() % bound);
      };
      std::map<std::size_t, std::vector<std::string>> sent;
      for (int i = 0; i < 600; ++i) {
        const std::size_t to = below(4) == 0 ? 1 : 0;
        const std::size_t size = below(3) == 0 ? below(1500) : 700;
        const auto cut = static_cast<std::uint16_t>(below(4) == 0 ? 250 : 0);
        const std::string payload(size, static_cast<char>('a' + i % 26));
        ASSERT_TRUE(
            client->socket->send(payload, {.to = servers[to]->address(), .segment_size = cut}));
        for (const auto one : DatagramSegments(payload, cut)) sent[to].emplace_back(one);
        if (below(40) == 0) iterate();
      }
      for (const std::size_t to : {0u, 1u}) {
        ASSERT_TRUE(wait_received(*servers[to], sent[to].size()));
        EXPECT_EQ(servers[to]->received, sent[to]);
      }
      EXPECT_EQ(client->counters().gso_sent.load() > 0, gso);
    }
  }
}

}  // namespace
}  // namespace leat
