#include <cerrno>

#include <gtest/gtest.h>

#include "leat/sys/printable.h"
#include "leat/sys/processes.h"
#include "leat/sys/reading.h"
#include "leat/sys/sockets.h"

namespace leat::sys {
namespace {

TEST(Printable, LetsNoByteReachATerminal) {
  EXPECT_EQ(printable("eth0"), "eth0");
  EXPECT_EQ(printable("a\x1b[2Jb\n"), "a\\x1b[2Jb\\x0a");
  EXPECT_EQ(printable("\\x41"), "\\\\x41")
      << "an escape can be told from a name that looks like one";
  EXPECT_EQ(printable("\xc2\x9b\x7f"), "\\xc2\\x9b\\x7f");
}

TEST(StatusField, IsTheWholeFieldOfThatName) {
  constexpr std::string_view kText =
      "Name:\tngi nx\nCpus_allowed:\tff\nCpus_allowed_list:\t0-7\nX:\n";
  EXPECT_EQ(status_field(kText, "Name"), "ngi nx");
  EXPECT_EQ(status_field(kText, "Cpus_allowed"), "ff");
  EXPECT_EQ(status_field(kText, "Cpus_allowed_list"), "0-7");
  EXPECT_EQ(status_field(kText, "X"), "");
  EXPECT_EQ(status_field(kText, "Cpus"), "");
  EXPECT_EQ(status_field("", "Name"), "");
}

TEST(Unreadable, SaysWhichRightWouldHelp) {
  const auto denied = why_unreadable(Error::from_errno(EACCES, "open /x"), "CAP_SYS_PTRACE");
  EXPECT_EQ(denied.kind, Unreadable::Kind::kDenied);
  EXPECT_EQ(denied.right, "CAP_SYS_PTRACE");
  EXPECT_EQ(denied.why, "open /x: Permission denied");
  const auto missing = why_unreadable(Error::from_errno(EOPNOTSUPP, "rings"), "CAP_NET_ADMIN");
  EXPECT_EQ(missing.kind, Unreadable::Kind::kNotOffered);
  EXPECT_EQ(missing.right, "") << "no right would help";
  EXPECT_EQ(why_unreadable(Error::from_errno(ENODEV, "rings"), "").kind, Unreadable::Kind::kGone);
  EXPECT_EQ(why_unreadable(Error::from_errno(EIO, "rings"), "").kind, Unreadable::Kind::kFailed);
  EXPECT_EQ(Reading<int>().unreadable().kind, Unreadable::Kind::kNotAsked);
}

TEST(SocketAddress, IsWrittenAsPeopleDo) {
  SocketAddress address;
  address.port = 80;
  EXPECT_EQ(address.to_text(), "*:80");
  EXPECT_TRUE(address.is_any());
  address.bytes = {127, 0, 0, 1};
  EXPECT_EQ(address.to_text(), "127.0.0.1:80");
  EXPECT_TRUE(address.is_loopback());
  address = {.is_ipv6 = true, .bytes = {}, .port = 443};
  EXPECT_EQ(address.to_text(), "[::]:443");
  EXPECT_FALSE(address.is_loopback());
  address.bytes[15] = 1;
  EXPECT_EQ(address.to_text(), "[::1]:443");
  EXPECT_TRUE(address.is_loopback());
  address.bytes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1};
  EXPECT_TRUE(address.is_loopback()) << "an IPv4 one in IPv6's clothes";
}

}  // namespace
}  // namespace leat::sys
