#include "leat/net/internal/socket_ops.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/tcp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "leat/net/internal/unix_path_guard.h"

#include "support/child_process.h"
#include "support/raw_sockets.h"

namespace leat::internal {
namespace {

using leat::testing::ChildProcess;
using leat::testing::int_option;
using leat::testing::plain_accept;
using leat::testing::plain_connect;
using leat::testing::plain_socket;
using leat::testing::TemporaryFolder;
using Family = InetAddress::Family;

InetAddress bound(const Result<UniqueFd>& listener) {
  return InetAddress::local_of(listener.value().get()).value();
}

TEST(OpenListener, ListensWithoutBlocking) {
  const Result<UniqueFd> listener = open_listener(InetAddress::loopback(0));
  ASSERT_TRUE(listener) << listener.error().message();
  const int fd = listener->get();
  EXPECT_NE(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_NE(int_option(fd, SOL_SOCKET, SO_REUSEADDR), 0);
  EXPECT_EQ(int_option(fd, SOL_SOCKET, SO_REUSEPORT), 0);
  EXPECT_TRUE(plain_connect(bound(listener)));
}

TEST(OpenListener, AcceptedSocketsInheritTheOptions) {
  ListenerOptions options;
  options.connection.kernel_receive_buffer = 20'000;
  for (const bool on : {true, false}) {
    options.connection.no_delay = on;
    options.connection.keep_alive = on;
    const Result<UniqueFd> listener = open_listener(InetAddress::loopback(0), options);
    const UniqueFd client = plain_connect(bound(listener));
    const UniqueFd socket = plain_accept(*listener);
    ASSERT_TRUE(socket);
    ASSERT_TRUE(apply_to_accepted(socket.get(), options.connection, Family::kIpv4));
    EXPECT_EQ(int_option(socket.get(), IPPROTO_TCP, TCP_NODELAY) != 0, on);
    EXPECT_EQ(int_option(socket.get(), SOL_SOCKET, SO_KEEPALIVE) != 0, on);
    EXPECT_EQ(int_option(socket.get(), SOL_SOCKET, SO_RCVBUF), 40'000);  // Doubled: man 7 socket.
  }
}

TEST(OpenListener, UnixSocketsGetTheirBuffersWhenAccepted) {
  ListenerOptions options;
  options.connection.kernel_send_buffer = 20'000;
  const InetAddress address = InetAddress::unix_abstract("leat-socket-ops-test").value();
  const Result<UniqueFd> listener = open_listener(address, options);
  const UniqueFd client = plain_connect(address);
  const UniqueFd socket = plain_accept(*listener);
  EXPECT_NE(int_option(socket.get(), SOL_SOCKET, SO_SNDBUF), 40'000);
  ASSERT_TRUE(apply_to_accepted(socket.get(), options.connection, Family::kUnix));
  EXPECT_EQ(int_option(socket.get(), SOL_SOCKET, SO_SNDBUF), 40'000);
}

TEST(OpenListener, AnyIpv6AddressTakesIpv4AsWell) {
  const Result<UniqueFd> listener = open_listener(InetAddress::any(0, Family::kIpv6));
  if (!listener) GTEST_SKIP() << "needs IPv6: " << listener.error().message();
  const std::uint16_t port = bound(listener).port();
  const UniqueFd client = plain_connect(InetAddress::loopback(port));
  ASSERT_TRUE(client);
  const UniqueFd accepted = plain_accept(*listener);
  EXPECT_EQ(InetAddress::peer_of(accepted.get())->unmapped(),
            InetAddress::local_of(client.get()).value());
  EXPECT_TRUE(plain_connect(InetAddress::loopback(port, Family::kIpv6)));
}

/// From now on socket(`domain`) fails with `number` in this process; false without the right or
/// the means.
bool refuse_sockets(int domain, int number) {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(domain), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(number)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{std::size(code), code};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST(OpenListener, AnyAddressFallsBackToIpv4WithoutIpv6) {
  const ChildProcess child([](UniqueFd&) -> std::string {
    if (!refuse_sockets(AF_INET6, EAFNOSUPPORT)) return "no seccomp";
    const auto any = open_listener(InetAddress::any(0, Family::kIpv6));
    const auto loopback = open_listener(InetAddress::loopback(0, Family::kIpv6));
    return (any ? bound(any).host() : any.error().message()) + "; " +
           (loopback ? "bound" : loopback.error().message());
  });
  if (child.output() == "no seccomp") GTEST_SKIP() << "needs seccomp filters";
  EXPECT_EQ(child.output(), "0.0.0.0; socket: Address family not supported by protocol");
}

TEST(OpenListener, ExplainsAddressesThatAreNotHere) {
  // 192.0.2.0/24 is for documentation (RFC 5737).
  const auto foreign = open_listener(InetAddress::parse("192.0.2.1:0").value());
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().message(),
            "bind 192.0.2.1:0 (no interface of this machine has the address): "
            "Cannot assign requested address");
  const auto unscoped = open_listener(InetAddress::parse("[fe80::1]:0").value());
  ASSERT_FALSE(unscoped);
  if (unscoped.error().number() == EAFNOSUPPORT) GTEST_SKIP() << "needs IPv6";
  EXPECT_NE(unscoped.error().message().find("needs a scope"), std::string::npos)
      << unscoped.error().message();
}

TEST(OpenListener, ExplainsPrivilegedPorts) {
  unsigned start = 1024;
  std::ifstream("/proc/sys/net/ipv4/ip_unprivileged_port_start") >> start;
  if (start < 2) GTEST_SKIP() << "needs ip_unprivileged_port_start above 1";
  const ChildProcess child([](UniqueFd&) -> std::string {
    if (::geteuid() == 0 && ::setuid(33) != 0) return "no setuid";
    const auto listener = open_listener(InetAddress::loopback(1));
    return listener ? "bound" : listener.error().message();
  });
  if (child.output() == "no setuid") GTEST_SKIP() << "needs the right to change the user";
  EXPECT_EQ(child.output(), "bind 127.0.0.1:1 (ports below " + std::to_string(start) +
                                " need CAP_NET_BIND_SERVICE or a lower "
                                "net.ipv4.ip_unprivileged_port_start): Permission denied");
}

TEST(OpenListener, NamesTheUserWhoHoldsThePort) {
  const ChildProcess child([](UniqueFd& keep) -> std::string {
    if (::setgid(33) != 0 || ::setuid(33) != 0) return "no setuid";
    keep = open_listener(InetAddress::loopback(0), {.reuse_port = true}).value();
    return std::to_string(InetAddress::local_of(keep.get())->port());
  });
  if (child.output() == "no setuid") GTEST_SKIP() << "needs root, to listen as a second user";
  const auto port = static_cast<std::uint16_t>(std::stoi(child.output()));
  for (const bool reuse_port : {false, true}) {
    const auto listener = open_listener(InetAddress::any(port), {.reuse_port = reuse_port});
    ASSERT_FALSE(listener);
    EXPECT_EQ(listener.error().number(), EADDRINUSE);
    EXPECT_EQ(listener.error().message(),
              "bind 0.0.0.0:" + child.output() + " (held by uid 33): Address already in use");
  }
}

TEST(OpenListener, SaysThatTheHolderIsTheSameUser) {
  const Result<UniqueFd> first = open_listener(InetAddress::loopback(0));
  const auto second = open_listener(bound(first));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().context(), "bind " + bound(first).to_string() +
                                          " (held by the same user, uid " +
                                          std::to_string(::geteuid()) + ")");
}

// Unix paths.

TEST(OpenListenerOnPath, TakesOverAPathNobodyListensOn) {
  const TemporaryFolder folder;
  const InetAddress address = InetAddress::unix_path(folder.file("s")).value();
  open_listener(address).value().reset();
  ASSERT_FALSE(plain_connect(address));
  const Result<UniqueFd> again = open_listener(address);
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_TRUE(plain_connect(address));
}

TEST(OpenListenerOnPath, LeavesAPathThatIsListenedOn) {
  const TemporaryFolder folder;
  const InetAddress address = InetAddress::unix_path(folder.file("s")).value();
  const Result<UniqueFd> first = open_listener(address, {.backlog = 1});
  for (int i = 0; i < 3; ++i) {
    const auto second = open_listener(address);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().message(),
              "bind " + address.to_string() + " (somebody listens there): Address already in use");
    // The attempts themselves fill the queue; a full one must not look abandoned.
  }
  EXPECT_TRUE(plain_accept(*first));
}

TEST(OpenListenerOnPath, LeavesDatagramSockets) {
  const TemporaryFolder folder;
  const InetAddress address = InetAddress::unix_path(folder.file("s")).value();
  const UniqueFd datagram(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(datagram.get(), address.get(), address.size()), 0);
  EXPECT_EQ(open_listener(address).error().number(), EADDRINUSE);
}

TEST(OpenListenerOnPath, NeverRemovesWhatIsNoSocket) {
  const TemporaryFolder folder;
  const std::string path = folder.file("s");
  const InetAddress address = InetAddress::unix_path(path).value();
  std::ofstream(path) << "precious";
  const auto listener = open_listener(address);
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().message(), "bind " + address.to_string() +
                                            " (there is a file that is no socket): "
                                            "Address already in use");
  std::string content;
  std::ifstream(path) >> content;
  EXPECT_EQ(content, "precious");

  const std::string link = folder.file("link");
  ASSERT_EQ(::symlink("nowhere", link.c_str()), 0);
  EXPECT_EQ(open_listener(InetAddress::unix_path(link).value()).error().number(), EADDRINUSE);
  struct stat status;
  EXPECT_EQ(::lstat(link.c_str(), &status), 0);
}

TEST(OpenListenerOnPath, KeepsOutOthersBetweenBindAndListen) {
  const TemporaryFolder folder;
  const InetAddress address = InetAddress::unix_path(folder.file("s")).value();
  {
    UnixPathGuard starting;
    ASSERT_TRUE(starting.lock(address));
    const auto other = open_listener(address);
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().message(), "bind " + address.to_string() +
                                           " (another program is binding it): "
                                           "Address already in use");
    EXPECT_TRUE(open_listener(InetAddress::unix_path(folder.file("t")).value()));
  }
  EXPECT_TRUE(open_listener(address));
}

TEST(OpenListenerOnPath, SaysThatTheFolderIsMissing) {
  const auto listener = open_listener(InetAddress::unix_path("/nonesuch/s").value());
  EXPECT_EQ(listener.error().message(), "bind unix:/nonesuch/s: No such file or directory");
}

TEST(OpenListenerOnPath, SaysThatAnAbstractNameIsTaken) {
  const InetAddress address = InetAddress::unix_abstract("leat-taken").value();
  const Result<UniqueFd> first = open_listener(address);
  ASSERT_TRUE(first);
  EXPECT_EQ(open_listener(address).error().message(),
            "bind unix:@leat-taken (the name is taken): Address already in use");
}

TEST(SocketOps, TakesTheErrorOnce) {
  UniqueFd listener = leat::testing::plain_listener();
  const InetAddress address = InetAddress::local_of(listener.get()).value();
  listener.reset();
  const Result<UniqueFd> socket = open_stream_socket(AF_INET);
  const int failed = ::connect(socket->get(), address.get(), address.size());
  if (failed != 0 && errno == EINPROGRESS) {
    EXPECT_EQ(take_socket_error(socket->get()), ECONNREFUSED);
  }
  EXPECT_EQ(take_socket_error(socket->get()), 0);
  EXPECT_EQ(take_socket_error(-1), EBADF);
}

TEST(SocketOps, NamesTheOptionThatFailed) {
  EXPECT_EQ(apply_options(-1, {}, Family::kIpv4).error().message(),
            "setsockopt TCP_NODELAY: Bad file descriptor");
}

}  // namespace
}  // namespace leat::internal
