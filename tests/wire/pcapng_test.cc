#include <gtest/gtest.h>

#include "leat/base/random.h"

#include "tests/wire/traces.h"

namespace leat::wire {
namespace {

using test::block;
using test::Bytes;
using test::enhanced;
using test::interface;
using test::option;
using test::Read;
using test::read_in_pieces;
using test::read_whole;
using test::section;
using Event = TraceReader::Event;

const Bytes kPacket({1, 2, 3, 4, 5});

TEST(Pcapng, EnhancedPacketsInBothByteOrders) {
  for (const bool big : {false, true}) {
    const Read read = read_whole(section(big) + interface(276, 0, {}, big) +
                                 enhanced(kPacket, 1'700'000'000'123'456, 0, 60, big));
    ASSERT_EQ(read.packets.size(), 1u) << read.error;
    EXPECT_EQ(read.last, Event::kEnd);
    EXPECT_EQ(read.packets[0].bytes, kPacket.first(5));
    EXPECT_EQ(read.packets[0].wire_length, 60u);
    EXPECT_EQ(read.packets[0].link, LinkType::kLinuxSll2);
    EXPECT_EQ(read.packets[0].time, 1'700'000'000'123'456'000);
  }
}

TEST(Pcapng, InterfacesHaveTheirOwnLinkTypesAndClocks) {
  const Bytes nanoseconds = option(9, {9}) + option(0, {});
  const Bytes later =
      option(2, {'e', 't', 'h', '0', '1'}) + option(9, {3}) + option(14, Bytes().le32(100).le32(0));
  const Read read = read_whole(section() + interface(1) + interface(101, 0, nanoseconds) +
                               interface(113, 0, later) + enhanced(kPacket, 7, 2) +
                               enhanced(kPacket, 7, 1) + enhanced(kPacket, 7, 0));
  ASSERT_EQ(read.packets.size(), 3u) << read.error;
  EXPECT_EQ(read.packets[0].time, 100'007'000'000);
  EXPECT_EQ(read.packets[0].link, LinkType::kLinuxSll);
  EXPECT_EQ(read.packets[1].time, 7);
  EXPECT_EQ(read.packets[1].link, LinkType::kRaw);
  EXPECT_EQ(read.packets[2].time, 7'000);
}

TEST(Pcapng, ASectionBeginsAnew) {
  const Bytes first = section() + interface(1) + enhanced(kPacket, 1);
  const Bytes second =
      section(true) + interface(101, 0, {}, true) + enhanced(kPacket, 2, 0, 0, true);
  const Read read = read_whole(first + second + first);
  ASSERT_EQ(read.packets.size(), 3u) << read.error;
  EXPECT_EQ(read.packets[1].link, LinkType::kRaw);
  EXPECT_EQ(read.packets[2].time, 1'000);
  const Read without = read_whole(first + section() + enhanced(kPacket, 1));
  EXPECT_EQ(without.error,
            "packet 2 at byte offset 116: a packet of interface 0, and the section has 0");
}

TEST(Pcapng, OtherBlocksAreSkipped) {
  const Read read = read_whole(section() + block(0x0bad'0bad, Bytes().fill(33)) + interface() +
                               block(4, Bytes()) + enhanced(kPacket, 1) + block(5, {1, 2, 3, 4}));
  EXPECT_EQ(read.packets.size(), 1u);
  EXPECT_EQ(read.last, Event::kEnd);
}

TEST(Pcapng, SimplePackets) {
  const Bytes whole = block(3, Bytes().le32(5) + kPacket);
  const Read read = read_whole(section() + interface(1) + whole);
  ASSERT_EQ(read.packets.size(), 1u) << read.error;
  EXPECT_EQ(read.packets[0].bytes, kPacket.first(5));
  EXPECT_FALSE(read.packets[0].has_time);
  const Bytes snapped = block(3, Bytes().le32(1000) + kPacket);
  const Read cut = read_whole(section() + interface(1, 5) + snapped);
  ASSERT_EQ(cut.packets.size(), 1u) << cut.error;
  EXPECT_EQ(cut.packets[0].bytes.size(), 5u);
  EXPECT_EQ(cut.packets[0].wire_length, 1'000u);
  EXPECT_EQ(read_whole(section() + interface(1) + snapped).last, Event::kDamaged);
  EXPECT_EQ(read_whole(section() + whole).last, Event::kDamaged);
}

TEST(Pcapng, ObsoletePackets) {
  Bytes body;
  body.le16(1).le16(9).le32(0).le32(11).le32(5).le32(80).add(kPacket);
  const Read read = read_whole(section() + interface(1) + interface(101) + block(2, body));
  ASSERT_EQ(read.packets.size(), 1u) << read.error;
  EXPECT_EQ(read.packets[0].link, LinkType::kRaw);
  EXPECT_EQ(read.packets[0].time, 11'000);
  EXPECT_EQ(read.packets[0].wire_length, 80u);
}

TEST(Pcapng, DamageIsNamed) {
  const Bytes good = section() + interface() + enhanced(kPacket, 1);
  Bytes unequal = block(6, Bytes().fill(20));
  unequal[unequal.size() - 4] = std::byte{0x20 + 1};
  Bytes captured;
  captured.le32(0).fill(8).le32(6).le32(6).fill(4);
  const struct {
    Bytes bytes;
    const char* error;
  } cases[] = {
      {Bytes().le32(6).le32(13).fill(40),
       "a block of type 0x6 and length 13; a length is a multiple of 4 from 12 to 16777216"},
      {Bytes().le32(6).le32(8).fill(40),
       "a block of type 0x6 and length 8; a length is a multiple of 4 from 12 to 16777216"},
      {Bytes().le32(9).le32(0xffff'fffc).fill(40),
       "a block of type 0x9 and length 4294967292; a length is a multiple of 4 from 12 to "
       "16777216"},
      {unequal, "a block of type 0x6 begins with length 32 and ends with 33"},
      {block(6, captured), "6 captured bytes in a block of 36"},
      {block(6, Bytes().fill(16)), "a packet block of 28 bytes"},
      {block(3, Bytes()), "a simple packet block without a length"},
      {block(1, Bytes().fill(4)), "an interface block of 16 bytes"},
      {interface(1, 0, Bytes().le16(9).le16(5).fill(4)),
       "options of an interface that do not fit into its block"},
      {interface(1, 0, option(9, {1, 2})),
       "options of an interface that do not fit into its block"},
      {enhanced(kPacket, 1, 1), "a packet of interface 1, and the section has 1"},
      {section(false, 2), "pcapng version 2, and only 1 is known"},
      {block(0x0a0d'0d0a, Bytes().fill(16)), "a section of unknown byte order 0x00000000"},
      {block(6, Bytes().fill(40)) + Bytes({6}), "the trace ends after 1 of 12 bytes"},
  };
  for (const auto& c : cases) {
    const Read read = read_whole(good + c.bytes);
    EXPECT_EQ(read.last, Event::kDamaged) << c.error;
    const std::size_t before = read.packets.size();
    EXPECT_GE(before, 1u) << "what was read before counts";
    const std::size_t at = good.size() + (before == 2 ? c.bytes.size() - 1 : 0);
    EXPECT_EQ(read.error, "packet " + std::to_string(before + 1) + " at byte offset " +
                              std::to_string(at) + ": " + c.error);
  }
}

TEST(Pcapng, InterfacesAreBounded) {
  Bytes trace = section();
  for (std::size_t i = 0; i < TraceReader::kMostInterfaces; ++i) trace.add(interface());
  EXPECT_EQ(read_whole(trace).last, Event::kEnd);
  EXPECT_EQ(read_whole(trace + interface()).last, Event::kDamaged);
}

Bytes all_kinds() {
  return section() + interface(1, 64, option(9, {9})) + enhanced(kPacket, 1) +
         block(77, Bytes().fill(21)) + block(3, Bytes().le32(5) + kPacket) + section(true) +
         interface(113, 0, {}, true) + enhanced(Bytes().fill(61, 'p'), 3, 0, 90, true);
}

TEST(Pcapng, WhereItIsCutMakesNoDifference) {
  for (const Bytes& trace : {all_kinds(), all_kinds() + Bytes({1, 2, 3})}) {
    const Read whole = read_whole(trace);
    ASSERT_EQ(whole.packets.size(), 3u);
    for (std::size_t step = 1; step < 80; ++step) EXPECT_EQ(read_in_pieces(trace, step), whole);
  }
}

// For a sanitizer: no change of a trace makes the reader leave it.
TEST(Pcapng, ChangedTracesAreReadOrRefused) {
  constexpr std::uint64_t kSeed = 12;
  SCOPED_TRACE(kSeed);
  Random random(kSeed);
  int damaged = 0;
  for (int round = 0; round < 2'000; ++round) {
    Bytes trace = all_kinds();
    for (auto n = random.uniform(1, 3); n > 0; --n) {
      trace[random.uniform(0, trace.size() - 1)] = static_cast<std::byte>(random() & 0xff);
    }
    const Read whole = read_whole(trace);
    ASSERT_NE(whole.last, Event::kNeedMore);
    ASSERT_EQ(read_in_pieces(trace, 1 + random.uniform(0, 60)), whole);
    if (whole.last == Event::kDamaged) ++damaged;
  }
  EXPECT_GT(damaged, 100);
  EXPECT_LT(damaged, 1'900);
}

}  // namespace
}  // namespace leat::wire
