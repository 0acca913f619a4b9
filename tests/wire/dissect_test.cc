#include "leat/wire/dissect.h"

#include <ostream>
#include <vector>

#include <gtest/gtest.h>

#include "leat/base/random.h"

#include "tests/wire/bytes.h"

namespace leat::wire {

std::ostream& operator<<(std::ostream& out, DissectFault fault) {
  return out << to_string(fault);
}

namespace {

using test::Bytes;
using test::ethernet;
using test::ipv4;
using test::ipv6;
using test::tcp;
using test::udp;

constexpr int kIpv4Type = 0x0800;
constexpr int kIpv6Type = 0x86dd;

DissectFault fault_of(const Bytes& frame, LinkType link = LinkType::kEthernet) {
  Dissection found;
  return dissect(frame.view(), frame.size(), link, found);
}

Dissection dissected(const Bytes& frame, LinkType link = LinkType::kEthernet) {
  Dissection found;
  EXPECT_EQ(dissect(frame.view(), frame.size(), link, found), DissectFault::kNone);
  return found;
}

/// A header of options with `next` behind it.
Bytes options(int next, int eights = 1) {
  return Bytes({next, eights - 1}).fill(static_cast<std::size_t>(eights) * 8 - 2);
}
Bytes authentication(int next, int words = 6) {
  return Bytes({next, words - 2}).fill(static_cast<std::size_t>(words) * 4 - 2);
}

TEST(Dissect, UdpOverIpv4) {
  const Dissection found = dissected(ethernet(kIpv4Type) + ipv4(udp(1234, 53)));
  FlowKey expected{.version = IpVersion::kV4,
                   .protocol = 17,
                   .has_ports = true,
                   .source_port = 1234,
                   .destination_port = 53,
                   .source = {192, 0, 2, 1},
                   .destination = {198, 51, 100, 2}};
  EXPECT_EQ(found.key, expected);
  EXPECT_EQ(found.network_offset, 14u);
  EXPECT_EQ(found.transport_offset, 34u);
  EXPECT_FALSE(found.fragment);
  EXPECT_FALSE(found.outgoing);
}

TEST(Dissect, TcpOverIpv6) {
  const Dissection found = dissected(ethernet(kIpv6Type) + ipv6(6, tcp(40000, 443)));
  EXPECT_EQ(found.key.version, IpVersion::kV6);
  EXPECT_EQ(found.key.protocol, 6);
  EXPECT_EQ(found.key.source,
            (std::array<std::uint8_t, 16>{0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}));
  EXPECT_EQ(found.key.destination[15], 2);
  EXPECT_EQ(found.key.source_port, 40000);
  EXPECT_EQ(found.key.destination_port, 443);
  EXPECT_EQ(found.transport_offset, 54u);
}

TEST(Dissect, WhatWasFoundBeforeDoesNotCount) {
  Dissection found;
  const Bytes first = ethernet(kIpv6Type) + ipv6(6, tcp(40000, 443));
  ASSERT_EQ(dissect(first.view(), found), DissectFault::kNone);
  const Bytes second = ethernet(kIpv4Type) + ipv4(Bytes({1, 2, 3, 4}), {.protocol = 1});
  ASSERT_EQ(dissect(second.view(), found), DissectFault::kNone);
  EXPECT_EQ(found.key, dissected(second).key);
  EXPECT_FALSE(found.key.has_ports);
  EXPECT_EQ(found.key.source_port, 0);
  EXPECT_EQ(found.key.source[4], 0);
}

TEST(Dissect, VlanTags) {
  const Bytes inner = Bytes({0, 7, 0x08, 0x00}) + ipv4(udp(1, 2));
  EXPECT_EQ(dissected(ethernet(0x8100) + inner).network_offset, 18u);
  EXPECT_EQ(dissected(ethernet(0x88a8) + Bytes({0, 9, 0x81, 0}) + inner).network_offset, 22u);
  EXPECT_EQ(dissected(ethernet(0x9100) + Bytes({0, 9, 0x81, 0}) + inner).key.source_port, 1);
  const Bytes tag({0, 9, 0x81, 0});
  EXPECT_EQ(dissected(ethernet(0x8100) + tag + tag + tag + inner).network_offset, 30u);
  EXPECT_EQ(fault_of(ethernet(0x8100) + tag + tag + tag + tag + inner),
            DissectFault::kTooManyVlanTags);
  EXPECT_EQ(fault_of(ethernet(0x8100) + Bytes({0, 9, 0x81})), DissectFault::kTruncatedLink);
}

TEST(Dissect, OtherFramesAreNotIp) {
  EXPECT_EQ(fault_of(ethernet(0x0806) + Bytes().fill(28)), DissectFault::kNotIp) << "ARP";
  EXPECT_EQ(fault_of(ethernet(0x0026) + Bytes().fill(38)), DissectFault::kNotIp) << "LLC";
  EXPECT_EQ(fault_of(ethernet(0x8100) + Bytes({0, 1, 8, 6})), DissectFault::kNotIp);
  EXPECT_EQ(fault_of(ethernet(kIpv4Type) + ipv4(udp(1, 2)), static_cast<LinkType>(147)),
            DissectFault::kUnknownLink);
}

TEST(Dissect, CookedCaptures) {
  const Bytes packet = ipv4(udp(5, 6));
  const Bytes sll = Bytes({0, 0, 0, 1, 0, 6}).fill(8) + Bytes({8, 0}) + packet;
  EXPECT_EQ(dissected(sll, LinkType::kLinuxSll).network_offset, 16u);
  EXPECT_FALSE(dissected(sll, LinkType::kLinuxSll).outgoing);
  const Bytes sent = Bytes({0, 4, 0, 1, 0, 6}).fill(8) + Bytes({8, 0}) + packet;
  EXPECT_TRUE(dissected(sent, LinkType::kLinuxSll).outgoing);
  const Bytes tagged = Bytes({0, 0, 0, 1, 0, 6}).fill(8) + Bytes({0x81, 0, 0, 5, 8, 0}) + packet;
  EXPECT_EQ(dissected(tagged, LinkType::kLinuxSll).network_offset, 20u);

  const Bytes sll2 = Bytes({8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6}).fill(8) + packet;
  EXPECT_EQ(dissected(sll2, LinkType::kLinuxSll2).network_offset, 20u);
  EXPECT_FALSE(dissected(sll2, LinkType::kLinuxSll2).outgoing);
  const Bytes sent2 = Bytes({8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 4, 6}).fill(8) + packet;
  EXPECT_TRUE(dissected(sent2, LinkType::kLinuxSll2).outgoing);

  EXPECT_EQ(fault_of(Bytes().fill(15), LinkType::kLinuxSll), DissectFault::kTruncatedLink);
  EXPECT_EQ(fault_of(Bytes().fill(19), LinkType::kLinuxSll2), DissectFault::kTruncatedLink);
}

TEST(Dissect, RawIp) {
  const Bytes four = ipv4(udp(5, 6));
  const Bytes six = ipv6(17, udp(5, 6));
  EXPECT_EQ(dissected(four, LinkType::kRaw).transport_offset, 20u);
  EXPECT_EQ(dissected(six, LinkType::kRaw).key.version, IpVersion::kV6);
  EXPECT_EQ(dissected(six, LinkType::kRawBsd).key.version, IpVersion::kV6);
  EXPECT_EQ(dissected(four, LinkType::kIpv4).key.source_port, 5);
  EXPECT_EQ(dissected(six, LinkType::kIpv6).key.source_port, 5);
  EXPECT_EQ(fault_of(six, LinkType::kIpv4), DissectFault::kBadIpVersion);
  EXPECT_EQ(fault_of(four, LinkType::kIpv6), DissectFault::kBadIpVersion);
  EXPECT_EQ(fault_of(Bytes({0x50}), LinkType::kRaw), DissectFault::kBadIpVersion);
  for (const LinkType link : {LinkType::kRaw, LinkType::kIpv4, LinkType::kIpv6}) {
    EXPECT_EQ(fault_of(Bytes(), link), DissectFault::kTruncatedIp);
  }
}

TEST(Dissect, Ipv4HeaderLengths) {
  EXPECT_EQ(dissected(ethernet(kIpv4Type) + ipv4(udp(8, 9), {.options = 40})).key.source_port, 8);
  Bytes frame = ethernet(kIpv4Type) + ipv4(udp(8, 9));
  frame[14] = std::byte{0x44};
  EXPECT_EQ(fault_of(frame), DissectFault::kBadIpHeaderLength);
  frame[14] = std::byte{0x65};
  EXPECT_EQ(fault_of(frame), DissectFault::kBadIpVersion);
  EXPECT_EQ(fault_of(ethernet(kIpv4Type) + ipv4(udp(8, 9), {.length = 19})),
            DissectFault::kBadIpLength);
  EXPECT_EQ(fault_of(ethernet(kIpv4Type) + ipv4(udp(8, 9), {.length = 33})),
            DissectFault::kBadIpLength)
      << "longer than the frame";
  EXPECT_EQ(dissected(ethernet(kIpv4Type) + ipv4(udp(8, 9), {.length = 0})).key.source_port, 8)
      << "an own packet before its segmentation";
}

TEST(Dissect, PaddingOfTheLinkIsNotPartOfThePacket) {
  const Bytes padded = ethernet(kIpv4Type) + ipv4(Bytes(), {.length = 20}) + Bytes().fill(26);
  EXPECT_EQ(fault_of(padded), DissectFault::kTruncatedTransport);
  const Bytes header = udp(8, 9, 0);
  EXPECT_EQ(dissected(ethernet(kIpv4Type) + ipv4(header) + Bytes().fill(18)).key.source_port, 8);
  EXPECT_EQ(fault_of(ethernet(kIpv6Type) + ipv6(60, options(17) + udp(1, 2), 8)),
            DissectFault::kTruncatedTransport);
  EXPECT_EQ(fault_of(ethernet(kIpv6Type) + ipv6(60, options(17) + udp(1, 2), 4)),
            DissectFault::kTruncatedExtension);
}

TEST(Dissect, FragmentsHaveNoPorts) {
  for (const int fragment : {0x2000, 0x2001, 0x0001, 0x1fff}) {
    const Dissection found =
        dissected(ethernet(kIpv4Type) + ipv4(udp(8, 9), {.fragment = fragment}));
    EXPECT_TRUE(found.fragment);
    EXPECT_FALSE(found.key.has_ports);
    EXPECT_EQ(found.key.source_port, 0);
    EXPECT_EQ(found.key.protocol, 17);
    EXPECT_EQ(found.transport_offset, 34u);
  }
  EXPECT_TRUE(dissected(ethernet(kIpv4Type) + ipv4(udp(8, 9), {.fragment = 0x4000})).key.has_ports)
      << "'do not fragment' is no fragment";
}

TEST(Dissect, Ipv6Fragments) {
  // First, middle, atomic: one flow, whatever the piece begins with.
  const Bytes first = ipv6(44, Bytes({60, 0, 0, 1, 0, 0, 0, 9}) + options(17) + udp(8, 9));
  const Bytes middle = ipv6(44, Bytes({60, 0, 1, 0x41, 0, 0, 0, 9}) + Bytes().fill(16, 'x'));
  const Bytes atomic = ipv6(44, Bytes({60, 0, 0, 0, 0, 0, 0, 9}) + options(17) + udp(8, 9));
  for (const Bytes& packet : {first, middle, atomic}) {
    const Dissection found = dissected(ethernet(kIpv6Type) + packet);
    EXPECT_TRUE(found.fragment);
    EXPECT_EQ(found.key, dissected(ethernet(kIpv6Type) + first).key);
    EXPECT_FALSE(found.key.has_ports);
    EXPECT_EQ(found.key.protocol, 60);
    EXPECT_EQ(found.transport_offset, 62u);
  }
}

TEST(Dissect, Ipv6ExtensionHeaders) {
  const Bytes all = options(60) + options(43, 2) + options(51, 4) + authentication(60, 6) +
                    options(6, 3) + tcp(1000, 2000);
  const Dissection found = dissected(ethernet(kIpv6Type) + ipv6(0, all));
  EXPECT_EQ(found.key.protocol, 6);
  EXPECT_EQ(found.key.source_port, 1000);
  EXPECT_EQ(found.key.destination_port, 2000);
  EXPECT_EQ(found.transport_offset, 54u + 8 + 16 + 32 + 24 + 24);
  EXPECT_EQ(dissected(ethernet(kIpv6Type) + ipv6(59, Bytes())).key.protocol, 59) << "no next";
}

TEST(Dissect, IllegalExtensionHeaders) {
  EXPECT_EQ(fault_of(ethernet(kIpv6Type) + ipv6(60, options(0) + options(17) + udp(1, 2))),
            DissectFault::kBadExtension)
      << "hop-by-hop options that are not first";
  EXPECT_EQ(fault_of(ethernet(kIpv6Type) + ipv6(51, authentication(17, 2).fill(8) + udp(1, 2))),
            DissectFault::kBadExtension);
  EXPECT_EQ(fault_of(ethernet(kIpv6Type) + ipv6(60, Bytes({17, 200}).fill(30))),
            DissectFault::kTruncatedExtension);
  EXPECT_EQ(fault_of(ethernet(kIpv6Type) + ipv6(51, Bytes({17, 200}).fill(30))),
            DissectFault::kTruncatedExtension);
  EXPECT_EQ(fault_of(ethernet(kIpv6Type) + ipv6(44, Bytes({17, 0, 0, 1, 0, 0, 0}))),
            DissectFault::kTruncatedExtension);
}

TEST(Dissect, ExtensionHeadersAreBounded) {
  const auto chain = [](int count) {
    Bytes headers;
    for (int i = 1; i < count; ++i) headers.add(options(60));
    return ethernet(kIpv6Type) + ipv6(60, headers + options(17) + udp(1, 2));
  };
  EXPECT_EQ(dissected(chain(kMostExtensions)).key.source_port, 1);
  EXPECT_EQ(fault_of(chain(kMostExtensions + 1)), DissectFault::kTooManyExtensions);
  Bytes headers;
  for (int i = 0; i < 16; ++i) headers.add(authentication(51));
  EXPECT_EQ(fault_of(ethernet(kIpv4Type) + ipv4(headers + udp(1, 2), {.protocol = 51})),
            DissectFault::kTooManyExtensions);
}

TEST(Dissect, AuthenticationHeaderOverIpv4) {
  const Dissection found =
      dissected(ethernet(kIpv4Type) + ipv4(authentication(6) + tcp(22, 33), {.protocol = 51}));
  EXPECT_EQ(found.key.protocol, 6);
  EXPECT_EQ(found.key.destination_port, 33);
  EXPECT_EQ(found.transport_offset, 34u + 24);
}

TEST(Dissect, OnlyTcpAndUdpHavePorts) {
  for (const int protocol : {0, 1, 4, 41, 47, 50, 58, 89, 132}) {
    const Dissection found =
        dissected(ethernet(kIpv4Type) + ipv4(udp(8, 9), {.protocol = protocol}));
    EXPECT_FALSE(found.key.has_ports);
    EXPECT_EQ(found.key.protocol, protocol);
  }
}

TEST(Dissect, TransportLengths) {
  Bytes frame = ethernet(kIpv4Type) + ipv4(udp(8, 9, 10));
  frame[39] = std::byte{7};
  EXPECT_EQ(fault_of(frame), DissectFault::kBadTransportLength);
  frame[39] = std::byte{19};
  EXPECT_EQ(fault_of(frame), DissectFault::kBadTransportLength) << "more than IP carries";
  frame[39] = std::byte{0};
  EXPECT_EQ(fault_of(frame), DissectFault::kNone) << "a jumbogram's";
  frame = ethernet(kIpv4Type) + ipv4(tcp(8, 9), {.protocol = 6});
  frame[46] = std::byte{0x40};
  EXPECT_EQ(fault_of(frame), DissectFault::kBadTransportLength);
  frame[46] = std::byte{0x70};
  EXPECT_EQ(fault_of(frame), DissectFault::kBadTransportLength);
  frame[46] = std::byte{0x60};
  EXPECT_EQ(fault_of(frame), DissectFault::kNone);
  EXPECT_EQ(fault_of(ethernet(kIpv4Type) + ipv4(Bytes().fill(19), {.protocol = 6})),
            DissectFault::kTruncatedTransport);
}

TEST(Dissect, SnappedFramesNeedTheirPortsOnly) {
  const Bytes frame = ethernet(kIpv6Type) + ipv6(6, tcp(40000, 443, 1000));
  Dissection found;
  ASSERT_EQ(dissect(frame.view().first(58), frame.size(), LinkType::kEthernet, found),
            DissectFault::kNone);
  EXPECT_EQ(found.key, dissected(frame).key);
  EXPECT_EQ(dissect(frame.view().first(57), frame.size(), LinkType::kEthernet, found),
            DissectFault::kTruncatedTransport);
  const Bytes fragment = ethernet(kIpv4Type) + ipv4(udp(8, 9), {.fragment = 0x2000});
  EXPECT_EQ(dissect(fragment.view().first(34), fragment.size(), LinkType::kEthernet, found),
            DissectFault::kNone);
}

std::vector<Bytes> many_kinds() {
  return {ethernet(kIpv4Type) + ipv4(udp(1, 2), {.options = 8}),
          ethernet(0x88a8) + Bytes({0, 1, 0x81, 0, 0, 2, 8, 0}) + ipv4(tcp(3, 4), {.protocol = 6}),
          ethernet(kIpv4Type) + ipv4(authentication(17) + udp(1, 2), {.protocol = 51}),
          ethernet(kIpv6Type) + ipv6(0, options(43) + options(60, 2) + options(6) + tcp(5, 6)),
          ethernet(kIpv6Type) + ipv6(60, options(44) + Bytes({17, 0, 0, 1, 0, 0, 0, 9}))};
}

// Cut at every byte: an error before the end of the headers, the same flow behind it. Cut means
// both "not captured" and "not there".
TEST(Dissect, EveryCutIsAnErrorOrTheSameFlow) {
  for (const Bytes& frame : many_kinds()) {
    const Dissection whole = dissected(frame);
    const std::size_t needed = whole.transport_offset + (whole.key.has_ports ? 4u : 0u);
    for (std::size_t size = 0; size < frame.size(); ++size) {
      const std::vector<std::byte> cut = frame.first(size);
      Dissection found;
      EXPECT_NE(dissect(cut, found), DissectFault::kNone) << "IP says it is longer";
      const DissectFault fault = dissect(cut, frame.size(), LinkType::kEthernet, found);
      EXPECT_EQ(fault == DissectFault::kNone, size >= needed) << size << ": " << to_string(fault);
      if (fault == DissectFault::kNone) {
        EXPECT_EQ(found.key, whole.key);
      }
    }
  }
}

// For a sanitizer, and for the promises that hold of every result.
TEST(Dissect, ChangedFramesAreReadOrRefused) {
  constexpr std::uint64_t kSeed = 11;
  SCOPED_TRACE(kSeed);
  Random random(kSeed);
  const std::vector<Bytes> kinds = many_kinds();
  int read = 0;
  int refused = 0;
  for (int round = 0; round < 100'000; ++round) {
    const Bytes& kind = kinds[random.uniform(0, kinds.size() - 1)];
    std::vector<std::byte> frame = kind.first(random.uniform(0, kind.size()));
    for (auto n = random.uniform(0, 3); n > 0 && !frame.empty(); --n) {
      frame[random.uniform(0, frame.size() - 1)] = static_cast<std::byte>(random() & 0xff);
    }
    Dissection found;
    const std::size_t wire_length = frame.size() + random.uniform(0, 40);
    const DissectFault fault = dissect(frame, wire_length, LinkType::kEthernet, found);
    ASSERT_LE(found.transport_offset, frame.size());
    ASSERT_LE(found.network_offset, frame.size());
    fault == DissectFault::kNone ? ++read : ++refused;
    if (fault == DissectFault::kNone && found.key.has_ports) {
      ASSERT_LE(found.transport_offset + 4, frame.size());
      ASSERT_TRUE(found.key.protocol == 6 || found.key.protocol == 17);
    }
  }
  EXPECT_GT(read, 1'000);
  EXPECT_GT(refused, 1'000);
}

TEST(Dissect, EveryFaultHasAName) {
  for (int i = 0; i <= static_cast<int>(DissectFault::kBadTransportLength); ++i) {
    EXPECT_NE(to_string(static_cast<DissectFault>(i)), "an unknown fault");
  }
}

}  // namespace
}  // namespace leat::wire
