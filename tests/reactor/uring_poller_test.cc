// Channels on io_uring, where it differs from epoll below; what is the same is in the other tests,
// which run on both.
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "leat/reactor/channel.h"
#include "leat/reactor/event_loop.h"

#include "tests/reactor/loop_test.h"

namespace leat {
namespace {

using test::Ends;

class UringPollerTest : public testing::Test {
 protected:
  void SetUp() override {
    auto made = EventLoop::create({.name = "test", .poller = PollerKind::kUring});
    if (!made) GTEST_SKIP() << made.error().message();
    loop = std::move(*made);
  }
  void iterate() {
    loop->quit();
    ASSERT_TRUE(loop->loop());
  }

  std::unique_ptr<EventLoop> loop;
};

/// A listener on `port`, 0 for any; empty with errno set if that is taken.
UniqueFd listen_on(in_port_t& port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(fd.get(), generic, size) != 0 || ::listen(fd.get(), 16) != 0) return {};
  ::getsockname(fd.get(), generic, &size);
  port = ntohs(address.sin_port);
  return fd;
}

TEST_F(UringPollerTest, RemovingLetsGoOfTheDescriptorHoweverMuchElseIsReady) {
  std::vector<Ends> pipes;
  std::vector<std::unique_ptr<Channel>> channels;
  for (int i = 0; i < 200; ++i) {
    pipes.push_back(Ends::pipe());
    auto channel = std::make_unique<Channel>(*loop, pipes.back().a.get());
    channel->on_read([](Timestamp) {});
    ASSERT_TRUE(channel->enable_reading());
    channels.push_back(std::move(channel));
  }
  in_port_t port = 0;
  UniqueFd listener = listen_on(port);
  ASSERT_TRUE(listener);
  Channel accepting(*loop, listener.get());
  accepting.on_read([](Timestamp) {});
  ASSERT_TRUE(accepting.enable_reading());
  iterate();
  // All of them are told to the ring, which has not been asked yet.
  for (const Ends& pipe : pipes) test::write_to(pipe.b, "x");
  accepting.remove();
  listener.reset();
  // As long as a request holds the file, the port is taken.
  EXPECT_TRUE(listen_on(port)) << "the kernel still holds the listener";
}

TEST_F(UringPollerTest, AnEventThatCameBeforeTheInterestChangedIsNotTold) {
  Ends ends = Ends::socket_pair();
  int reads = 0;
  int writes = 0;
  Channel channel(*loop, ends.a.get());
  channel.on_read([&](Timestamp) { ++reads; });
  channel.on_write([&] { ++writes; });
  ASSERT_TRUE(channel.enable_reading());
  iterate();
  test::write_to(ends.b, "x");
  ASSERT_TRUE(channel.enable_writing());
  ASSERT_TRUE(channel.disable_reading());
  for (int i = 0; i < 5; ++i) iterate();
  EXPECT_EQ(reads, 0);
  EXPECT_GT(writes, 1) << "level-triggered";
  ASSERT_TRUE(channel.enable_reading());
  for (int i = 0; i < 3; ++i) iterate();
  EXPECT_GT(reads, 0);
}

TEST_F(UringPollerTest, ChangingOftenCostsNoEvent) {
  Ends ends = Ends::socket_pair();
  int reads = 0;
  Channel channel(*loop, ends.a.get());
  channel.on_read([&](Timestamp) { ++reads; });
  channel.on_write([] {});
  ASSERT_TRUE(channel.enable_reading());
  iterate();
  for (int i = 0; i < 3000; ++i) {
    ASSERT_TRUE(channel.enable_writing());
    ASSERT_TRUE(channel.disable_writing());
    if (i % 7 == 0) {
      channel.remove();
      ASSERT_TRUE(channel.enable_reading());
    }
    if (i % 100 == 0) iterate();
  }
  test::write_to(ends.b, "x");
  for (int i = 0; i < 4; ++i) iterate();
  EXPECT_GE(reads, 2);
  channel.remove();
  EXPECT_EQ(test::drain(ends.a), 1);
  ends.a.reset();
  EXPECT_EQ(test::drain(ends.b), 0) << "a request still holds the other end";
}

TEST_F(UringPollerTest, ADirectoryIsRefusedAsEpollDoes) {
  const UniqueFd directory(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  Channel channel(*loop, directory.get());
  const auto watched = channel.enable_reading();
  ASSERT_FALSE(watched);
  EXPECT_EQ(watched.error().number(), EPERM);
}

}  // namespace
}  // namespace leat
