#include <cerrno>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "leat/net/udp_socket.h"

#include "support/failing_sendmmsg.h"
#include "support/udp_fixture.h"

namespace leat {
namespace {

using testing::FailingSendmmsg;
using testing::Node;
using testing::UdpTest;

class UdpLifetimeTest : public UdpTest {
 protected:
  static std::optional<int> never(std::span<const mmsghdr>) { return EAGAIN; }
};

TEST_F(UdpLifetimeTest, AClosedSocketRefusesEverything) {
  const auto node = bind();
  const auto to = node->address();
  node->socket->close();
  node->socket->close();
  EXPECT_FALSE(node->socket->is_open());
  EXPECT_FALSE(node->socket->is_receiving());
  EXPECT_EQ(node->socket->fd(), -1);
  EXPECT_EQ(node->socket->send("x", {.to = to}).error().number(), EPIPE);
  EXPECT_EQ(node->socket->start().error().number(), EPIPE);
  EXPECT_EQ(node->socket->resume().error().number(), EPIPE);
  EXPECT_EQ(node->socket->address().error().number(), EPIPE);
  EXPECT_EQ(node->socket->path_mtu().error().number(), EPIPE);
  node->socket->pause();
  node->socket->flush();
  node->socket->refresh_kernel_drops();
  EXPECT_EQ(node->socket->queued(), 0u);
  settle();
  EXPECT_EQ(node->socket->send("x", {.to = to}).error().number(), EPIPE);
  EXPECT_TRUE(bind(to)->socket->is_open()) << "the port is free again";
}

TEST_F(UdpLifetimeTest, ClosingSendsWhatWasQueued) {
  const auto server = bind();
  {
    const auto client = connect(server->address());
    ASSERT_TRUE(client->socket->send("the last words"));
    EXPECT_EQ(client->counters().datagrams_sent.load(), 0u);
  }
  ASSERT_TRUE(wait_received(*server, 1));
  EXPECT_EQ(server->received[0], "the last words");
}

TEST_F(UdpLifetimeTest, WhatIsLostAtTheEndIsCounted) {
  const auto server = bind();
  const auto client = connect(server->address());
  const FailingSendmmsg failing(never);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(client->socket->send("x"));
  settle();
  client->socket->close();
  EXPECT_EQ(client->counters().send_dropped.load(), 10u);
  EXPECT_EQ(client->counters().datagrams_sent.load(), 0u);
  settle();
  EXPECT_TRUE(client->reports.empty());
}

TEST_F(UdpLifetimeTest, ClosingGetsByWhatTheKernelRefuses) {
  const auto server = bind();
  const auto client = bind();
  const auto broadcast = InetAddress::parse("255.255.255.255:9").value();
  ASSERT_TRUE(client->socket->send("refused", {.to = broadcast}));
  ASSERT_TRUE(client->socket->send("good", {.to = server->address()}));
  client->socket->close();
  EXPECT_EQ(client->counters().send_failed.load(), 1u);
  EXPECT_EQ(client->counters().datagrams_sent.load(), 1u);
  EXPECT_TRUE(client->reports.empty());
  ASSERT_TRUE(wait_received(*server, 1));
}

TEST_F(UdpLifetimeTest, ASocketMayEndInEachOfItsCallbacks) {
  for (const bool destroy : {false, true}) {
    SCOPED_TRACE(destroy ? "destroyed" : "closed");
    const auto end = [destroy](Node& node) {
      if (destroy) {
        node.socket.reset();
      } else {
        node.socket->close();
      }
    };
    // on_datagrams, with more waiting in the kernel.
    auto node = bind({.batch = 2});
    const auto sender = connect(node->address(), {.gso = false});
    node->then = [&](auto datagrams) {
      const std::string before(datagrams.front().payload);
      end(*node);
      EXPECT_EQ(datagrams.front().payload, before) << "views are good until the callback returns";
    };
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(sender->socket->send("x"));
    ASSERT_TRUE(wait_received(*node, 2));
    settle();
    EXPECT_EQ(node->received.size(), 2u);

    // on_error, of a report and of a refused datagram with others behind it.
    auto refused = connect(testing::free_udp_address());
    refused->when_error = [&](const UdpError& error) {
      end(*refused);
      EXPECT_EQ(error.error.number(), ECONNREFUSED);
    };
    ASSERT_TRUE(refused->socket->send("x"));
    ASSERT_TRUE(wait([&] { return !refused->reports.empty(); }));
    auto broken = bind();
    broken->when_error = [&](const UdpError& error) {
      end(*broken);
      EXPECT_EQ(error.error.number(), EACCES);
    };
    const auto broadcast = InetAddress::parse("255.255.255.255:9").value();
    for (int i = 0; i < 5; ++i)
      ASSERT_TRUE(broken->socket->send(std::to_string(10 << i), {.to = broadcast}));
    ASSERT_TRUE(wait([&] { return !broken->reports.empty(); }));
    EXPECT_EQ(broken->reports.size(), 1u);

    // on_writable.
    auto full = connect(sender->address(), {.max_queued = 1000});
    full->when_writable = [&] { end(*full); };
    while (full->socket->send(std::string(100, 'x'))) {
    }
    ASSERT_TRUE(wait([&] { return full->writable > 0; }));
    settle();
    EXPECT_EQ(full->writable, 1);
  }
}

TEST_F(UdpLifetimeTest, ASocketMayEndAnother) {
  auto victim = bind();
  const auto killer = bind();
  killer->then = [&](auto) { victim.reset(); };
  const auto sender = bind();
  // Both are ready in the same iteration, whichever comes first.
  ASSERT_TRUE(sender->socket->send("x", {.to = killer->address()}));
  ASSERT_TRUE(sender->socket->send("x", {.to = victim->address()}));
  ASSERT_TRUE(sender->socket->send("x", {.to = victim->address()}));
  ASSERT_TRUE(wait_received(*killer, 1));
  settle();
  EXPECT_FALSE(victim);
}

TEST_F(UdpLifetimeTest, TheLoopsEndClosesIt) {
  const auto server = bind();
  const auto client = connect(server->address());
  ASSERT_TRUE(client->socket->send("x"));
  const auto closed = bind();
  closed->socket->close();
  loop.reset();
  EXPECT_FALSE(server->socket->is_open());
  EXPECT_FALSE(client->socket->is_open());
  EXPECT_EQ(client->counters().datagrams_sent.load(), 1u);
}

TEST_F(UdpLifetimeTest, WhatTheCallbacksKeepIsFreedAfterTheIteration) {
  const auto kept = std::make_shared<int>(1);
  auto socket = UdpSocket::bind(*loop, InetAddress::loopback(0)).value();
  socket->on_datagrams([kept](auto) {});
  EXPECT_EQ(kept.use_count(), 2);
  socket.reset();
  iterate();
  EXPECT_EQ(kept.use_count(), 1);
}

TEST_F(UdpLifetimeTest, AnExceptionLosesNothingThatWaits) {
  const auto server = bind();
  const auto client = connect(server->address());
  const auto step = [&] {
    try {
      settle();
      return false;
    } catch (const std::runtime_error&) {
      return true;
    }
  };
  server->then = [&](auto) {
    server->then = nullptr;
    server->socket->send("answer", {.to = client->address()}).value();
    throw std::runtime_error("on_datagrams");
  };
  ASSERT_TRUE(client->socket->send("x"));
  EXPECT_TRUE(step());
  EXPECT_FALSE(step());
  EXPECT_EQ(client->received, (std::vector<std::string>{"answer"}));

  // A refused datagram whose report throws, with a good one behind it.
  const auto broadcast = InetAddress::parse("255.255.255.255:9").value();
  const auto sender = bind();
  sender->when_error = [](const UdpError&) { throw std::runtime_error("on_error"); };
  ASSERT_TRUE(sender->socket->send("bad", {.to = broadcast}));
  ASSERT_TRUE(sender->socket->send("good", {.to = server->address()}));
  EXPECT_TRUE(step());
  EXPECT_FALSE(step());
  EXPECT_EQ(server->received.back(), "good");
}

TEST_F(UdpLifetimeTest, PausedItReceivesNothingAndSendsStill) {
  const auto one = bind();
  const auto two = bind();
  one->socket->pause();
  ASSERT_TRUE(two->socket->send("x", {.to = one->address()}));
  ASSERT_TRUE(one->socket->send("y", {.to = two->address()}));
  ASSERT_TRUE(wait_received(*two, 1));
  EXPECT_TRUE(one->received.empty());
  ASSERT_TRUE(one->socket->resume());
  ASSERT_TRUE(wait_received(*one, 1));
}

}  // namespace
}  // namespace leat
