#include "leat/sys/proc_tables.h"

#include <cerrno>
#include <string>

#include <gtest/gtest.h>

#include "leat/base/random.h"

namespace leat::sys {
namespace {

constexpr std::string_view kInterrupts =
    "           CPU0       CPU2       \n"
    "  0:         25          0   IO-APIC   2-edge      timer\n"
    " 38:          0       7609 PCI-MSIX-0000:00:03.0   1-edge      virtio2-input.0\n"
    " 40:          1          2     GICv2  65 Level     eth0, mmc1\n"
    " 41:          0          0  dummy\n"
    "NMI:          0          0   Non-maskable interrupts\n"
    "ERR:          0\n";

TEST(Interrupts, AreReadWithTheirActions) {
  const auto table = parse_interrupts(kInterrupts);
  ASSERT_TRUE(table) << table.error().message();
  EXPECT_EQ(table->cpus, (std::vector{0, 2})) << "CPU 1 is offline";
  ASSERT_EQ(table->lines.size(), 4u);
  EXPECT_EQ(table->lines[1].number, 38);
  EXPECT_EQ(table->lines[1].counts, (std::vector<std::uint64_t>{0, 7609}));
  EXPECT_EQ(table->lines[1].actions, std::vector<std::string>{"virtio2-input.0"});
  EXPECT_EQ(table->lines[2].actions, (std::vector<std::string>{"eth0", "mmc1"}));
  EXPECT_TRUE(table->lines[3].actions.empty()) << "nobody has asked for it";
}

TEST(Interrupts, SayWhichLineMakesNoSense) {
  const struct {
    const char* text;
    const char* error;
  } kCases[] = {
      {"", "/proc/interrupts line 0: \"\""},
      {"  CPUx\n", "/proc/interrupts line 1: \"  CPUx\""},
      {"  CPU0 CPU1\n 1: 5\n", "/proc/interrupts line 2: \" 1: 5\""},
      {"  CPU0\n 1: -5  x\n", "/proc/interrupts line 2: \" 1: -5  x\""},
      {"  CPU0\nword\n", "/proc/interrupts line 2: \"word\""},
      {"  CPU99999999999\n", "/proc/interrupts line 1: \"  CPU99999999999\""},
  };
  for (const auto& c : kCases) {
    const auto table = parse_interrupts(c.text);
    ASSERT_FALSE(table) << c.text;
    EXPECT_EQ(table.error().context(), c.error);
    EXPECT_EQ(table.error().number(), EBADMSG);
  }
}

TEST(Softnet, NamesTheCpuOfEachLine) {
  // CPU 1 is offline, so the second line is CPU 2's.
  const auto lines = parse_softnet(
      "0000000a 00000001 00000002 00000000 00000000 00000000 00000000 00000000 00000000 00000003 "
      "00000004 00000005 00000000 00000002 00000003\n"
      "ffffffff 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 "
      "00000000 00000000 00000002 00000000 00000000\n");
  ASSERT_TRUE(lines) << lines.error().message();
  ASSERT_EQ(lines->size(), 2u);
  EXPECT_EQ((*lines)[0].processed, 10u);
  EXPECT_EQ((*lines)[0].dropped, 1u);
  EXPECT_EQ((*lines)[0].squeezed, 2u);
  EXPECT_EQ((*lines)[0].received_rps, 3u);
  EXPECT_EQ((*lines)[0].flow_limit, 4u);
  EXPECT_EQ((*lines)[0].input_queue, 2u);
  EXPECT_EQ((*lines)[1].cpu, 2);
  EXPECT_EQ((*lines)[1].processed, 0xffffffffu);
}

TEST(Softnet, WhatAnOldKernelLacksIsAbsent) {
  const auto lines = parse_softnet("0000000a 00000001 00000002 00000000 00000000 00000000\n");
  ASSERT_TRUE(lines);
  EXPECT_EQ((*lines)[0].flow_limit, std::nullopt) << "not 0";
  EXPECT_EQ((*lines)[0].received_rps, std::nullopt);
  EXPECT_FALSE(parse_softnet("0a 01\n"));
  EXPECT_FALSE(parse_softnet("0a 01 xx\n"));
}

TEST(Softirqs, AreByCpu) {
  const auto table = parse_softirqs(
      "                    CPU0       CPU1\n"
      "          HI:          1          0\n"
      "      NET_RX:        120         30\n");
  ASSERT_TRUE(table) << table.error().message();
  ASSERT_EQ(table->lines.size(), 2u);
  EXPECT_EQ(table->lines[1].name, "NET_RX");
  EXPECT_EQ(table->lines[1].counts, (std::vector<std::uint64_t>{120, 30}));
  EXPECT_FALSE(parse_softirqs("CPU0 CPU1\nNET_RX: 1\n"));
}

TEST(ProtocolCounters, AreByProtocolAndName) {
  const auto counters = parse_protocol_counters(
      "Tcp: RtoAlgorithm MaxConn InSegs\nTcp: 1 -1 99\nUdp: InErrors\nUdp: 3\n");
  ASSERT_TRUE(counters) << counters.error().message();
  EXPECT_EQ(find_number(*counters, "Tcp.InSegs"), 99u);
  EXPECT_EQ(find_number(*counters, "Udp.InErrors"), 3u);
  EXPECT_EQ(find_number(*counters, "Tcp.MaxConn"), std::nullopt);
  EXPECT_EQ(find_number(*counters, "Tcp.Nothing"), std::nullopt);
  EXPECT_FALSE(parse_protocol_counters("Tcp: A B\nTcp: 1\n")) << "too few values";
  EXPECT_FALSE(parse_protocol_counters("Tcp: A\nUdp: 1\n"));
  EXPECT_FALSE(parse_protocol_counters("Tcp: A\n"));
  EXPECT_FALSE(parse_protocol_counters("Tcp: A\nTcp: x\n"));
}

TEST(NameValueLines, AreRead) {
  const auto counters = parse_name_value_lines("Ip6InReceives   \t12\nUdp6InErrors 3\n");
  ASSERT_TRUE(counters);
  EXPECT_EQ(find_number(*counters, "Udp6InErrors"), 3u);
  EXPECT_FALSE(parse_name_value_lines("Udp6InErrors\n"));
}

TEST(ProcTables, RandomTextIsReadOrRefused) {
  Random random(12);
  const std::string good(kInterrupts);
  for (int round = 0; round < 5'000; ++round) {
    std::string text = good;
    for (auto n = random.uniform(1, 8); n > 0; --n) {
      text[random.uniform(0, text.size() - 1)] = static_cast<char>(random.uniform(0, 255));
    }
    text.resize(random.uniform(0, text.size()));
    static_cast<void>(parse_interrupts(text));
    static_cast<void>(parse_softirqs(text));
    static_cast<void>(parse_softnet(text));
    static_cast<void>(parse_protocol_counters(text));
    static_cast<void>(parse_name_value_lines(text));
  }
}

}  // namespace
}  // namespace leat::sys
