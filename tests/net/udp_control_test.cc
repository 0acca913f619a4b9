#include "leat/net/internal/udp_control.h"

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include <gtest/gtest.h>

namespace leat::internal {
namespace {

InetAddress address(const char* text) {
  return InetAddress::parse(text).value();
}

/// Control messages, as the kernel writes them.
class Messages {
 public:
  template <typename T>
  Messages& add(int level, int type, const T& value) {
    return add_bytes(level, type, &value, sizeof value);
  }
  Messages& add_bytes(int level, int type, const void* bytes, std::size_t size) {
    cmsghdr header{};
    header.cmsg_level = level;
    header.cmsg_type = type;
    header.cmsg_len = CMSG_LEN(size);
    std::memcpy(room_.data() + used_, &header, sizeof header);
    if (size != 0) std::memcpy(room_.data() + used_ + CMSG_LEN(0), bytes, size);
    used_ += CMSG_SPACE(size);
    return *this;
  }
  [[nodiscard]] msghdr header() {
    msghdr message{};
    message.msg_control = room_.data();
    message.msg_controllen = used_;
    return message;
  }

 private:
  alignas(cmsghdr) std::array<std::byte, 512> room_{};
  std::size_t used_ = 0;
};

struct Built {
  int level;
  int type;
  std::vector<std::byte> data;
  template <typename T>
  [[nodiscard]] T as() const {
    T value{};
    EXPECT_EQ(data.size(), sizeof value);
    std::memcpy(&value, data.data(), std::min(data.size(), sizeof value));
    return value;
  }
};

std::vector<Built> build(const InetAddress& to, const InetAddress& from, Ecn ecn,
                         std::uint16_t segment_size) {
  alignas(cmsghdr) std::array<std::byte, kSendControlRoom> room{};
  msghdr message{};
  message.msg_controllen = build_control({to, from, ecn, segment_size}, room);
  message.msg_control = room.data();
  std::vector<Built> built;
  for (cmsghdr* one = CMSG_FIRSTHDR(&message); one != nullptr; one = CMSG_NXTHDR(&message, one)) {
    const auto* data = reinterpret_cast<const std::byte*>(CMSG_DATA(one));
    built.push_back({one->cmsg_level, one->cmsg_type, {data, data + one->cmsg_len - CMSG_LEN(0)}});
  }
  return built;
}

TEST(UdpControlBuild, NothingWantedIsNothing) {
  EXPECT_TRUE(build(address("10.0.0.1:1"), InetAddress(), Ecn::kNotCapable, 0).empty());
  EXPECT_TRUE(build(address("[::1]:1"), address("[::]:0"), Ecn::kNotCapable, 0).empty());
}

TEST(UdpControlBuild, AllOfIpv4) {
  const auto built = build(address("10.0.0.1:1"), address("10.0.0.2:7"), Ecn::kEct0, 1200);
  ASSERT_EQ(built.size(), 3u);
  EXPECT_EQ(built[0].level, SOL_UDP);
  EXPECT_EQ(built[0].type, UDP_SEGMENT);
  EXPECT_EQ(built[0].as<std::uint16_t>(), 1200);
  EXPECT_EQ(built[1].level, IPPROTO_IP);
  EXPECT_EQ(built[1].type, IP_TOS);
  EXPECT_EQ(built[1].as<int>(), 2);
  EXPECT_EQ(built[2].level, IPPROTO_IP);
  EXPECT_EQ(built[2].type, IP_PKTINFO);
  const auto info = built[2].as<in_pktinfo>();
  EXPECT_EQ(info.ipi_spec_dst.s_addr, htonl(0x0a000002));
  EXPECT_EQ(info.ipi_ifindex, 0);
}

TEST(UdpControlBuild, AllOfIpv6) {
  const auto built = build(address("[2001:db8::1]:1"), address("[fe80::2%1]:7"), Ecn::kEct1, 9);
  ASSERT_EQ(built.size(), 3u);
  EXPECT_EQ(built[1].level, IPPROTO_IPV6);
  EXPECT_EQ(built[1].type, IPV6_TCLASS);
  EXPECT_EQ(built[1].as<int>(), 1);
  EXPECT_EQ(built[2].level, IPPROTO_IPV6);
  EXPECT_EQ(built[2].type, IPV6_PKTINFO);
  const auto info = built[2].as<in6_pktinfo>();
  EXPECT_EQ(info.ipi6_addr.s6_addr[15], 2);
  EXPECT_EQ(info.ipi6_ifindex, 1u);
}

TEST(UdpControlBuild, Ipv4ThroughAnIpv6Socket) {
  const auto built =
      build(address("[::ffff:10.0.0.1]:1"), address("[::ffff:10.0.0.2]:0"), Ecn::kEct0, 0);
  ASSERT_EQ(built.size(), 2u);
  EXPECT_EQ(built[0].level, IPPROTO_IP);
  EXPECT_EQ(built[0].type, IP_TOS);
  EXPECT_EQ(built[1].level, IPPROTO_IPV6);
  EXPECT_EQ(built[1].type, IPV6_PKTINFO);
}

TEST(UdpControlParse, AllThatTheKernelTells) {
  in_pktinfo info{};
  info.ipi_addr.s_addr = htonl(INADDR_BROADCAST);
  info.ipi_spec_dst.s_addr = htonl(0x0a000002);
  Messages messages;
  messages.add(SOL_UDP, UDP_GRO, int{1400})
      .add(IPPROTO_IP, IP_TOS, std::uint8_t{0xb9})
      .add(IPPROTO_IP, IP_PKTINFO, info)
      .add(SOL_SOCKET, SO_RXQ_OVFL, std::uint32_t{17});
  const ReceivedControl control = parse_control(messages.header());
  EXPECT_EQ(control.segment_size, 1400);
  EXPECT_EQ(control.ecn, Ecn::kEct1);
  EXPECT_EQ(control.local, address("10.0.0.2:0"));
  EXPECT_EQ(control.drops, 17u);
}

TEST(UdpControlParse, Ipv6) {
  in6_pktinfo info{};
  info.ipi6_addr = in6addr_loopback;
  info.ipi6_ifindex = 1;
  Messages messages;
  messages.add(IPPROTO_IPV6, IPV6_TCLASS, int{3}).add(IPPROTO_IPV6, IPV6_PKTINFO, info);
  const ReceivedControl control = parse_control(messages.header());
  EXPECT_EQ(control.ecn, Ecn::kCongestion);
  // The interface is part of link-local addresses only.
  EXPECT_EQ(control.local, address("[::1]:0"));
  EXPECT_FALSE(control.drops);

  info.ipi6_addr.s6_addr[0] = 0xfe;
  info.ipi6_addr.s6_addr[1] = 0x80;
  Messages link_local;
  link_local.add(IPPROTO_IPV6, IPV6_PKTINFO, info);
  EXPECT_EQ(parse_control(link_local.header()).local->scope_id(), 1u);
}

TEST(UdpControlParse, WhatIsUnknownOrTooShortIsPassedOver) {
  const std::array<char, 3> few{1, 2, 3};
  Messages messages;
  messages.add_bytes(SOL_UDP, UDP_GRO, few.data(), few.size())
      .add_bytes(IPPROTO_IP, IP_PKTINFO, few.data(), few.size())
      .add_bytes(IPPROTO_IP, IP_TOS, nullptr, 0)
      .add_bytes(IPPROTO_IPV6, IPV6_TCLASS, few.data(), few.size())
      .add_bytes(IPPROTO_IPV6, IPV6_PKTINFO, few.data(), few.size())
      .add_bytes(SOL_SOCKET, SO_RXQ_OVFL, few.data(), few.size())
      .add(SOL_SOCKET, 12345, few)
      .add(SOL_SOCKET, SO_RXQ_OVFL, std::uint32_t{1});
  const ReceivedControl control = parse_control(messages.header());
  EXPECT_EQ(control.segment_size, 0);
  EXPECT_EQ(control.ecn, Ecn::kNotCapable);
  EXPECT_FALSE(control.local);
  EXPECT_EQ(control.drops, 1u);
  EXPECT_FALSE(parse_error(messages.header()));
  msghdr none{};
  EXPECT_FALSE(parse_control(none).drops);
}

template <typename Address>
struct Queued {
  sock_extended_err report;
  Address offender;
};

TEST(UdpControlError, FromARouter) {
  Queued<sockaddr_in> queued{};
  queued.report.ee_errno = EHOSTUNREACH;
  queued.report.ee_origin = SO_EE_ORIGIN_ICMP;
  queued.report.ee_type = 3;
  queued.report.ee_code = 1;
  queued.offender.sin_family = AF_INET;
  queued.offender.sin_port = htons(77);
  queued.offender.sin_addr.s_addr = htonl(0x0a000001);
  Messages messages;
  messages.add(IPPROTO_IP, IP_RECVERR, queued);
  const auto error = parse_error(messages.header());
  ASSERT_TRUE(error);
  EXPECT_EQ(error->number, EHOSTUNREACH);
  EXPECT_TRUE(error->from_icmp);
  EXPECT_EQ(error->type, 3);
  EXPECT_EQ(error->code, 1);
  EXPECT_EQ(error->offender, address("10.0.0.1:0"));
}

TEST(UdpControlError, FromThisMachine) {
  Queued<sockaddr_in6> queued{};
  queued.report.ee_errno = EMSGSIZE;
  queued.report.ee_origin = SO_EE_ORIGIN_LOCAL;
  queued.report.ee_info = 1280;
  Messages messages;
  messages.add(IPPROTO_IPV6, IPV6_RECVERR, queued);
  const auto error = parse_error(messages.header());
  ASSERT_TRUE(error);
  EXPECT_FALSE(error->from_icmp);
  EXPECT_EQ(error->info, 1280u);
  EXPECT_EQ(error->offender, InetAddress());
}

TEST(UdpControlError, ATimeStampIsNone) {
  Queued<sockaddr_in> queued{};
  queued.report.ee_origin = SO_EE_ORIGIN_TIMESTAMPING;
  Messages messages;
  messages.add(IPPROTO_IP, IP_RECVERR, queued);
  EXPECT_FALSE(parse_error(messages.header()));
}

TEST(UdpControlDomain, MapsAndUnmaps) {
  const InetAddress plain = address("10.1.2.3:53");
  const InetAddress mapped = address("[::ffff:10.1.2.3]:53");
  EXPECT_EQ(in_domain(plain, AF_INET6), mapped);
  EXPECT_EQ(in_domain(mapped, AF_INET), plain);
  EXPECT_EQ(in_domain(plain, AF_INET), plain);
  EXPECT_FALSE(in_domain(address("[2001:db8::1]:1"), AF_INET));
  EXPECT_FALSE(in_domain(address("unix:@x"), AF_INET6));
}

TEST(DatagramSegments, CutsAPayload) {
  const auto all = [](std::string_view payload, std::size_t size) {
    const DatagramSegments segments(payload, size);
    const std::vector<std::string_view> cut(segments.begin(), segments.end());
    EXPECT_EQ(cut.size(), segments.size());
    return cut;
  };
  using Cut = std::vector<std::string_view>;
  EXPECT_EQ(all("abcdefg", 3), (Cut{"abc", "def", "g"}));
  EXPECT_EQ(all("abcdef", 3), (Cut{"abc", "def"}));
  EXPECT_EQ(all("abc", 3), (Cut{"abc"}));
  EXPECT_EQ(all("ab", 3), (Cut{"ab"}));
  EXPECT_EQ(all("ab", 0), (Cut{"ab"}));
  EXPECT_EQ(all("", 0), (Cut{""}));
  EXPECT_EQ(all("", 3), (Cut{""}));
}

}  // namespace
}  // namespace leat::internal
