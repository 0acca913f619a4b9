// What SO_REUSEADDR and SO_REUSEPORT do on Linux; docs/reuse.md says it in words.
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
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
constexpr Reuse kBoth{true, true};

/// What the new socket meets on its port.
enum class Holder { kTimeWait, kListener, kBound };

/// A row of the table of docs/reuse.md: 0 or the errno value that the new socket gets if both
/// sockets have neither option, SO_REUSEADDR, SO_REUSEPORT.
struct Row {
  const char* name;
  Holder holder;
  bool same_user;
  int neither;
  int address;
  int port;
};

void PrintTo(const Row& row, std::ostream* out) {
  *out << row.name;
}

constexpr Row kTable[] = {
    {"TimeWaitOfTheSameUser", Holder::kTimeWait, true, EADDRINUSE, 0, 0},
    {"TimeWaitOfAnotherUser", Holder::kTimeWait, false, EADDRINUSE, 0, 0},
    {"ListenerOfTheSameUser", Holder::kListener, true, EADDRINUSE, EADDRINUSE, 0},
    {"ListenerOfAnotherUser", Holder::kListener, false, EADDRINUSE, EADDRINUSE, EADDRINUSE},
    {"BoundByTheSameUser", Holder::kBound, true, EADDRINUSE, 0, 0},
    {"BoundByAnotherUser", Holder::kBound, false, EADDRINUSE, 0, EADDRINUSE},
};

/// An option counts if both sockets have it; of two, the one that allows more.
int expected(const Row& row, Reuse old, Reuse fresh) {
  const bool by_address = old.address && fresh.address && row.address == 0;
  const bool by_port = old.port && fresh.port && row.port == 0;
  return by_address || by_port ? 0 : row.neither;
}

UniqueFd bind_without_listening(Reuse reuse) {
  const InetAddress address = InetAddress::loopback(0);
  UniqueFd socket = leat::testing::plain_socket(address);
  const int fd = socket.get();
  if (reuse.address) set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR").value();
  if (reuse.port) set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT").value();
  EXPECT_EQ(::bind(fd, address.get(), address.size()), 0);
  return socket;
}

class PortReuseTable : public ::testing::TestWithParam<std::tuple<Row, std::string>> {
 protected:
  /// Tries to listen where `old` is, and lets whoever is bound there listen as well.
  void check(const Row& row, Reuse old, Reuse fresh) {
    UniqueFd holder;
    InetAddress held;
    if (row.holder == Holder::kTimeWait) {
      held = port_in_time_wait(old);
    } else {
      holder = row.holder == Holder::kListener
                   ? open_listener(InetAddress::loopback(0), options(old)).value()
                   : bind_without_listening(old);
      held = bound(holder);
    }
    const InetAddress wanted =
        InetAddress::parse(std::get<1>(GetParam()) + ":" + std::to_string(held.port())).value();

    Result<UniqueFd> opened = UniqueFd();
    std::optional<ChildProcess> other;
    int answer = 0;
    if (row.same_user) {
      opened = open_listener(wanted, options(fresh));
      if (!opened) answer = opened.error().number();
    } else {
      other.emplace([&](UniqueFd& keep) -> std::string {
        if (::setuid(33) != 0) return "no setuid";
        Result<UniqueFd> theirs = open_listener(wanted, options(fresh));
        if (!theirs) return std::to_string(theirs.error().number());
        keep = std::move(*theirs);
        return "0";
      });
      no_second_user = other->output() == "no setuid";
      if (no_second_user) return;
      answer = std::stoi(other->output());
    }
    EXPECT_EQ(answer, expected(row, old, fresh));

    if (row.holder != Holder::kBound || answer != 0) return;
    const bool shared = old.port && fresh.port && row.same_user;
    const int second = ::listen(holder.get(), 1) == 0 ? 0 : errno;
    EXPECT_EQ(second, shared ? 0 : EADDRINUSE) << "of the one that was bound first";
  }

  bool no_second_user = false;
};

TEST_P(PortReuseTable, HoldsForEachPairOfOptions) {
  for (const Reuse old : {kNone, kAddress, kPort, kBoth}) {
    for (const Reuse fresh : {kNone, kAddress, kPort, kBoth}) {
      SCOPED_TRACE(::testing::Message() << "old " << old.address << old.port << ", new "
                                        << fresh.address << fresh.port << " (address, port)");
      check(std::get<0>(GetParam()), old, fresh);
      if (no_second_user) GTEST_SKIP() << "needs root, to bind as a second user";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(PortReuse, PortReuseTable,
                         ::testing::Combine(::testing::ValuesIn(kTable),
                                            ::testing::Values("127.0.0.1", "0.0.0.0", "[::]")),
                         [](const auto& cell) {
                           const std::string& address = std::get<1>(cell.param);
                           const char* where = address == "[::]"      ? "FromAnyIpv6"
                                               : address == "0.0.0.0" ? "FromAny"
                                                                      : "FromTheSameAddress";
                           return std::get<0>(cell.param).name + std::string(where);
                         });

TEST(ReuseAddress, WithoutItThePortInTimeWaitIsRefused) {
  const InetAddress address = port_in_time_wait(kAddress);
  const auto listener = open_listener(address, options(kNone));
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().message(),
            "bind " + address.to_string() +
                " (old connections are in TIME_WAIT, and SO_REUSEADDR is off): "
                "Address already in use");
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

TEST(ReusePort, UnixSocketsKnowNone) {
  EXPECT_EQ(open_error(InetAddress::unix_abstract("leat-reuse").value(), options(kPort)),
            EOPNOTSUPP);
}

TEST(ReusePort, TheFirstOfAGroupRefusesToJoinAnother) {
  ListenerOptions first_options = options(kBoth);
  first_options.first_of_group = true;
  const Result<UniqueFd> first = open_listener(InetAddress::loopback(0), first_options);
  ASSERT_TRUE(first);
  const InetAddress address = bound(*first);
  const Result<UniqueFd> member = open_listener(address, options(kBoth));
  ASSERT_TRUE(member) << member.error().message();
  const Result<UniqueFd> member2 = open_listener(address, options(kBoth));
  ASSERT_TRUE(member2) << member2.error().message();
  EXPECT_EQ(open_error(address, first_options), EADDRINUSE);
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 64; ++i) clients.push_back(plain_connect(address));
  EXPECT_TRUE(plain_accept(*first));
  EXPECT_TRUE(plain_accept(*member));
  EXPECT_TRUE(plain_accept(*member2));
}

TEST(ReusePort, TheFirstOfAGroupBindsAPortInTimeWait) {
  ListenerOptions first_options = options(kBoth);
  first_options.first_of_group = true;
  EXPECT_EQ(open_error(port_in_time_wait(kBoth), first_options), 0);
}

}  // namespace
}  // namespace leat::internal
