#include "leat/net/internal/host_name.h"

#include <string>

#include <gtest/gtest.h>

#include "leat/net/host_port.h"
#include "leat/net/internal/hosts_file.h"

namespace leat {
namespace {

using internal::check_host_name;
using internal::HostsFile;

std::string parsed(std::string_view text) {
  const Result<HostPort> result = HostPort::parse(text);
  if (!result) return result.error().context();
  return result->host + " " + std::to_string(result->port);
}

TEST(HostPort, ReadsNamesAndAddresses) {
  EXPECT_EQ(parsed("example.org:443"), "example.org 443");
  EXPECT_EQ(parsed("192.0.2.1:80"), "192.0.2.1 80");
  EXPECT_EQ(parsed("[2001:db8::1]:80"), "2001:db8::1 80");
  EXPECT_EQ(parsed("_dns.Example.org.:0"), "_dns.Example.org. 0");
  EXPECT_EQ(parsed("3com.com:65535"), "3com.com 65535");
}

TEST(HostPort, WritesWhatItReads) {
  for (const char* text : {"example.org:443", "192.0.2.1:80", "[2001:db8::1]:80"}) {
    EXPECT_EQ(HostPort::parse(text).value().to_string(), text);
  }
}

TEST(HostPort, SaysWhatIsWrong) {
  EXPECT_EQ(parsed("example.org"), "\"example.org\" (no port: host:port)");
  EXPECT_EQ(parsed("example.org:"), "\"example.org:\" (the port is not 0 to 65535)");
  EXPECT_EQ(parsed("example.org:65536"), "\"example.org:65536\" (the port is not 0 to 65535)");
  EXPECT_EQ(parsed("example.org:+1"), "\"example.org:+1\" (the port is not 0 to 65535)");
  EXPECT_EQ(parsed(":80"), "\"\" (no name of a host)");
  EXPECT_EQ(parsed("::1:80"), "\"::1\" (a character that names of hosts have not)");
  EXPECT_EQ(parsed("a b:80"), "\"a?b\" (a character that names of hosts have not)");
  EXPECT_EQ(parsed("127.1:80"), "\"127.1\" (neither an address nor a name)");
  EXPECT_EQ(parsed("b\xc3\xbc"
                   "cher.example:80"),
            "\"b??cher.example\" (a character that names of hosts have not)");
}

TEST(HostName, IsAsLongAsDnsHasThem) {
  const std::string label(63, 'a');
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'b');
  EXPECT_TRUE(check_host_name(longest));
  EXPECT_TRUE(check_host_name(longest + "."));
  EXPECT_FALSE(check_host_name(longest + "b"));
  EXPECT_FALSE(check_host_name(label + "a.org"));
  EXPECT_FALSE(check_host_name("a..org"));
  EXPECT_FALSE(check_host_name("."));
  EXPECT_FALSE(check_host_name(std::string_view("a\0b", 3)));
}

TEST(HostName, LiteralsAreAddressesInDigits) {
  EXPECT_EQ(internal::literal_address("127.0.0.1", 80), InetAddress::loopback(80));
  EXPECT_EQ(internal::literal_address("[::1]", 80),
            InetAddress::loopback(80, InetAddress::Family::kIpv6));
  EXPECT_EQ(internal::literal_address("::1", 80),
            InetAddress::loopback(80, InetAddress::Family::kIpv6));
  for (const char* name : {"localhost", "*", "", "unix", "unix:/x", "[::1]:80", "1.2.3", "01.2.3.4",
                           "127.0.0.1:80", "[]", "1.2.3.4]"}) {
    EXPECT_FALSE(internal::literal_address(name, 80)) << name;
  }
}

TEST(HostName, LocalhostIsALabelNotAnEnding) {
  EXPECT_TRUE(internal::is_localhost("localhost"));
  EXPECT_TRUE(internal::is_localhost("localhost."));
  EXPECT_TRUE(internal::is_localhost("a.localhost"));
  EXPECT_FALSE(internal::is_localhost("mylocalhost"));
  EXPECT_FALSE(internal::is_localhost("localhost.example"));
}

TEST(HostsFile, ReadsAddressesWithTheirNames) {
  const HostsFile hosts(
      "# a comment\n"
      "127.0.0.1 localhost\n"
      "192.0.2.1\tServer.Example server # alias\r\n"
      "2001:db8::1   server.example.  server.example\n"
      "fe80::1%lo local\n"
      "\n"
      "not-an-address name\n"
      "192.0.2.2 commented#out\n"
      "192.0.2.3\n"
      "192.0.2.4 last");
  ASSERT_NE(hosts.find("server.example"), nullptr);
  const auto& server = *hosts.find("server.example");
  ASSERT_EQ(server.size(), 2u);
  EXPECT_EQ(server[0].to_string(), "192.0.2.1:0");
  EXPECT_EQ(server[1].to_string(), "[2001:db8::1]:0");
  EXPECT_EQ(hosts.find("server")->size(), 1u);
  EXPECT_EQ(hosts.find("local")->front().scope_id(), 1u);
  EXPECT_EQ(hosts.find("last")->front().host(), "192.0.2.4");
  EXPECT_EQ(hosts.find("commented")->front().host(), "192.0.2.2");
  EXPECT_EQ(hosts.find("name"), nullptr);
  EXPECT_EQ(hosts.find("out"), nullptr);
  EXPECT_EQ(hosts.size(), 6u);
}

}  // namespace
}  // namespace leat
