// What SO_REUSEADDR and SO_REUSEPORT do on Linux; docs/reuse.md says it in words.
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "leat/net/internal/port_holder.h"
#include "leat/net/internal/socket_ops.h"

#include "support/child_process.h"
#include "support/raw_sockets.h"

namespace leat::internal {
namespace {

using leat::testing::ChildProcess;
using leat::testing::plain_accept;
using leat::testing::plain_connect;

struct Reuse {
  bool address;
  bool port;
};

ListenerOptions options(Reuse reuse) {
  return {.reuse_address = reuse.address, .reuse_port = reuse.port};
}

InetAddress bound(const UniqueFd& socket) {
  return InetAddress::local_of(socket.get()).value();
}

/// 0, or the errno value.
int open_error(const InetAddress& address, const ListenerOptions& how) {
  const Result<UniqueFd> listener = open_listener(address, how);
  return listener ? 0 : listener.error().number();
}

/// A port that nobody listens on any more, with a connection in TIME_WAIT, which is on the side
/// of whoever closes first. Accepted sockets inherit the listener's `reuse`.
InetAddress port_in_time_wait(Reuse reuse) {
  UniqueFd listener = open_listener(InetAddress::loopback(0), options(reuse)).value();
  const InetAddress address = bound(listener);
  UniqueFd client = plain_connect(address);
  plain_accept(listener).reset();
  char byte;
  EXPECT_EQ(::recv(client.get(), &byte, 1, 0), 0);
  client.reset();
  listener.reset();
  const MonotonicTime end = monotonic_now() + leat::testing::kDeadline;
  for (;;) {
    const auto holder = find_port_holder(address);
    if (holder && holder->kind == PortHolder::Kind::kTimeWait) return address;
    if (monotonic_now() > end) break;
    std::this_thread::yield();
  }
  ADD_FAILURE() << "no TIME_WAIT on " << address.to_string();
  return address;
}

constexpr Reuse kNone{false, false};
constexpr Reuse kAddress{true, false};
constexpr Reuse kPort{false, true};

TEST(ReuseAddress, BindsAPortInTimeWait) {
  EXPECT_EQ(open_error(port_in_time_wait(kAddress), options(kAddress)), 0);
}

TEST(ReuseAddress, WithoutItThePortInTimeWaitIsRefused) {
  const InetAddress address = port_in_time_wait(kAddress);
  const auto listener = open_listener(address, options(kNone));
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().message(),
            "bind " + address.to_string() +
                " (old connections are in TIME_WAIT, and SO_REUSEADDR is off): "
                "Address already in use");
}

TEST(ReuseAddress, IsNeededOnTheOldSocketToo) {
  EXPECT_EQ(open_error(port_in_time_wait(kNone), options(kAddress)), EADDRINUSE);
}

TEST(ReuseAddress, IsNoWayToShareAListeningPort) {
  const UniqueFd first = open_listener(InetAddress::loopback(0), options(kAddress)).value();
  EXPECT_EQ(open_error(bound(first), options(kAddress)), EADDRINUSE);
  EXPECT_EQ(open_error(InetAddress::any(bound(first).port()), options(kAddress)), EADDRINUSE);
}

TEST(ReuseAddress, LetsTwoBindUntilOneListens) {
  const UniqueFd first = leat::testing::plain_socket(InetAddress());
  ASSERT_TRUE(set_option(first.get(), SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR"));
  const InetAddress wanted = InetAddress::loopback(0);
  ASSERT_EQ(::bind(first.get(), wanted.get(), wanted.size()), 0);
  const InetAddress address = bound(first);
  const Result<UniqueFd> second = open_listener(address, options(kAddress));
  ASSERT_TRUE(second);
  EXPECT_EQ(::listen(first.get(), 1), -1);
  EXPECT_EQ(errno, EADDRINUSE);
}

TEST(ReusePort, SharesAListeningPortAndItsConnections) {
  const UniqueFd first = open_listener(InetAddress::loopback(0), options(kPort)).value();
  const Result<UniqueFd> second = open_listener(bound(first), options(kPort));
  ASSERT_TRUE(second);
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 64; ++i) clients.push_back(plain_connect(bound(first)));
  int of_first = 0;
  int of_second = 0;
  while (plain_accept(first)) ++of_first;
  while (plain_accept(*second)) ++of_second;
  EXPECT_EQ(of_first + of_second, 64);
  // A hash chooses; that all go one way has a chance of 2^-63.
  EXPECT_GT(of_first, 0);
  EXPECT_GT(of_second, 0);
}

TEST(ReusePort, IsNeededOnBoth) {
  const UniqueFd first = open_listener(InetAddress::loopback(0), options(kPort)).value();
  EXPECT_EQ(open_error(bound(first), options(kAddress)), EADDRINUSE);
  const UniqueFd plain = open_listener(InetAddress::loopback(0), options(kAddress)).value();
  EXPECT_EQ(open_error(bound(plain), options(kPort)), EADDRINUSE);
}

TEST(ReusePort, BindsAPortInTimeWaitToo) {
  EXPECT_EQ(open_error(port_in_time_wait(kPort), options(kPort)), 0);
}

TEST(ReusePort, IsForTheSameUserOnly) {
  const UniqueFd first = open_listener(InetAddress::loopback(0), options(kPort)).value();
  const InetAddress address = bound(first);
  const ChildProcess child([&](UniqueFd&) -> std::string {
    if (::setuid(33) != 0) return "no setuid";
    return open_error(address, options(kPort)) == EADDRINUSE ? "refused" : "joined";
  });
  if (child.output() == "no setuid") GTEST_SKIP() << "needs root, to bind as a second user";
  EXPECT_EQ(child.output(), "refused");
}

TEST(ReusePort, UnixSocketsKnowNone) {
  EXPECT_EQ(open_error(InetAddress::unix_abstract("leat-reuse").value(), options(kPort)),
            EOPNOTSUPP);
}

TEST(ReusePort, TheFirstOfAGroupRefusesToJoinAnother) {
  ListenerOptions first_options = options({true, true});
  first_options.first_of_group = true;
  const Result<UniqueFd> first = open_listener(InetAddress::loopback(0), first_options);
  ASSERT_TRUE(first);
  const InetAddress address = bound(*first);
  const Result<UniqueFd> member = open_listener(address, options({true, true}));
  ASSERT_TRUE(member) << member.error().message();
  const Result<UniqueFd> member2 = open_listener(address, options({true, true}));
  ASSERT_TRUE(member2) << member2.error().message();
  EXPECT_EQ(open_error(address, first_options), EADDRINUSE);
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 64; ++i) clients.push_back(plain_connect(address));
  EXPECT_TRUE(plain_accept(*first));
  EXPECT_TRUE(plain_accept(*member));
  EXPECT_TRUE(plain_accept(*member2));
}

TEST(ReusePort, TheFirstOfAGroupBindsAPortInTimeWait) {
  ListenerOptions first_options = options({true, true});
  first_options.first_of_group = true;
  EXPECT_EQ(open_error(port_in_time_wait({true, true}), first_options), 0);
}

}  // namespace
}  // namespace leat::internal
