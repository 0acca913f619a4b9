#include "leat/steering/socket_flow_table.h"

#include <cerrno>

#include <gtest/gtest.h>

namespace leat::steering {
namespace {

using Call = SocketFlowTable::Call;

SocketFlowTable table_of(std::size_t entries, int cpus = 4) {
  SocketFlowTable table(cpus);
  EXPECT_TRUE(table.set_size(entries));
  return table;
}

TEST(SocketFlowTable, KnowsWhoReadsAFlow) {
  SocketFlowTable table = table_of(1024);
  EXPECT_FALSE(table.cpu_of(0x51cc'c178));
  table.on_receive({.hash = 0x51cc'c178, .connected = true}, 3);
  EXPECT_EQ(table.cpu_of(0x51cc'c178), 3u);
  table.on_send({.hash = 0x51cc'c178, .connected = true}, 1);
  EXPECT_EQ(table.cpu_of(0x51cc'c178), 1u);
}

TEST(SocketFlowTable, CountsAWriteOnlyWhereAWordChanges) {
  SocketFlowTable table = table_of(1024);
  const SocketFlowTable::Reader reader{.hash = 0xc626'b0ea, .connected = true};
  table.on_receive(reader, 0);
  table.on_receive(reader, 0);
  table.on_send(reader, 0);
  table.on_sendfile(reader, 2);
  table.on_splice(reader, 3);
  EXPECT_EQ(table.writes(Call::kReceive), 1u);
  EXPECT_EQ(table.writes(Call::kSend), 0u);
  EXPECT_EQ(table.writes(Call::kSendfile), 1u);
  EXPECT_EQ(table.writes(Call::kSplice), 1u);
}

TEST(SocketFlowTable, WithoutConnectionOrHashNothingIsRecorded) {
  SocketFlowTable table = table_of(1024);
  table.on_receive({.hash = 0x51cc'c178, .connected = false}, 1);
  EXPECT_FALSE(table.cpu_of(0x51cc'c178));
  table.on_receive({.hash = 0, .connected = true}, 1);
  EXPECT_EQ(table.writes(Call::kReceive), 0u);
  SocketFlowTable off(4);
  off.on_receive({.hash = 1, .connected = true}, 1);
  EXPECT_FALSE(off.cpu_of(1));
}

// 1024 slots take the low ten bits, four CPUs the low two: all bits above those tell flows apart.
TEST(SocketFlowTable, AnotherFlowOfTheSlotIsToldApart) {
  SocketFlowTable table = table_of(1024);
  table.on_receive({.hash = 0x51cc'c178, .connected = true}, 3);
  EXPECT_FALSE(table.cpu_of(0x51cc'c578)) << "same slot, other bits above";
  EXPECT_FALSE(table.cpu_of(0x51cc'c17c)) << "another slot";
  table.on_receive({.hash = 0x51cc'c578, .connected = true}, 1);
  EXPECT_FALSE(table.cpu_of(0x51cc'c178)) << "the last writer has the slot";
  EXPECT_EQ(table.cpu_of(0x51cc'c578), 1u);
}

TEST(SocketFlowTable, CpuBitsGrowWithTheCpus) {
  SocketFlowTable table = table_of(4, 200);  // 8 bits, more than the slot takes
  table.on_receive({.hash = 0xabcd'ef01, .connected = true}, 199);
  EXPECT_EQ(table.cpu_of(0xabcd'ef01), 199u);
  EXPECT_EQ(table.cpu_of(0xabcd'ef05), 199u) << "the CPU's bits hide the difference";
  EXPECT_FALSE(table.cpu_of(0xabcd'f001));
}

// The kernel's own blind spot: an empty word is 0xffff, and some hashes begin so.
TEST(SocketFlowTable, AnEmptyWordCanBeMistaken) {
  const SocketFlowTable table = table_of(1024, 3);
  EXPECT_EQ(table.cpu_of(0x0000'fffd), 3u) << "beyond the last CPU, so steer() falls to RPS";
}

TEST(SocketFlowTable, SizesAreRoundedUpAndWritingOneEmptiesTheTable) {
  SocketFlowTable table = table_of(1000);
  EXPECT_EQ(table.size(), 1024u);
  table.on_receive({.hash = 0x51cc'c178, .connected = true}, 3);
  ASSERT_TRUE(table.set_size(1024));
  EXPECT_FALSE(table.cpu_of(0x51cc'c178)) << "the same size again";
  ASSERT_TRUE(table.set_size(0));
  EXPECT_TRUE(table.empty());
  EXPECT_FALSE(table.cpu_of(0x51cc'c178));
  const auto refused = table.set_size(SocketFlowTable::kMaxEntries + 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().number(), EINVAL);
}

}  // namespace
}  // namespace leat::steering
