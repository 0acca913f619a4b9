#include "leat/net/socket_busy_poll.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "leat/net/internal/socket_ops.h"
#include "leat/net/udp_socket.h"
#include "leat/reactor/event_loop.h"

#include "support/raw_sockets.h"

namespace leat {
namespace {

using namespace std::chrono_literals;
using testing::int_option;

constexpr SocketBusyPoll kAll{.time = 70us, .prefer = true, .budget = 20};

void expect_all(int socket) {
  EXPECT_EQ(int_option(socket, SOL_SOCKET, SO_BUSY_POLL), 70);
  EXPECT_EQ(int_option(socket, SOL_SOCKET, SO_PREFER_BUSY_POLL), 1);
}

TEST(SocketBusyPoll, ReachesUdpAndTcp) {
  const auto loop = EventLoop::create().value();
  const auto udp = UdpSocket::bind(*loop, InetAddress::loopback(0), {.busy_poll = kAll});
  if (!udp && udp.error().number() == EPERM) GTEST_SKIP() << udp.error().message();
  ASSERT_TRUE(udp) << udp.error().message();
  expect_all((*udp)->fd());

  // Accepted sockets have it from their listener.
  const auto listener =
      internal::open_listener(InetAddress::loopback(0), {.connection = {.busy_poll = kAll}});
  ASSERT_TRUE(listener) << listener.error().message();
  expect_all(listener->get());
  const UniqueFd client = testing::plain_connect(InetAddress::local_of(listener->get()).value());
  const UniqueFd accepted(::accept(listener->get(), nullptr, nullptr));
  expect_all(accepted.get());
}

TEST(SocketBusyPoll, SaysWhichRightIsMissing) {
  std::thread([] {
    // This thread alone, so not the C library's.
    static_cast<void>(::syscall(SYS_setresuid, 65534, 65534, 65534));
    const auto loop = EventLoop::create().value();
    for (const SocketBusyPoll& wanted :
         {SocketBusyPoll{.prefer = true}, SocketBusyPoll{.budget = 64}}) {
      const auto udp = UdpSocket::bind(*loop, InetAddress::loopback(0), {.busy_poll = wanted});
      ASSERT_FALSE(udp);
      EXPECT_EQ(udp.error().number(), EPERM);
      EXPECT_NE(udp.error().message().find("CAP_NET_ADMIN"), std::string::npos);
    }
  }).join();
}

TEST(SocketBusyPoll, OutOfRangeIsRefused) {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto number = [&](const SocketBusyPoll& wanted) {
    const auto set = internal::set_busy_poll(socket.get(), wanted);
    return set ? 0 : set.error().number();
  };
  EXPECT_EQ(number({}), 0);
  EXPECT_NE(number({.time = -1us}), 0);
  EXPECT_NE(number({.budget = -1}), 0);
  EXPECT_NE(number({.budget = 70'000}), 0);
}

}  // namespace
}  // namespace leat
