// The hand-over of listeners between two servers.
#include "leat/net/takeover.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "leat/net/internal/takeover_message.h"
#include "leat/net/takeover_server.h"
#include "leat/net/udp_socket.h"

#include "support/raw_client.h"
#include "support/raw_sockets.h"
#include "support/takeover_fixture.h"

namespace leat {
namespace {

using internal::TakeoverMessage;
using testing::echoes;
using testing::kLimit;
using testing::NewServer;
using testing::OldServer;
using testing::plain_peer;
using testing::RawClient;
using testing::run_on;
using testing::takeover_name;
using testing::wait_until;

TEST(Takeover, TheOldOneDrainsWhenTheNewOneServes) {
  OldServer old;
  const InetAddress address = old.address();
  RawClient early(address);
  ASSERT_TRUE(early.send("a") && early.read(1) == "a");
  NewServer successor(Takeover::request(old.path(), kLimit).value(), address);
  EXPECT_FALSE(old.handed_over);
  EXPECT_EQ(successor.ready(), 0);
  EXPECT_TRUE(old.handed_over);
  EXPECT_TRUE(early.sees_end());
  early.close();
  ASSERT_TRUE(wait_until([&] { return old.stopped.load(); }));
  const std::uint64_t before = successor.fixture().total(&NetCounters::accepted);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(echoes(address));
  EXPECT_EQ(successor.fixture().total(&NetCounters::accepted), before + 20);
}

TEST(Takeover, TheNewOneMayHaveMoreOrFewerLoops) {
  for (const std::size_t loops : {std::size_t{1}, std::size_t{5}}) {
    OldServer old({.loops = 3});
    const InetAddress address = old.address();
    NewServer successor(Takeover::request(old.path(), kLimit).value(), address, {.loops = loops});
    ASSERT_EQ(successor.ready(), 0);
    ASSERT_TRUE(wait_until([&] { return old.stopped.load(); }));
    old.end();
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(echoes(address)) << loops << " loops";
  }
}

TEST(Takeover, BringsItsSocketAlongSoThatThePathNeverIsWithoutListener) {
  const std::string path = "/tmp/leat-takeover-" + std::to_string(::getpid());
  const InetAddress address = InetAddress::unix_path(path).value();
  const auto loop = EventLoop::create({.poller = PollerKind::kDefault}).value();
  auto first = TakeoverServer::listen(*loop, address).value();
  struct stat status;
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0600u);
  first->on_request([] { return ListenerSet(); });
  bool handed_over = false;
  first->on_handed_over([&] { handed_over = true; });
  first->start().value();
  // request() waits, so it cannot be called on the loop that has to answer.
  std::optional<Result<Takeover>> asked;
  std::thread asking([&] { asked.emplace(Takeover::request(address, kLimit)); });
  ASSERT_TRUE(testing::run_until(*loop, [&] { return first->is_offered(); }));
  asking.join();
  Takeover takeover = std::move(*asked).value();
  TakeoverServer second(*loop, takeover.take_path_listener());
  bool done = false;
  takeover.ready(*loop, kLimit, [&](const Result<void>& result) { done = result.has_value(); });
  ASSERT_TRUE(testing::run_until(*loop, [&] { return done; }));
  EXPECT_TRUE(handed_over);
  first.reset();
  EXPECT_TRUE(std::filesystem::exists(path));
  EXPECT_TRUE(plain_peer(address));
}

TEST(Takeover, UnixListenersKeepTheirPath) {
  const std::string path = "/tmp/leat-takeover-unix-" + std::to_string(::getpid());
  const InetAddress address = InetAddress::unix_path(path).value();
  {
    OldServer old;
    run_on(old.base(), [&] { old.server().listen(address).value(); });
    {
      // One that fails before it is ready leaves the path to the old one.
      NewServer failing(Takeover::request(old.path(), kLimit).value(), address);
    }
    EXPECT_TRUE(echoes(address));
    ASSERT_TRUE(wait_until([&] { return old.failures == 1; }));
    NewServer successor(Takeover::request(old.path(), kLimit).value(), address);
    ASSERT_EQ(successor.ready(), 0);
    ASSERT_TRUE(wait_until([&] { return old.stopped.load(); }));
    old.end();
    EXPECT_TRUE(echoes(address));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Takeover, UdpSocketsToo) {
  const InetAddress path = takeover_name();
  const auto loop = EventLoop::create({.poller = PollerKind::kDefault}).value();
  auto socket = UdpSocket::bind(*loop, InetAddress::loopback(0)).value();
  const InetAddress bound = socket->address().value();
  auto server = TakeoverServer::listen(*loop, path).value();
  server->on_request([&]() -> Result<ListenerSet> {
    ListenerSet set;
    set.add(socket->duplicate().value());
    return set;
  });
  server->on_handed_over([&] { socket.reset(); });
  server->start().value();
  std::optional<Result<Takeover>> asked;
  std::thread asking([&] { asked.emplace(Takeover::request(path, kLimit)); });
  ASSERT_TRUE(testing::run_until(*loop, [&] { return server->is_offered(); }));
  asking.join();
  Takeover takeover = std::move(*asked).value();
  auto taken = takeover.listeners().take(ListenerSet::Kind::kUdp, bound);
  ASSERT_EQ(taken.size(), 1u);
  auto adopted = UdpSocket::adopt(*loop, std::move(taken.front())).value();
  std::string received;
  adopted->on_datagrams([&](std::span<const Datagram> datagrams) {
    for (const Datagram& datagram : datagrams) received += datagram.payload;
  });
  adopted->start().value();
  bool done = false;
  takeover.ready(*loop, kLimit, [&](const Result<void>& result) { done = result.has_value(); });
  ASSERT_TRUE(testing::run_until(*loop, [&] { return done; }));
  auto client = UdpSocket::connect(*loop, bound).value();
  client->send("hello").value();
  ASSERT_TRUE(testing::run_until(*loop, [&] { return received == "hello"; }));
}

TEST(Takeover, MoreListenersThanAPacketHolds) {
  const InetAddress path = takeover_name();
  const auto loop = EventLoop::create({.poller = PollerKind::kDefault}).value();
  auto server = TakeoverServer::listen(*loop, path).value();
  constexpr std::size_t kCount = 3 * TakeoverMessage::kMostSockets + 1;
  server->on_request([&]() -> Result<ListenerSet> {
    ListenerSet set;
    for (std::size_t i = 0; i < kCount; ++i) {
      set.add(ListenerSocket::inspect(testing::plain_listener()).value());
    }
    return set;
  });
  server->on_handed_over([] {});
  server->start().value();
  std::optional<Result<Takeover>> asked;
  std::thread asking([&] { asked.emplace(Takeover::request(path, kLimit)); });
  ASSERT_TRUE(testing::run_until(*loop, [&] { return server->is_offered(); }));
  asking.join();
  ASSERT_TRUE(*asked) << asked->error().message();
  EXPECT_EQ((*asked)->listeners().size(), kCount);
}

}  // namespace
}  // namespace leat
