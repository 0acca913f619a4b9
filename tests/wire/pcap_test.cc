#include <algorithm>
#include <cerrno>

#include <gtest/gtest.h>

#include "tests/wire/traces.h"

namespace leat::wire {
namespace {

using test::Bytes;
using test::pcap_header;
using test::pcap_record;
using test::Read;
using test::read_in_pieces;
using test::read_whole;
using Event = TraceReader::Event;

const Bytes kPacket({1, 2, 3, 4, 5});

TEST(Pcap, BothByteOrdersAndBothUnitsOfTime) {
  for (const bool big_endian : {false, true}) {
    for (const bool nanoseconds : {false, true}) {
      const Read read = read_whole(
          pcap_header({.big_endian = big_endian, .nanoseconds = nanoseconds, .link = 113}) +
          pcap_record(kPacket, 1'700'000'000, 123'456, 60, big_endian) +
          pcap_record(Bytes(), 0xffff'ffff, 999'999, 0, big_endian));
      ASSERT_EQ(read.packets.size(), 2u) << read.error;
      EXPECT_EQ(read.last, Event::kEnd);
      EXPECT_EQ(read.packets[0].bytes, kPacket.first(5));
      EXPECT_EQ(read.packets[0].wire_length, 60u);
      EXPECT_EQ(read.packets[0].link, LinkType::kLinuxSll);
      EXPECT_EQ(read.packets[0].time,
                1'700'000'000'000'000'000 + (nanoseconds ? 123'456 : 123'456'000));
      EXPECT_TRUE(read.packets[0].has_time);
      EXPECT_EQ(read.packets[1].time,
                4'294'967'295'000'000'000 + (nanoseconds ? 999'999 : 999'999'000));
    }
  }
}

TEST(Pcap, ATraceWithoutPackets) {
  const Read read = read_whole(pcap_header());
  EXPECT_EQ(read.last, Event::kEnd);
  EXPECT_TRUE(read.packets.empty());
  EXPECT_EQ(read.offset, 24u);
}

TEST(Pcap, TheLinkTypeIsTheLowerHalf) {
  const Read read = read_whole(pcap_header({.link = 0x5400'0001}) + pcap_record(kPacket, 0, 0, 5));
  ASSERT_EQ(read.packets.size(), 1u);
  EXPECT_EQ(read.packets[0].link, LinkType::kEthernet);
}

TEST(Pcap, APacketIsNeverShorterThanItsCapturedPart) {
  const Read read = read_whole(pcap_header() + pcap_record(kPacket, 0, 0, 3));
  ASSERT_EQ(read.packets.size(), 1u);
  EXPECT_EQ(read.packets[0].wire_length, 5u);
}

TEST(Pcap, DamageNamesThePacketAndTheOffset) {
  const Bytes two = pcap_header() + pcap_record(kPacket, 1, 0, 5) + pcap_record(kPacket, 2, 0, 5);
  const Read cut = read_whole(two + Bytes({1, 2, 3}));
  EXPECT_EQ(cut.last, Event::kDamaged);
  EXPECT_EQ(cut.packets.size(), 2u) << "what was read before counts";
  EXPECT_EQ(cut.error, "packet 3 at byte offset 66: the trace ends after 3 of 16 bytes");
  const Read inside = read_whole(two + Bytes().fill(8).le32(100).le32(100).fill(20));
  EXPECT_EQ(inside.error, "packet 3 at byte offset 66: the trace ends after 36 of 116 bytes");
  const Read long_one = read_whole(two + Bytes().fill(8).le32(0x7fff'ffff).le32(9).fill(20));
  EXPECT_EQ(long_one.error,
            "packet 3 at byte offset 66: 2147483647 captured bytes, and a packet has at most "
            "16777200");
  EXPECT_EQ(long_one.packets.size(), 2u);
}

TEST(Pcap, WhatIsNoTraceIsSaidAtOnce) {
  const struct {
    Bytes bytes;
    const char* error;
  } cases[] = {
      {Bytes(), "packet 1 at byte offset 0: the trace is empty"},
      {Bytes({0xd4, 0xc3}), "packet 1 at byte offset 0: the trace ends at once"},
      {Bytes({0xd4, 0xc3, 0xb2, 0xa1}),
       "packet 1 at byte offset 0: the trace ends after 4 of 24 bytes"},
      {Bytes({'G', 'E', 'T', ' '}), "packet 1 at byte offset 0: neither pcap nor pcapng"},
      {Bytes({0x1f, 0x8b, 8, 0}), "packet 1 at byte offset 0: compressed by gzip: unpack it first"},
      {pcap_header({.minor = 3}),
       "packet 1 at byte offset 0: pcap version 2.3, and only 2.4 is known"},
  };
  for (const auto& c : cases) {
    const Read read = read_whole(c.bytes);
    EXPECT_EQ(read.last, Event::kDamaged);
    EXPECT_EQ(read.error, c.error);
  }
}

TEST(Pcap, ErrorsHaveNumbersAndStay) {
  TraceReader reader;
  const Bytes text({'G', 'E', 'T', ' '});
  ASSERT_EQ(reader.next(text.view(), true), Event::kDamaged);
  EXPECT_EQ(reader.error().number(), ENOTSUP);
  ASSERT_EQ(reader.next(pcap_header().view(), true), Event::kDamaged);
  EXPECT_EQ(reader.consumed(), 0u);
  TraceReader other;
  ASSERT_EQ(other.next({}, true), Event::kDamaged);
  EXPECT_EQ(other.error().number(), EBADMSG);
}

TEST(Pcap, WhereItIsCutMakesNoDifference) {
  Bytes trace = pcap_header({.big_endian = true});
  for (int i = 0; i < 20; ++i) {
    const auto size = static_cast<std::size_t>(i) * 7;
    trace.add(pcap_record(Bytes().fill(size, i), static_cast<std::uint32_t>(i), 5, 90, true));
  }
  for (const Bytes& bytes : {trace, trace + Bytes().fill(5)}) {
    const Read whole = read_whole(bytes);
    ASSERT_EQ(whole.packets.size(), 20u);
    for (std::size_t step = 1; step < 40; ++step) EXPECT_EQ(read_in_pieces(bytes, step), whole);
  }
}

TEST(Pcap, EveryCutKeepsThePacketsBeforeIt) {
  const Bytes trace =
      pcap_header() + pcap_record(kPacket, 1, 0, 5) + pcap_record(Bytes().fill(9), 2, 0, 9);
  for (std::size_t size = 0; size < trace.size(); ++size) {
    const std::vector<std::byte> cut = trace.first(size);
    TraceReader reader;
    std::span<const std::byte> rest(cut);
    Event event = reader.next(rest, true);
    while (event == Event::kPacket) {
      rest = rest.subspan(reader.consumed());
      event = reader.next(rest, true);
    }
    EXPECT_EQ(reader.packets(), size < 45 ? 0u : 1u);
    EXPECT_EQ(event, size == 24 || size == 45 ? Event::kEnd : Event::kDamaged) << size;
  }
}

}  // namespace
}  // namespace leat::wire
