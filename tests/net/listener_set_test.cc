#include "leat/net/listener_set.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

#include "support/raw_sockets.h"

namespace leat {
namespace {

using testing::plain_listener;

InetAddress bound(const UniqueFd& socket) {
  return InetAddress::local_of(socket.get()).value();
}

TEST(ListenerSocket, IsFoundOutAndMadeNonBlocking) {
  UniqueFd listener = plain_listener();
  const int fd = listener.get();
  ::fcntl(fd, F_SETFD, 0);
  const InetAddress address = bound(listener);
  const ListenerSocket socket = ListenerSocket::inspect(std::move(listener)).value();
  EXPECT_EQ(socket.kind, ListenerSocket::Kind::kStream);
  EXPECT_EQ(socket.address, address);
  EXPECT_NE(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(::fcntl(fd, F_GETFD), FD_CLOEXEC);
  UniqueFd udp(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(ListenerSocket::inspect(std::move(udp)).value().kind, ListenerSocket::Kind::kUdp);
}

TEST(ListenerSocket, RefusesWhatIsNoListener) {
  const auto number = [](int fd) { return ListenerSocket::inspect(UniqueFd(fd)).error().number(); };
  EXPECT_EQ(number(::open("/dev/null", O_RDONLY | O_CLOEXEC)), ENOTSOCK);
  EXPECT_EQ(number(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), EINVAL);  // does not listen
  EXPECT_EQ(number(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)), EINVAL);
}

TEST(ListenerSet, GivesAllOfAnAddressInTheirOrder) {
  ListenerSet set;
  UniqueFd first = plain_listener();
  const InetAddress address = bound(first);
  UniqueFd other = plain_listener();
  const InetAddress elsewhere = bound(other);
  const int copy = ::dup(first.get());
  const int first_fd = first.get();
  set.add(ListenerSocket::inspect(std::move(first)).value());
  set.add(ListenerSocket::inspect(std::move(other)).value());
  set.add(ListenerSocket::inspect(UniqueFd(copy)).value());
  EXPECT_EQ(set.addresses(ListenerSet::Kind::kStream),
            (std::vector<InetAddress>{address, elsewhere}));
  EXPECT_TRUE(set.take(ListenerSet::Kind::kUdp, address).empty());
  const auto taken = set.take(ListenerSet::Kind::kStream, address);
  ASSERT_EQ(taken.size(), 2u);
  EXPECT_EQ(taken[0].fd.get(), first_fd);
  EXPECT_EQ(taken[1].fd.get(), copy);
  // Port 0: the first that there is on the address.
  EXPECT_TRUE(
      set.take(ListenerSet::Kind::kStream, InetAddress::parse("127.0.0.2:0").value()).empty());
  EXPECT_EQ(set.take(ListenerSet::Kind::kStream, InetAddress::loopback(0)).size(), 1u);
  EXPECT_TRUE(set.is_empty());
}

/// Of what systemd passes, the tests of `leat serve` have the descriptors.
TEST(ListenerSet, TakesNoPartInWhatWasPassedToAnother) {
  ::setenv("LISTEN_PID", "1", 1);
  ::setenv("LISTEN_FDS", "2", 1);
  EXPECT_TRUE(ListenerSet::from_systemd().value().is_empty());
  EXPECT_EQ(std::getenv("LISTEN_FDS"), nullptr);
  EXPECT_TRUE(ListenerSet::from_systemd().value().is_empty());
  for (const char* count : {"x", "-1", "99999", "3x"}) {
    ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
    ::setenv("LISTEN_FDS", count, 1);
    EXPECT_EQ(ListenerSet::from_systemd().error().number(), EINVAL) << count;
  }
}

}  // namespace
}  // namespace leat
