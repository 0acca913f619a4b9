#include "leat/net/inet_address.h"

#include <net/if.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <unordered_set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "leat/base/random.h"
#include "leat/base/unique_fd.h"

namespace leat {
namespace {

using Family = InetAddress::Family;

std::string round_trip(std::string_view text) {
  const Result<InetAddress> address = InetAddress::parse(text);
  return address ? address->to_string() : address.error().message();
}

/// The problem and its column, without the text that is quoted before and the errno after it.
std::string problem(std::string_view text) {
  const Result<InetAddress> address = InetAddress::parse(text);
  if (address) return "parsed as " + address->to_string();
  EXPECT_EQ(address.error().number(), EINVAL);
  const std::string& context = address.error().context();
  return context.substr(context.find("\": ") + 3);
}

TEST(InetAddress, ReadsIpv4) {
  const InetAddress address = InetAddress::parse("192.0.2.17:8080").value();
  EXPECT_EQ(address.family(), Family::kIpv4);
  EXPECT_EQ(address.domain(), AF_INET);
  EXPECT_EQ(address.port(), 8080);
  EXPECT_EQ(address.host(), "192.0.2.17");
  EXPECT_EQ(address.to_string(), "192.0.2.17:8080");
  const auto* in = reinterpret_cast<const sockaddr_in*>(address.get());
  EXPECT_EQ(in->sin_addr.s_addr, htonl(0xc000'0211));
  EXPECT_EQ(in->sin_port, htons(8080));
  EXPECT_EQ(address.size(), sizeof(sockaddr_in));
}

TEST(InetAddress, ReadsIpv6) {
  const InetAddress address = InetAddress::parse("[2001:DB8:0:0::1]:443").value();
  EXPECT_EQ(address.family(), Family::kIpv6);
  EXPECT_EQ(address.host(), "2001:db8::1");
  EXPECT_EQ(address.to_string(), "[2001:db8::1]:443");
  EXPECT_EQ(address.size(), sizeof(sockaddr_in6));
  EXPECT_EQ(address.scope_id(), 0u);
}

TEST(InetAddress, ReadsScopesByNameAndNumber) {
  const unsigned lo = ::if_nametoindex("lo");
  ASSERT_NE(lo, 0u);
  const InetAddress by_name = InetAddress::parse("[fe80::1%lo]:1").value();
  EXPECT_EQ(by_name.scope_id(), lo);
  EXPECT_EQ(by_name.host(), fmt::format("fe80::1%{}", lo));
  EXPECT_EQ(by_name, InetAddress::parse(fmt::format("[fe80::1%{}]:1", lo)).value());
  EXPECT_FALSE(by_name == InetAddress::parse("[fe80::1]:1").value());
  EXPECT_EQ(round_trip("[fe80::1%4294967295]:1"), "[fe80::1%4294967295]:1");
}

TEST(InetAddress, UnmapsIpv4InIpv6) {
  const InetAddress mapped = InetAddress::parse("[::ffff:127.1.2.3]:80").value();
  EXPECT_EQ(mapped.family(), Family::kIpv6);
  EXPECT_EQ(mapped.to_string(), "[::ffff:127.1.2.3]:80");
  EXPECT_TRUE(mapped.is_loopback());
  EXPECT_EQ(mapped.unmapped().to_string(), "127.1.2.3:80");
  EXPECT_EQ(InetAddress::parse("[::1]:80")->unmapped().to_string(), "[::1]:80");
}

TEST(InetAddress, KnowsShortFormsAndSpecialAddresses) {
  EXPECT_EQ(round_trip("*:80"), "[::]:80");
  EXPECT_EQ(round_trip(":80"), "[::]:80");
  EXPECT_EQ(round_trip("localhost:80"), "127.0.0.1:80");
  EXPECT_EQ(InetAddress().to_string(), "0.0.0.0:0");
  EXPECT_EQ(InetAddress::any(7, Family::kIpv6).to_string(), "[::]:7");
  EXPECT_EQ(InetAddress::loopback(7).to_string(), "127.0.0.1:7");
  EXPECT_EQ(InetAddress::loopback(7, Family::kIpv6).to_string(), "[::1]:7");
  EXPECT_TRUE(InetAddress::loopback(7, Family::kIpv6).is_loopback());
  EXPECT_TRUE(InetAddress::parse("127.255.0.1:1")->is_loopback());
  EXPECT_FALSE(InetAddress::parse("128.0.0.1:1")->is_loopback());
  EXPECT_TRUE(InetAddress().is_any());
  EXPECT_TRUE(InetAddress::any(7, Family::kIpv6).is_any());
  EXPECT_FALSE(InetAddress::loopback(7).is_any());
  EXPECT_FALSE(InetAddress::unix_path("/x")->is_any());
}

TEST(InetAddress, ReadsUnixPathsAndAbstractNames) {
  const InetAddress path = InetAddress::parse("unix:/run/leat.sock").value();
  EXPECT_EQ(path.family(), Family::kUnix);
  EXPECT_FALSE(path.is_ip());
  EXPECT_FALSE(path.is_abstract());
  EXPECT_FALSE(path.is_loopback());
  EXPECT_EQ(path.path(), "/run/leat.sock");
  EXPECT_EQ(path.port(), 0);
  EXPECT_EQ(path.to_string(), "unix:/run/leat.sock");
  EXPECT_EQ(path.host(), path.to_string());
  EXPECT_EQ(path.size(), offsetof(sockaddr_un, sun_path) + path.path().size() + 1);

  const InetAddress name = InetAddress::parse("unix:@leat").value();
  EXPECT_TRUE(name.is_abstract());
  EXPECT_EQ(name.path(), "leat");
  EXPECT_EQ(name.to_string(), "unix:@leat");
  EXPECT_FALSE(name == InetAddress::unix_path("leat").value());
  EXPECT_EQ(round_trip("unix:relative.sock"), "unix:relative.sock");
}

TEST(InetAddress, EscapesWhatCannotBePrinted) {
  EXPECT_EQ(InetAddress::unix_path("@x")->to_string(), "unix:\\x40x");
  EXPECT_EQ(InetAddress::unix_path("a@\n\\\x7f")->to_string(), "unix:a@\\x0a\\\\\\x7f");
  const std::string binary("\0\xff@", 3);
  EXPECT_EQ(InetAddress::unix_abstract(binary)->to_string(), "unix:@\\x00\\xff@");
  EXPECT_EQ(InetAddress::parse("unix:@\\x00\\xFF@")->path(), binary);
  EXPECT_EQ(round_trip("unix:@"), "unix:@");
}

TEST(InetAddress, LimitsUnixNames) {
  const std::string longest(108, 'p');
  EXPECT_EQ(InetAddress::unix_path(longest)->path(), longest);
  EXPECT_EQ(InetAddress::unix_path(longest)->size(), sizeof(sockaddr_un));
  EXPECT_FALSE(InetAddress::unix_path(longest + "p"));
  EXPECT_FALSE(InetAddress::unix_path(""));
  EXPECT_FALSE(InetAddress::unix_path(std::string_view("a\0b", 3)));
  EXPECT_TRUE(InetAddress::unix_abstract(std::string(107, 'n')));
  EXPECT_FALSE(InetAddress::unix_abstract(std::string(108, 'n')));
  EXPECT_EQ(problem("unix:" + longest + "p"), "more than 108 bytes at column 114");
  EXPECT_EQ(problem("unix:@" + longest), "more than 107 bytes at column 114");
}

TEST(InetAddress, SaysWhatIsWrongAndWhere) {
  EXPECT_EQ(InetAddress::parse("1.2.3.4:x").error().message(),
            "address \"1.2.3.4:x\": expected a port at column 9: Invalid argument");
  const struct {
    std::string_view text;
    std::string_view expected;
  } cases[] = {
      {"", "expected an address at column 1"},
      {"127.0.0.1", "expected ':' and a port at column 10"},
      {"127.0.0.1:", "expected a port at column 11"},
      {"127.0.0.1:65536", "a port above 65535 at column 11"},
      {"127.0.0.1:80 ", "expected the end at column 13"},
      {"127.0.0.1:-1", "expected a port at column 11"},
      {"127.0.0.256:80", "a number above 255 at column 9"},
      {"127.0.0:80", "expected '.' at column 8"},
      {"127.0.0.1.2:80", "expected ':' and a port at column 10"},
      {"127.00.0.1:80", "a leading zero at column 5"},
      {"127..0.1:80", "expected a number at column 5"},
      {"::1:80", "IPv6 needs brackets, as in [::1]:80 at column 1"},
      {"fe80::1:80", "IPv6 needs brackets, as in [::1]:80 at column 1"},
      {"[::1:80", "expected ']' at column 8"},
      {"[::1]", "expected ':' and a port at column 6"},
      {"[]:80", "not an IPv6 address at column 2"},
      {"[::g]:80", "not part of an IPv6 address at column 4"},
      {"[::1::2]:80", "a second '::' at column 5"},
      {"[:::1]:80", "a second '::' at column 3"},
      {"[1:2:3:4:5:6:7:12345]:80", "a group of more than four digits at column 20"},
      {"[1:2:3]:80", "not an IPv6 address at column 2"},
      {"[fe80::1%]:80", "expected an interface at column 10"},
      {"[fe80::1%0]:80", "interfaces are numbered from 1 at column 10"},
      {"[fe80::1%4294967296]:80", "an interface number above 4294967295 at column 10"},
      {"[fe80::1%nonesuch]:80", "there is no such interface at column 10"},
      {"[fe80::1%a-much-too-long-name]:80", "there is no such interface at column 10"},
      {std::string_view("[fe80::1%lo\0]:80", 16), "there is no such interface at column 10"},
      {"example.org:80", "neither an address nor localhost (names are not looked up) at column 1"},
      {"localhosts:80", "neither an address nor localhost (names are not looked up) at column 1"},
      {"localhost", "expected ':' and a port at column 10"},
      {"unix:", "expected a path or @ and a name at column 6"},
      {"unix:a\\n", "expected '\\' or xHH after '\\' at column 8"},
      {"unix:a\\x4", "expected '\\' or xHH after '\\' at column 8"},
      {"unix:a\\", "expected '\\' or xHH after '\\' at column 8"},
      {"unix:a\\x00b", "a NUL byte in a path at column 7"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(problem(text), expected) << text;
}

TEST(InetAddress, EverySockaddrIsReadBackFromItsText) {
  Random random(2026);
  for (int i = 0; i < 20'000; ++i) {
    sockaddr_storage storage{};
    auto* bytes = reinterpret_cast<unsigned char*>(&storage);
    // Dense in short names and in zeros, which IPv6 text abbreviates.
    for (std::size_t b = 0; b < sizeof storage; ++b) {
      bytes[b] = static_cast<unsigned char>(random.uniform(0, 3) == 0 ? random() : random() & 1);
    }
    socklen_t size = 0;
    switch (random.uniform(0, 2)) {
      case 0:
        storage.ss_family = AF_INET;
        size = sizeof(sockaddr_in);
        break;
      case 1:
        storage.ss_family = AF_INET6;
        size = sizeof(sockaddr_in6);
        break;
      default:
        storage.ss_family = AF_UNIX;
        size = static_cast<socklen_t>(3 + random.uniform(0, 107));
        break;
    }
    const auto* raw = reinterpret_cast<const sockaddr*>(&storage);
    const InetAddress address = InetAddress::from_sockaddr(raw, size).value();
    const std::string text = address.to_string();
    const Result<InetAddress> back = InetAddress::parse(text);
    ASSERT_TRUE(back) << text << ": " << back.error().message();
    ASSERT_EQ(*back, address) << text;
    ASSERT_EQ(back->hash(), address.hash());
    ASSERT_EQ(back->to_string(), text);
    for (const char c : text) ASSERT_TRUE(c >= ' ' && c <= '~');
  }
}

TEST(InetAddress, IgnoresPaddingAndFlowLabels) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(9);
  std::memset(in.sin_zero, 0xff, sizeof in.sin_zero);
  const auto address = InetAddress::from_sockaddr(reinterpret_cast<sockaddr*>(&in), sizeof in);
  EXPECT_EQ(address.value(), InetAddress::any(9));
  sockaddr_in6 in6{};
  in6.sin6_family = AF_INET6;
  in6.sin6_flowinfo = 7;
  const auto address6 = InetAddress::from_sockaddr(reinterpret_cast<sockaddr*>(&in6), sizeof in6);
  EXPECT_EQ(address6.value(), InetAddress::any(0, Family::kIpv6));
}

TEST(InetAddress, RefusesOtherFamiliesAndShortAddresses) {
  sockaddr_storage storage{};
  const auto* raw = reinterpret_cast<const sockaddr*>(&storage);
  storage.ss_family = AF_PACKET;
  EXPECT_EQ(InetAddress::from_sockaddr(raw, sizeof storage).error().number(), EAFNOSUPPORT);
  storage.ss_family = AF_INET;
  EXPECT_FALSE(InetAddress::from_sockaddr(raw, sizeof(sockaddr_in) - 1));
  storage.ss_family = AF_INET6;
  EXPECT_FALSE(InetAddress::from_sockaddr(raw, sizeof(sockaddr_in6) - 1));
  EXPECT_FALSE(InetAddress::from_sockaddr(raw, 1));
}

TEST(InetAddress, UnnamedUnixSocketHasAnEmptyPath) {
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  const UniqueFd a(pair[0]);
  const UniqueFd b(pair[1]);
  const InetAddress address = InetAddress::peer_of(a.get()).value();
  EXPECT_EQ(address.family(), Family::kUnix);
  EXPECT_EQ(address.path(), "");
  EXPECT_FALSE(address.is_abstract());
  EXPECT_EQ(address.to_string(), "unix:");
  EXPECT_FALSE(address == InetAddress::unix_abstract("").value());
}

TEST(InetAddress, TellsBothEndsOfASocket) {
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const InetAddress wanted = InetAddress::loopback(0);
  ASSERT_EQ(::bind(listener.get(), wanted.get(), wanted.size()), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  const InetAddress bound = InetAddress::local_of(listener.get()).value();
  EXPECT_NE(bound.port(), 0);
  EXPECT_EQ(InetAddress::peer_of(listener.get()).error().message(),
            "getpeername: Transport endpoint is not connected");
  const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(client.get(), bound.get(), bound.size()), 0);
  EXPECT_EQ(InetAddress::peer_of(client.get()).value(), bound);
}

TEST(InetAddress, FitsHashedContainers) {
  std::unordered_set<InetAddress> set;
  for (std::uint16_t port = 1; port <= 100; ++port) set.insert(InetAddress::loopback(port));
  EXPECT_EQ(set.size(), 100u);
  EXPECT_TRUE(set.contains(InetAddress::parse("127.0.0.1:50").value()));
  EXPECT_FALSE(set.contains(InetAddress::parse("[::1]:50").value()));
}

}  // namespace
}  // namespace leat
