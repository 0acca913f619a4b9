#include "leat/sys/replay_machine.h"

#include <cerrno>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "leat/sys/driver.h"
#include "leat/sys/ethtool.h"
#include "leat/sys/links.h"
#include "leat/sys/napi.h"
#include "leat/sys/recording_machine.h"
#include "leat/sys/sockets.h"

namespace leat::sys {
namespace {

constexpr const char* kQueues = "/sys/class/net/eth0/queues/";

/// Four CPUs, CPU 3 isolated, a card with two of four queues in use and an indirection table of 8.
constexpr std::string_view kMachine = R"({
 "format": "leat-machine 1", "label": "constructed for this test",
 "files": {
  "/sys/devices/system/cpu/online": "0-3\n",
  "/sys/class/net/eth0/queues/rx-0/rps_cpus": "0\n",
  "/sys/class/net/eth0/queues/rx-0/rps_flow_cnt": "0\n",
  "/sys/class/net/eth0/queues/rx-1/rps_cpus": "0\n",
  "/sys/class/net/eth0/queues/rx-1/rps_flow_cnt": "0\n",
  "/sys/class/net/eth0/queues/tx-0/xps_cpus": "0\n",
  "/sys/class/net/eth0/queues/tx-1/xps_cpus": "0\n",
  "/sys/class/net/eth0/operstate": "up\n",
  "/sys/class/net/eth0/secret": {"error": 13, "message": "open secret"},
  "/proc/sys/net/core/rps_sock_flow_entries": "0\n",
  "/proc/interrupts": ["      CPU0 CPU1", "  1:  0 0  x"],
  "/proc/irq/30/smp_affinity_list": "0-3\n",
  "/proc/irq/30/effective_affinity_list": "2\n",
  "/proc/irq/31/smp_affinity_list": "1\n"},
 "links": {"/sys/class/net/eth0/device": "../../../0000:00:03.0"},
 "netlink": {
  "route": {"links": [{"index": 2, "flags": 4163, "ifname": "eth0", "mtu": 1500,
                       "linkinfo": {"kind": "veth"}, "stats64": "0500000000000000"}],
            "addresses": [{"index": 2, "family": 2, "prefix": 24, "local": "0a000001"}]},
  "ethtool": {"eth0": {
    "rings": {"rx-max": 4096, "tx-max": 4096, "rx": 1024, "tx": 512},
    "channels": {"combined-max": 4, "combined-count": 2},
    "coalesce": {"rx-usecs": 8, "use-adaptive-rx": 1},
    "features": {"hw": ["rx-gro", "rx-ntuple-filter"], "wanted": ["rx-gro"],
                 "active": ["rx-gro", "fixed"], "nochange": ["fixed"]},
    "rss": {"hfunc": 1, "indir": [0, 1, 0, 1, 0, 1, 0, 1], "hkey": "0102"}}},
  "netdev": {"2": {"napis": [{"id": 70, "irq": 30, "threaded": 0}],
                   "queues": [{"id": 0, "type": 0, "napi-id": 70}, {"id": 0, "type": 1}],
                   "qstats": [{"queue-type": 0, "queue-id": 0, "rx-packets": 12}]}},
  "sockets": {"tcp4": [{"family": 2, "state": 10, "source": "00000000", "source-port": 80,
                        "cookie": 18446744073709551615, "inode": 7, "send-queue": 128,
                        "skmeminfo": [0, 1000, 0, 0, 0, 0, 0, 0, 3]}]}},
 "ioctl": {"eth0": {"driver": {"driver": "demo", "bus": "0000:00:03.0"},
                    "statistics": {"names": ["rx0_packets", "rx0_drops"], "values": [5, 6]},
                    "ntuple": {"capacity": 16, "rules": {}}}},
 "behaviour": {"housekeeping": "0-2", "ring_multiple": 32}
})";

std::unique_ptr<ReplayMachine> machine() {
  auto parsed = ReplayMachine::parse(kMachine);
  EXPECT_TRUE(parsed) << parsed.error().message();
  return *std::move(parsed);
}

int number_of(const Result<void>& result) {
  return result ? 0 : result.error().number();
}

TEST(Replay, AnswersGoThroughTheSameReaders) {
  const auto m = machine();
  EXPECT_EQ(m->label(), "constructed for this test");
  const auto links = read_links(*m);
  ASSERT_TRUE(links) << links.error().message();
  ASSERT_EQ(links->size(), 1u);
  EXPECT_EQ((*links)[0].name, "eth0");
  EXPECT_EQ((*links)[0].kind, "veth");
  EXPECT_EQ((*links)[0].mtu, 1500u);
  EXPECT_EQ((*links)[0].addresses, std::vector<std::string>{"10.0.0.1/24"});
  EXPECT_EQ((*links)[0].statistics, (NamedNumbers{{"rx_packets", 5}}));
  const auto rings = read_rings(*m, "eth0");
  ASSERT_TRUE(rings) << rings.error().message();
  EXPECT_EQ(rings->rx, 1024u);
  EXPECT_EQ(rings->rx_max, 4096u);
  EXPECT_EQ(rings->rx_jumbo, std::nullopt);
  EXPECT_EQ(*read_coalesce(*m, "eth0"), (NamedNumbers{{"rx-usecs", 8}, {"use-adaptive-rx", 1}}));
  const auto rss = read_rss(*m, "eth0");
  ASSERT_TRUE(rss);
  EXPECT_EQ(rss->table.size(), 8u);
  EXPECT_EQ(rss->key, (std::vector<std::uint8_t>{1, 2}));
  const auto features = read_features(*m, "eth0");
  ASSERT_TRUE(features);
  ASSERT_EQ(features->size(), 3u);
  EXPECT_EQ((*features)[0].name, "fixed");
  EXPECT_TRUE((*features)[0].active);
  EXPECT_FALSE((*features)[0].changeable);
  EXPECT_TRUE((*features)[1].wanted);
  EXPECT_FALSE((*features)[2].active);
}

TEST(Replay, QueuesSocketsAndTheDriver) {
  const auto m = machine();
  const auto napis = read_napis(*m, 2);
  ASSERT_TRUE(napis);
  EXPECT_EQ((*napis)[0].irq, 30);
  EXPECT_EQ((*napis)[0].pid, std::nullopt);
  const auto queues = read_queues(*m, 2);
  ASSERT_TRUE(queues);
  EXPECT_EQ((*queues)[0].napi_id, 70u);
  EXPECT_EQ((*queues)[1].direction, QueueDirection::kTransmit);
  EXPECT_EQ((*read_queue_statistics(*m, 2))[0].numbers, (NamedNumbers{{"rx-packets", 12}}));
  EXPECT_EQ(read_napis(*m, 3).error().number(), EOPNOTSUPP);
  const auto sockets = read_sockets(*m);
  ASSERT_TRUE(sockets);
  ASSERT_EQ(sockets->size(), 1u);
  EXPECT_TRUE((*sockets)[0].is_listening());
  EXPECT_EQ((*sockets)[0].local.to_text(), "*:80");
  EXPECT_EQ((*sockets)[0].cookie, ~std::uint64_t{0});
  EXPECT_EQ((*sockets)[0].drops, 3u);
  EXPECT_EQ(read_driver(*m, "eth0")->driver, "demo");
  EXPECT_EQ(*read_driver_statistics(*m, "eth0"),
            (NamedNumbers{{"rx0_packets", 5}, {"rx0_drops", 6}}));
  EXPECT_EQ(read_ntuple_filters(*m, "eth0")->capacity, 16u);
  EXPECT_EQ(read_driver(*m, "eth9").error().number(), ENODEV);
}

TEST(Replay, FilesLinksAndDirectories) {
  const auto m = machine();
  EXPECT_EQ(*m->read_file("/proc/interrupts"), "      CPU0 CPU1\n  1:  0 0  x\n");
  EXPECT_EQ(m->read_file("/nothing").error().number(), ENOENT);
  const auto secret = m->read_file("/sys/class/net/eth0/secret");
  EXPECT_EQ(secret.error().number(), EACCES);
  EXPECT_EQ(secret.error().context(), "open secret");
  EXPECT_EQ(*m->list("/sys/class/net/eth0/queues"),
            (std::vector<std::string>{"rx-0", "rx-1", "tx-0", "tx-1"}));
  EXPECT_EQ(m->list("/sys/nothing").error().number(), ENOENT);
  EXPECT_EQ(*m->read_link("/sys/class/net/eth0/device"), "../../../0000:00:03.0");
}

TEST(Replay, WritesComeBackAsTheKernelGivesThem) {
  const auto m = machine();
  const std::string rx0 = std::string(kQueues) + "rx-0/";
  ASSERT_TRUE(m->write_file(rx0 + "rps_flow_cnt", "1000"));
  EXPECT_EQ(*m->read_file(rx0 + "rps_flow_cnt"), "1024\n");
  ASSERT_TRUE(m->write_file(rx0 + "rps_cpus", "f"));
  EXPECT_EQ(*m->read_file(rx0 + "rps_cpus"), "7\n") << "CPU 3 is isolated";
  EXPECT_EQ(number_of(m->write_file(rx0 + "rps_cpus", "8")), EINVAL) << "nothing is left";
  EXPECT_EQ(number_of(m->write_file(rx0 + "rps_cpus", "ff")), EOVERFLOW);
  EXPECT_EQ(number_of(m->write_file(rx0 + "rps_cpus", "x")), EINVAL);
  EXPECT_EQ(*m->read_file(rx0 + "rps_cpus"), "7\n") << "a refused write changes nothing";
  ASSERT_TRUE(m->write_file(rx0 + "rps_cpus", "0"));
  EXPECT_EQ(*m->read_file(rx0 + "rps_cpus"), "0\n");
  ASSERT_TRUE(m->write_file("/proc/sys/net/core/rps_sock_flow_entries", "30000\n"));
  EXPECT_EQ(*m->read_file("/proc/sys/net/core/rps_sock_flow_entries"), "32768\n");
  EXPECT_EQ(number_of(m->write_file("/sys/class/net/eth0/operstate", "down")), EACCES);
  EXPECT_EQ(number_of(m->write_file("/sys/class/net/eth0/queues/rx-7/rps_cpus", "1")), ENOENT);
  EXPECT_EQ(m->writes().size(), 9u);
}

TEST(Replay, AnEffectiveAffinityFollowsAtTheNextInterrupt) {
  const auto m = machine();
  ASSERT_TRUE(m->write_file("/proc/irq/30/smp_affinity_list", "1,3"));
  EXPECT_EQ(*m->read_file("/proc/irq/30/smp_affinity_list"), "1,3\n");
  EXPECT_EQ(*m->read_file("/proc/irq/30/effective_affinity_list"), "2\n");
  m->deliver_interrupts();
  EXPECT_EQ(*m->read_file("/proc/irq/30/effective_affinity_list"), "1\n");
  ASSERT_TRUE(m->write_file("/proc/irq/30/smp_affinity_list", "0-3"));
  m->deliver_interrupts();
  EXPECT_EQ(*m->read_file("/proc/irq/30/effective_affinity_list"), "1\n") << "it may stay";
  EXPECT_EQ(number_of(m->write_file("/proc/irq/30/smp_affinity_list", "9")), EINVAL);
}

TEST(Replay, RingsAreBoundedAndRounded) {
  const auto m = machine();
  ASSERT_TRUE(set_rings(*m, "eth0", {{"rx", 1000}}));
  EXPECT_EQ(read_rings(*m, "eth0")->rx, 1024u) << "to a multiple of 32";
  EXPECT_EQ(read_rings(*m, "eth0")->tx, 512u);
  EXPECT_EQ(number_of(set_rings(*m, "eth0", {{"rx", 9000}})), EINVAL);
  EXPECT_EQ(number_of(set_rings(*m, "eth0", {{"turbo", 1}})), EINVAL);
  EXPECT_EQ(number_of(set_rings(*m, "eth9", {{"rx", 64}})), ENODEV);
  EXPECT_EQ(number_of(set_coalesce(*m, "eth0", {{"tx-usecs", 1}})), EOPNOTSUPP);
}

TEST(Replay, ChannelsMakeQueuesAndTheirTable) {
  const auto m = machine();
  ASSERT_TRUE(set_channels(*m, "eth0", {{"combined-count", 4}}));
  EXPECT_EQ(m->list("/sys/class/net/eth0/queues")->size(), 8u);
  EXPECT_EQ(*m->read_file(std::string(kQueues) + "rx-3/rps_flow_cnt"), "0\n");
  EXPECT_EQ(read_rss(*m, "eth0")->table, (std::vector<std::uint32_t>{0, 1, 2, 3, 0, 1, 2, 3}));
  EXPECT_EQ(number_of(set_channels(*m, "eth0", {{"combined-count", 5}})), EINVAL);
  ASSERT_TRUE(set_channels(*m, "eth0", {{"combined-count", 1}}));
  EXPECT_EQ(m->list("/sys/class/net/eth0/queues")->size(), 2u);
}

TEST(Replay, ATableOfTheUsersKeepsItsChannels) {
  const auto m = machine();
  ASSERT_TRUE(set_rss(*m, "eth0", {.table = std::vector<std::uint32_t>(8, 1), .key = {}}));
  EXPECT_EQ(number_of(set_channels(*m, "eth0", {{"combined-count", 1}})), EINVAL);
  EXPECT_EQ(number_of(set_rss(*m, "eth0", {.table = std::vector<std::uint32_t>(8, 2), .key = {}})),
            EINVAL)
      << "there is no queue 2";
  ASSERT_TRUE(set_rss(*m, "eth0", {.table = std::vector<std::uint32_t>(), .key = {}}));
  EXPECT_EQ(read_rss(*m, "eth0")->table[0], 0u) << "the driver's own again";
  ASSERT_TRUE(set_channels(*m, "eth0", {{"combined-count", 1}}));
  ASSERT_TRUE(set_rss(*m, "eth0", {.table = {}, .key = std::vector<std::uint8_t>{9, 8}}));
  EXPECT_EQ(read_rss(*m, "eth0")->key, (std::vector<std::uint8_t>{9, 8}));
}

TEST(Replay, RssGoesByIoctlOnOldKernels) {
  std::string text(kMachine);
  text.replace(text.find("\"ring_multiple\""), 0, "\"rss_set\": \"ioctl\", ");
  const auto m = *ReplayMachine::parse(text);
  ASSERT_TRUE(
      set_rss(*m, "eth0",
              {.table = std::vector<std::uint32_t>(8, 1), .key = std::vector<std::uint8_t>{5, 6}}));
  EXPECT_EQ(read_rss(*m, "eth0")->table, std::vector<std::uint32_t>(8, 1));
  EXPECT_EQ(read_rss(*m, "eth0")->key, (std::vector<std::uint8_t>{5, 6}));
  ASSERT_TRUE(set_rss(*m, "eth0", {.table = std::vector<std::uint32_t>(), .key = {}}));
  EXPECT_EQ(read_rss(*m, "eth0")->table[1], 1u);
  EXPECT_EQ(read_rss(*m, "eth0")->table[0], 0u);
}

TEST(Replay, FeaturesFiltersAndNapis) {
  const auto m = machine();
  ASSERT_TRUE(set_feature(*m, "eth0", "rx-ntuple-filter", true));
  ASSERT_TRUE(set_feature(*m, "eth0", "rx-gro", false));
  const auto features = *read_features(*m, "eth0");
  EXPECT_FALSE(features[1].active);
  EXPECT_TRUE(features[2].active);
  EXPECT_EQ(number_of(set_feature(*m, "eth0", "fixed", false)), EOPNOTSUPP);
  ASSERT_TRUE(set_napi(*m, 70, {{"threaded", 1}, {"gro-flush-timeout", 20'000}}));
  EXPECT_EQ((*read_napis(*m, 2))[0].gro_flush_timeout, 20'000u);
  EXPECT_EQ(number_of(set_napi(*m, 71, {{"threaded", 1}})), ENOENT);
  NtupleFilter filter{.location = 3, .flow_type = 1, .queue = 1, .spec = {}};
  EXPECT_EQ(number_of(insert_ntuple_filter(*m, "eth0", filter)), EINVAL) << "no description";
  EXPECT_EQ(number_of(delete_ntuple_filter(*m, "eth0", 3)), ENOENT);
}

TEST(Replay, AHookSeesEveryWriteAndMayRefuseIt) {
  const auto m = machine();
  int count = 0;
  m->on_write([&](const ReplayMachine::Write& write) -> Result<void> {
    if (++count == 2) return Error::from_errno(EIO, write.what);
    return {};
  });
  const std::string before = m->text();
  EXPECT_TRUE(m->write_file(std::string(kQueues) + "rx-0/rps_flow_cnt", "0"));
  EXPECT_EQ(number_of(set_rings(*m, "eth0", {{"rx", 64}})), EIO);
  EXPECT_EQ(m->text(), before) << "the first wrote what was there, the second failed";
  EXPECT_EQ(m->writes().back().what, "ethtool rings eth0");
  EXPECT_EQ(m->writes().back().value, "{\"rx\":64}");
}

TEST(Replay, ARecordingOfAReplayIsTheSameMachine) {
  const auto m = machine();
  RecordingMachine recorder(*m);
  ASSERT_TRUE(read_links(recorder));
  ASSERT_TRUE(read_rings(recorder, "eth0"));
  ASSERT_TRUE(read_driver_statistics(recorder, "eth0"));
  ASSERT_TRUE(read_sockets(recorder));
  static_cast<void>(recorder.read_file("/nothing"));
  const auto again = ReplayMachine::parse(recorder.text("recorded"));
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ((*read_links(**again))[0].addresses, std::vector<std::string>{"10.0.0.1/24"});
  EXPECT_EQ(read_rings(**again, "eth0")->rx, 1024u);
  EXPECT_EQ((*read_sockets(**again))[0].drops, 3u);
  EXPECT_EQ((*read_driver_statistics(**again, "eth0"))[1].value, 6u);
  EXPECT_EQ((*again)->read_file("/nothing").error().number(), ENOENT);
}

TEST(Replay, WhatIsNoRecordingIsRefused) {
  for (const char* text : {"", "[]", "{}", "{\"format\": \"leat-machine 2\"}", "{\"format\": 1}",
                           "{\"format\": \"leat-machine 1\", \"files\": []}"}) {
    const auto parsed = ReplayMachine::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().number(), EBADMSG);
  }
}

}  // namespace
}  // namespace leat::sys
