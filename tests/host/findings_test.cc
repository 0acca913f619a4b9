#include "leat/host/findings.h"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "host/machines.h"

namespace leat::host {
namespace {

using leat::testing::inventory_of;
using leat::testing::open_machine;

std::vector<Finding> of_rule(const Inventory& inventory, const std::string& rule) {
  std::vector<Finding> found;
  for (const Finding& finding : find_misfits(inventory)) {
    if (finding.rule == rule) found.push_back(finding);
  }
  return found;
}

/// A machine with one file or value changed.
class Findings : public ::testing::Test {
 protected:
  void open(const char* name) { machine_ = open_machine(name); }
  void set(const std::string& path, const std::string& text) { machine_->change_file(path, text); }
  [[nodiscard]] std::vector<Finding> found(const std::string& rule) {
    return of_rule(inventory_of(*machine_), rule);
  }
  /// Exactly one finding of that rule, at `place`.
  void expect_one(const std::string& rule, const std::string& place, const std::string& setting) {
    const auto list = found(rule);
    ASSERT_EQ(list.size(), 1u) << rule;
    EXPECT_EQ(list[0].place, place);
    EXPECT_EQ(list[0].setting, setting);
    EXPECT_FALSE(list[0].text.empty());
  }

  std::unique_ptr<sys::ReplayMachine> machine_;
};

constexpr const char* kRps = "/sys/class/net/eth0/queues/rx-0/rps_cpus";
constexpr const char* kFlowCount = "/sys/class/net/eth0/queues/rx-0/rps_flow_cnt";

TEST_F(Findings, TwoQueuesInterruptOneCpu) {
  open("virtio_two_queues");
  expect_one("irq-shared-cpu", "eth0/rx-1", "irq.rx-1");
  set("/proc/irq/27/effective_affinity_list", "3\n");
  EXPECT_TRUE(found("irq-shared-cpu").empty());
}

TEST_F(Findings, MoreQueuesThanCoresMustShare) {
  open("single_queue_vm");
  EXPECT_TRUE(found("irq-shared-cpu").empty());
}

TEST_F(Findings, APairOnTwoCpus) {
  open("virtio_two_queues");
  EXPECT_EQ(found("irq-pair-split").size(), 2u);
  set("/proc/irq/26/effective_affinity_list", "1\n");
  expect_one("irq-pair-split", "eth0/tx-1", "irq.tx-1");
}

TEST_F(Findings, AnInterruptThatWasAskedElsewhere) {
  open("virtio_two_queues");
  EXPECT_TRUE(found("irq-not-effective").empty());
  set("/proc/irq/25/smp_affinity_list", "2-3\n");
  expect_one("irq-not-effective", "eth0/rx-0", "irq.rx-0");
}

TEST_F(Findings, InterruptsOnTheOtherNode) {
  open("mlx5");
  const auto far = found("irq-far-node");
  EXPECT_EQ(far.size(), 31u) << "32 of 63 are on node 1";
  EXPECT_EQ(far[0].place, "ens1f0np0/rx-32");
}

TEST_F(Findings, RpsOnTopOfFullRss) {
  open("ice");
  EXPECT_TRUE(found("rps-on-rss").empty());
  set("/sys/class/net/ens785f0/queues/rx-0/rps_cpus", "00000000,0000000f\n");
  expect_one("rps-on-rss", "ens785f0", "rps.all");
}

TEST_F(Findings, RpsWhereQueuesAreFewIsRight) {
  open("virtio_two_queues");
  set(kRps, "f\n");
  EXPECT_TRUE(found("rps-on-rss").empty());
}

TEST_F(Findings, RpsOnLoopback) {
  open("virtio_two_queues");
  set("/sys/class/net/lo/queues/rx-0/rps_cpus", "f\n");
  expect_one("rps-loopback", "lo", "rps.rx-0");
}

TEST_F(Findings, HalvesOfRfs) {
  open("virtio_two_queues");
  EXPECT_TRUE(found("rfs-no-entries").empty());
  set(kFlowCount, "1024\n");
  expect_one("rfs-no-entries", "eth0", "rfs.entries");
  expect_one("rfs-unequal", "eth0", "rfs.all");
  set("/sys/class/net/eth0/queues/rx-1/rps_flow_cnt", "1024\n");
  set("/proc/sys/net/core/rps_sock_flow_entries", "2048\n");
  EXPECT_TRUE(found("rfs-no-entries").empty());
  EXPECT_TRUE(found("rfs-unequal").empty());
  EXPECT_TRUE(found("rfs-too-large").empty());
  set("/proc/sys/net/core/rps_sock_flow_entries", "1024\n");
  expect_one("rfs-too-large", "eth0", "rfs.all");
  set("/sys/class/net/eth0/queues/rx-1/rps_flow_cnt", "1000\n");
  expect_one("rfs-not-power-of-two", "eth0/rx-1", "rfs.rx-1");
}

TEST_F(Findings, EntriesThatNoQueueUses) {
  open("virtio_two_queues");
  set("/proc/sys/net/core/rps_sock_flow_entries", "32768\n");
  expect_one("rfs-no-queue", "host", "rfs.entries");
}

TEST_F(Findings, ArfsNeedsFlowCountsAndNarrowInterrupts) {
  open("ice");
  expect_one("arfs-no-flow-count", "ens785f0", "rfs.all");
  EXPECT_TRUE(found("arfs-wide-irq").empty()) << "nothing to find a queue for yet";
  for (int i = 0; i < 64; ++i) {
    set(fmt::format("/sys/class/net/ens785f0/queues/rx-{}/rps_flow_cnt", i), "512\n");
  }
  EXPECT_TRUE(found("arfs-no-flow-count").empty());
  EXPECT_EQ(found("arfs-wide-irq").size(), 64u);
  set("/sys/class/net/ens785f0/queues/rx-3/rps_flow_cnt", "0\n");
  expect_one("arfs-some-queues", "ens785f0", "rfs.all");
}

TEST_F(Findings, IrqbalanceBesidePinnedInterrupts) {
  open("ice");
  EXPECT_TRUE(found("irqbalance").empty()) << "none is pinned";
  set("/proc/irq/200/smp_affinity_list", "0\n");
  expect_one("irqbalance", "ens785f0", "");
}

TEST_F(Findings, TablesBesideTheirQueues) {
  open("mlx5");
  EXPECT_TRUE(found("rss-some-queues").empty());
  ASSERT_TRUE(sys::set_rss(*machine_, "ens1f0np0",
                           {.table = std::vector<std::uint32_t>(128, 3), .key = {}}));
  expect_one("rss-some-queues", "ens1f0np0", "rss.equal");
}

TEST_F(Findings, FewerQueuesThanTheDeviceHas) {
  open("mlx5");
  EXPECT_TRUE(found("few-queues").empty());
  ASSERT_TRUE(sys::set_channels(*machine_, "ens1f0np0", {{"combined-count", 8}}));
  expect_one("few-queues", "ens1f0np0", "channels.combined");
}

TEST_F(Findings, LossesOfACpu) {
  open("virtio_two_queues");
  set("/proc/net/softnet_stat",
      "000003e8 00000005 00000009 0 0 0 0 0 0 00000000 00000002 0 00000001 0 0\n");
  expect_one("backlog-drops", "cpu/1", "sysctl.net.core.netdev_max_backlog");
  expect_one("squeezed", "cpu/1", "sysctl.net.core.netdev_budget");
  expect_one("flow-limit-drops", "cpu/1", "sysctl.net.core.flow_limit_table_len");
  set("/proc/net/softnet_stat",
      "000f4240 00000000 00000001 0 0 0 0 0 0 00000000 00000000 0 00000001 0 0\n");
  EXPECT_TRUE(found("squeezed").empty()) << "one in a million packets";
}

TEST_F(Findings, AFlowLimitOnCpusWithoutInterrupts) {
  open("virtio_two_queues");
  EXPECT_TRUE(found("flow-limit-mask").empty());
  set("/proc/sys/net/core/flow_limit_cpu_bitmap", "8\n");
  expect_one("flow-limit-mask", "host", "sysctl.net.core.flow_limit_cpu_bitmap");
  set("/proc/sys/net/core/flow_limit_cpu_bitmap", "a\n");
  EXPECT_TRUE(found("flow-limit-mask").empty()) << "CPU 1 is interrupted";
}

TEST_F(Findings, ListenersThatCannotMigrate) {
  open("virtio_two_queues");
  EXPECT_EQ(found("no-migration").size(), 1u);
  set("/proc/sys/net/ipv4/tcp_migrate_req", "1\n");
  EXPECT_TRUE(found("no-migration").empty());
}

TEST_F(Findings, QueuesOfSocketsAndTheirReaders) {
  open("virtio_two_queues");
  Inventory inventory = inventory_of(*machine_);
  EXPECT_TRUE(of_rule(inventory, "accept-queue-full").empty());
  SocketEntry& entry = inventory.sockets->front();
  entry.socket.receive_queue = entry.socket.send_queue + 1;
  entry.socket.drops = 4;
  EXPECT_EQ(of_rule(inventory, "accept-queue-full").size(), 1u);
  EXPECT_EQ(of_rule(inventory, "socket-drops").size(), 1u);
  entry.incoming_cpu = 2;
  EXPECT_TRUE(of_rule(inventory, "reader-elsewhere").empty());
  for (sys::Thread& thread : *(*inventory.owners)[0].threads) thread.allowed = CpuSet::of({0, 1});
  ASSERT_EQ(of_rule(inventory, "reader-elsewhere").size(), 1u);
  EXPECT_EQ(of_rule(inventory, "reader-elsewhere")[0].text,
            "*:80: packets arrive on CPU 2, but nginx (300) may only run on 0-1");
  (*inventory.owners)[0].threads = sys::Unreadable{};
  EXPECT_TRUE(of_rule(inventory, "reader-elsewhere").empty()) << "not known is not wrong";
}

}  // namespace
}  // namespace leat::host
