// A TcpClient by name: the look-up, and the race of the addresses.

#include <cerrno>
#include <chrono>
#include <string>

#include <gtest/gtest.h>

#include "leat/net/tcp_client.h"
#include "leat/net/tcp_connection.h"

#include "support/name_client_fixture.h"

namespace leat {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Events;
using testing::Peers;
using testing::plain_accept;
using testing::plain_listener;
using testing::run_until;
using Family = InetAddress::Family;

class TcpClientNameTest : public testing::NameClientTest {
 protected:
  [[nodiscard]] std::string tried(std::uint16_t port, const std::string& v6,
                                  const std::string& v4) const {
    return "connect host.example:" + std::to_string(port) + " ([::1]:" + std::to_string(port) +
           ": " + v6 + "; 127.0.0.1:" + std::to_string(port) + ": " + v4 + ")";
  }
};

TEST_F(TcpClientNameTest, ConnectsToTheFirstAddress) {
  const Peers peers;
  name();
  make_by_name(peers.port);
  EXPECT_EQ(client->peer_name(), "host.example:" + std::to_string(peers.port));
  EXPECT_EQ(client->peer(), InetAddress());
  ASSERT_TRUE(client->connect());
  EXPECT_TRUE(client->is_connecting());
  EXPECT_EQ(
      client->connect().error().message(),
      "connect host.example:" + std::to_string(peers.port) + ": Operation already in progress");
  ASSERT_TRUE(wait_for("open"));
  EXPECT_FALSE(client->is_connecting());
  EXPECT_EQ(client->peer(), InetAddress::loopback(peers.port, Family::kIpv6));
  EXPECT_EQ(client->connection()->peer(), client->peer());
  settle();
  EXPECT_EQ(events, Events{"open"});
}

TEST_F(TcpClientNameTest, TakesAnAddressInDigitsToo) {
  const Peers peers;
  client = std::make_unique<TcpClient>(*loop, HostPort{"127.0.0.1", peers.port},
                                       TcpClientOptions{.resolver = resolver});
  set_callbacks();
  connect_and_wait("open");
  EXPECT_EQ(client->peer(), InetAddress::loopback(peers.port));
  EXPECT_TRUE(dns->asked().empty());
}

TEST_F(TcpClientNameTest, ARefusedIpv6AddressCostsNoTime) {
  const UniqueFd listener = plain_listener();
  name();
  // Long, so that a slow machine does not look like a delay.
  make_by_name(testing::bound(listener).port(), {.happy_eyeballs = {.attempt_delay = seconds(2)}});
  EXPECT_LT(connect_and_wait("open"), seconds(2));
  EXPECT_EQ(client->peer().family(), Family::kIpv4);
}

TEST_F(TcpClientNameTest, AnIpv6AddressThatSaysNothingCostsTheAttemptDelay) {
  Peers peers(16, 0);
  peers.fill(Family::kIpv6);
  name();
  make_by_name(peers.port);
  const Duration taken = connect_and_wait("open");
  EXPECT_EQ(client->peer(), InetAddress::loopback(peers.port));
  EXPECT_GE(taken, milliseconds(250));
  // Not by a time limit: connect_timeout is 10 s.
  EXPECT_LT(taken, seconds(5));
  client->connection()->abort();
  settle();
  EXPECT_EQ(loop->timer_count(), 0u);
}

TEST_F(TcpClientNameTest, TheAttemptDelayIsAnOption) {
  Peers peers(16, 0);
  peers.fill(Family::kIpv6);
  name();
  make_by_name(peers.port, {.happy_eyeballs = {.attempt_delay = milliseconds(500)}});
  EXPECT_GE(connect_and_wait("open"), milliseconds(500));
  EXPECT_EQ(client->peer().family(), Family::kIpv4);
}

TEST_F(TcpClientNameTest, Ipv4WaitsForALateAaaa) {
  const Peers peers;
  name({.records = {"AAAA ::1"}, .delay = milliseconds(20)});
  // Long, so that a slow machine does not let IPv4 win.
  make_by_name(peers.port, {.happy_eyeballs = {.resolution_delay = seconds(10)}});
  EXPECT_LT(connect_and_wait("open"), seconds(5));
  EXPECT_EQ(client->peer().family(), Family::kIpv6);
}

TEST_F(TcpClientNameTest, Ipv4DoesNotWaitForAnAaaaThatDoesNotCome) {
  const Peers peers;
  name({.silent = true});
  make_by_name(peers.port);
  const Duration taken = connect_and_wait("open");
  EXPECT_EQ(client->peer().family(), Family::kIpv4);
  EXPECT_GE(taken, milliseconds(50));
  // The question for AAAA is given up with the race, not after its time.
  EXPECT_EQ(resolver->open_questions(), 0u);
}

TEST_F(TcpClientNameTest, OneErrorTellsOfBothAddresses) {
  const std::uint16_t port = testing::free_address().port();
  name();
  make_by_name(port);
  connect_and_wait("failed 1");
  EXPECT_EQ(last_error,
            tried(port, "Connection refused", "Connection refused") + ": Connection refused");
  EXPECT_EQ(last_number, ECONNREFUSED);
  settle();
  EXPECT_EQ(events, (Events{"attempt 1", "failed 1"}));
  EXPECT_EQ(loop->timer_count(), 0u);
}

TEST_F(TcpClientNameTest, TheTimeLimitIsForAllAddresses) {
  Peers peers(16, 0);
  peers.fill(Family::kIpv6);
  peers.v4.reset();
  name();
  make_by_name(peers.port, {.connect_timeout = milliseconds(100),
                            .happy_eyeballs = {.attempt_delay = milliseconds(20)}});
  connect_and_wait("failed 1");
  const std::string port = std::to_string(peers.port);
  EXPECT_EQ(last_error, "connect host.example:" + port + " (after 100 ms: [::1]:" + port +
                            ": no answer; 127.0.0.1:" + port +
                            ": Connection refused): Connection timed out");
}

TEST_F(TcpClientNameTest, TheTimeLimitIsForTheLookUpToo) {
  name({.silent = true}, {.silent = true});
  make_by_name(80, {.connect_timeout = milliseconds(30)});
  connect_and_wait("failed 1");
  EXPECT_EQ(last_error,
            "connect host.example:80 (after 30 ms: its name is still asked for): "
            "Connection timed out");
  EXPECT_EQ(resolver->open_questions(), 0u);
}

TEST_F(TcpClientNameTest, SaysWhatIsWrongWithTheName) {
  make_by_name(80);
  connect_and_wait("failed 1");
  EXPECT_EQ(last_error,
            "connect host.example:80: resolve host.example (no such name): "
            "No such device or address");
  client = std::make_unique<TcpClient>(*loop, HostPort{"a b", 80},
                                       TcpClientOptions{.resolver = resolver});
  set_callbacks();
  ASSERT_TRUE(client->connect());
  EXPECT_EQ(events.size(), 2u);
  ASSERT_TRUE(wait_for_count("failed 1", 2));
  EXPECT_EQ(last_error,
            "connect a b:80: resolve \"a?b\" (a character that names of hosts have not): "
            "Invalid argument");
}

TEST_F(TcpClientNameTest, SaysThatTheOtherFamilyCouldNotBeAskedFor) {
  const std::uint16_t port = testing::free_address().port();
  name({.rcode = 2});
  make_by_name(port);
  connect_and_wait("failed 1");
  EXPECT_EQ(last_error, "connect host.example:" + std::to_string(port) +
                            " (127.0.0.1:" + std::to_string(port) +
                            ": Connection refused; resolve host.example (the name server "
                            "failed: SERVFAIL)): Connection refused");
}

TEST_F(TcpClientNameTest, EachRetryAsksForTheNameAgain) {
  const UniqueFd listener = plain_listener();
  dns->on("host.example", "AAAA", {});
  dns->on("host.example", "A", {.rcode = 3, .times = 1});
  dns->on("host.example", "A", {.records = {"A 127.0.0.2"}, .times = 1});
  dns->on("host.example", "A", {.records = {"A 127.0.0.1"}});
  make_by_name(testing::bound(listener).port(),
               {.retry = {.enabled = true, .initial = milliseconds(1)}});
  connect_and_wait("open");
  EXPECT_EQ(events, (Events{"attempt 1", "attempt 2", "open"}));
  EXPECT_EQ(dns->times_asked("A host.example"), 3u);
}

TEST_F(TcpClientNameTest, ReconnectingAsksForTheNameAgain) {
  const UniqueFd listener = plain_listener();
  name({});
  make_by_name(testing::bound(listener).port(),
               {.retry = {.initial = milliseconds(1)}, .reconnect_after_close = true});
  connect_and_wait("open");
  plain_accept(listener).reset();
  ASSERT_TRUE(wait_for_count("open", 2));
  EXPECT_EQ(dns->times_asked("A host.example"), 2u);
}

TEST_F(TcpClientNameTest, BindsOnlyAttemptsOfTheFamily) {
  const Peers peers;
  name();
  make_by_name(peers.port, {.bind_to = InetAddress::parse("127.0.0.9:0").value()});
  connect_and_wait("open");
  EXPECT_EQ(client->peer().family(), Family::kIpv6);
  client.reset();
  events.clear();
  name({}, {.records = {"A 127.0.0.1"}});
  client = std::make_unique<TcpClient>(
      *loop, HostPort{"127.0.0.1", peers.port},
      TcpClientOptions{.bind_to = InetAddress::parse("127.0.0.9:0").value(), .resolver = resolver});
  set_callbacks();
  connect_and_wait("open");
  EXPECT_EQ(InetAddress::local_of(client->connection()->fd()).value().host(), "127.0.0.9");
}

TEST_F(TcpClientNameTest, AResolverForOneFamilyIsEnough) {
  const Peers peers;
  name();
  ResolverOptions only{.servers = {dns->address()}, .hosts_file = ""};
  only.families = ResolverOptions::Families::kIpv4;
  const auto own = std::make_shared<Resolver>(*loop, only);
  make_by_name(peers.port, {.happy_eyeballs = {.resolution_delay = seconds(10)}, .resolver = own});
  EXPECT_LT(connect_and_wait("open"), seconds(5));
  EXPECT_EQ(client->peer().family(), Family::kIpv4);
}

TEST_F(TcpClientNameTest, WithoutAResolverItUsesTheOneOfTheLoop) {
  const Peers peers;
  client = std::make_unique<TcpClient>(*loop, HostPort{"localhost", peers.port});
  set_callbacks();
  connect_and_wait("open");
  EXPECT_EQ(client->peer().family(), Family::kIpv6);
}

}  // namespace
}  // namespace leat
