#include "leat/net/internal/destination_order.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace leat::internal {
namespace {

InetAddress address(const std::string& host) {
  return InetAddress::parse(host.find(':') == host.npos ? host + ":80" : "[" + host + "]:80")
      .value();
}

Destination to(const std::string& destination, const std::string& source = "") {
  return {address(destination), source.empty() ? std::nullopt : std::optional(address(source))};
}

std::vector<std::string> ordered(std::vector<Destination> destinations) {
  order_destinations(destinations);
  std::vector<std::string> hosts;
  for (const Destination& destination : destinations) hosts.push_back(destination.address.host());
  return hosts;
}

using Hosts = std::vector<std::string>;

// The examples of RFC 6724, section 10.2, as far as they need no deprecated or home address.

TEST(DestinationOrder, PrefersMatchingScope) {
  EXPECT_EQ(ordered({to("198.51.100.121", "169.254.13.78"), to("2001:db8:1::1", "2001:db8:1::2")}),
            (Hosts{"2001:db8:1::1", "198.51.100.121"}));
  EXPECT_EQ(ordered({to("2001:db8:1::1", "fe80::1"), to("198.51.100.121", "198.51.100.117")}),
            (Hosts{"198.51.100.121", "2001:db8:1::1"}));
}

TEST(DestinationOrder, PrefersHigherPrecedence) {
  EXPECT_EQ(ordered({to("10.1.2.3", "10.1.2.4"), to("2001:db8:1::1", "2001:db8:1::2")}),
            (Hosts{"2001:db8:1::1", "10.1.2.3"}));
}

TEST(DestinationOrder, PrefersSmallerScope) {
  EXPECT_EQ(ordered({to("2001:db8:1::1", "2001:db8:1::2"), to("fe80::1", "fe80::2")}),
            (Hosts{"fe80::1", "2001:db8:1::1"}));
}

TEST(DestinationOrder, PrefersTheLongestPrefixOfIpv6) {
  EXPECT_EQ(
      ordered({to("2001:db8:3ffe::1", "2001:db8:3f44::2"), to("2001:db8:1::1", "2001:db8:1::2")}),
      (Hosts{"2001:db8:1::1", "2001:db8:3ffe::1"}));
  // Not of IPv4.
  EXPECT_EQ(ordered({to("198.51.100.1", "10.0.0.9"), to("10.0.0.1", "10.0.0.9")}),
            (Hosts{"198.51.100.1", "10.0.0.1"}));
}

TEST(DestinationOrder, PrefersMatchingLabel) {
  EXPECT_EQ(ordered({to("2002:c633:6401::1", "2002:c633:6401::2"),
                     to("2001:db8:1::1", "2002:c633:6401::2")}),
            (Hosts{"2002:c633:6401::1", "2001:db8:1::1"}));
}

TEST(DestinationOrder, PutsWhatCannotBeReachedLast) {
  EXPECT_EQ(ordered({to("2001:db8::1"), to("192.0.2.1", "192.0.2.9")}),
            (Hosts{"192.0.2.1", "2001:db8::1"}));
}

TEST(DestinationOrder, PrefersIpv4ToUniqueLocal) {
  EXPECT_EQ(ordered({to("fd00::1", "fd00::2"), to("192.0.2.1", "192.0.2.9")}),
            (Hosts{"192.0.2.1", "fd00::1"}));
}

TEST(DestinationOrder, LoopbackGoesIpv6First) {
  EXPECT_EQ(ordered({to("127.0.0.1", "127.0.0.1"), to("::1", "::1")}), (Hosts{"::1", "127.0.0.1"}));
}

TEST(DestinationOrder, KeepsTheOrderOfEquals) {
  EXPECT_EQ(ordered({to("192.0.2.3", "192.0.2.9"), to("192.0.2.1", "192.0.2.9"),
                     to("192.0.2.2", "192.0.2.9")}),
            (Hosts{"192.0.2.3", "192.0.2.1", "192.0.2.2"}));
}

}  // namespace
}  // namespace leat::internal
