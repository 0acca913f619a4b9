#include "leat/host/inventory.h"

#include <cerrno>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "leat/host/findings.h"
#include "leat/host/inventory_json.h"
#include "leat/sys/recording_machine.h"

#include "host/machines.h"

namespace leat::host {
namespace {

using leat::testing::inventory_of;
using leat::testing::kMachines;
using leat::testing::open_machine;

TEST(Inventory, OfTheRecordedMachine) {
  const auto machine = open_machine("single_queue_vm");
  const Inventory inventory = inventory_of(*machine);
  const Device* const eth0 = inventory.find("eth0");
  ASSERT_NE(eth0, nullptr);
  EXPECT_EQ(eth0->driver->driver, "virtio_net");
  EXPECT_EQ(eth0->link.parent, "virtio2");
  EXPECT_EQ(eth0->channels->combined_max, 1u);
  EXPECT_TRUE(eth0->rss->table.empty()) << "the kernel answers, without a table";
  EXPECT_EQ(eth0->ntuple.unreadable().kind, sys::Unreadable::Kind::kNotOffered);
  EXPECT_EQ(*eth0->virtio_features, (std::vector{0, 1, 5, 7, 8, 10, 11, 12, 14, 15, 29, 32}));
  ASSERT_EQ(eth0->receive_queues.size(), 1u);
  EXPECT_EQ(eth0->receive_queues[0].irq, 38);
  EXPECT_TRUE(eth0->receive_queues[0].napi.has_value());
  EXPECT_EQ(eth0->transmit_queues[0].irq, 39);
  EXPECT_FALSE(eth0->transmit_queues[0].xps_cpus) << "a device of one transmit queue has no XPS";
  EXPECT_EQ(inventory.topology.online.to_list(), "0-1");
  EXPECT_EQ(inventory.cpus->size(), 2u);
}

TEST(Inventory, EachQueueOfEachMachineHasItsInterrupt) {
  for (const char* name : kMachines) {
    const auto machine = open_machine(name);
    const Inventory inventory = inventory_of(*machine);
    for (const Device& device : inventory.devices) {
      if (device.is_loopback() || !device.link.kind.empty()) continue;
      EXPECT_FALSE(device.receive_queues.empty()) << name;
      for (const ReceiveQueue& queue : device.receive_queues) {
        ASSERT_TRUE(queue.irq) << name << " rx-" << queue.index;
        EXPECT_TRUE(device.interrupts.at(*queue.irq).effective) << name;
        EXPECT_TRUE(queue.rps_cpus) << name;
      }
      for (const TransmitQueue& queue : device.transmit_queues) {
        EXPECT_TRUE(queue.irq) << name << " tx-" << queue.index;
      }
    }
  }
}

TEST(Inventory, KnowsNodesThreadsGroupsAndOwners) {
  const auto machine = open_machine("ice");
  const Inventory inventory = inventory_of(*machine);
  EXPECT_EQ(inventory.topology.physical_cores().count(), 32u);
  EXPECT_EQ(inventory.find("ens785f0")->numa_node.value_or(-1), 0);
  EXPECT_EQ(inventory.irqbalance, std::vector{700});
  ASSERT_EQ(inventory.groups.size(), 1u);
  EXPECT_EQ(inventory.groups[0].sockets.size(), 8u);
  ASSERT_EQ(inventory.owners->size(), 1u);
  EXPECT_EQ((*inventory.owners)[0].name, "memcached");
  EXPECT_EQ((*inventory.owners)[0].threads->size(), 8u);
  for (const SocketEntry& entry : *inventory.sockets) {
    EXPECT_EQ(entry.owners, std::vector<std::size_t>{0});
    EXPECT_EQ(entry.incoming_cpu.value_or(7), -1) << "asked, and none yet";
  }
}

TEST(Inventory, WhatIsNotThereIsNotZero) {
  const auto machine = open_machine("container");
  const Inventory inventory = inventory_of(*machine);
  EXPECT_EQ(inventory.sysctl_number("net.core.rps_sock_flow_entries"), std::nullopt);
  EXPECT_EQ(inventory.sysctl_number("net.core.somaxconn"), 4096u);
  EXPECT_TRUE(find_misfits(inventory).empty()) << find_misfits(inventory)[0].text;
  const std::string json = inventory_json(inventory, {});
  EXPECT_NE(json.find("\"unreadable\": \"not-offered\""), std::string::npos);
}

TEST(Inventory, AnUnknownDeviceIsAnError) {
  const auto machine = open_machine("container");
  const auto inventory = read_inventory(*machine, {.device = "eth7"});
  ASSERT_FALSE(inventory);
  EXPECT_EQ(inventory.error().message(), "device \"eth7\": No such device");
  const auto one = read_inventory(*machine, {.device = "eth0", .sockets = false});
  ASSERT_TRUE(one);
  EXPECT_EQ(one->devices.size(), 1u);
  EXPECT_EQ(one->sockets.unreadable().kind, sys::Unreadable::Kind::kNotAsked);
}

TEST(Inventory, SysfsOfAnotherNamespaceIsNotRead) {
  const auto machine = open_machine("virtio_two_queues");
  machine->change_file("/sys/class/net/eth0/ifindex", "9\n");
  const Inventory inventory = inventory_of(*machine);
  EXPECT_TRUE(inventory.find("eth0")->sysfs_is_foreign);
  EXPECT_TRUE(inventory.find("eth0")->receive_queues.empty());
  EXPECT_FALSE(inventory.find("lo")->sysfs_is_foreign);
  const auto findings = find_misfits(inventory);
  ASSERT_FALSE(findings.empty());
  EXPECT_EQ(findings[0].rule, "foreign-sysfs");
}

TEST(Inventory, FilesThatMakeNoSenseAreUnreadable) {
  const auto machine = open_machine("virtio_two_queues");
  machine->change_file("/sys/class/net/eth0/queues/rx-0/rps_cpus", "zz\n");
  machine->change_file("/sys/class/net/eth0/queues/rx-0/rps_flow_cnt", "-5\n");
  machine->change_file("/proc/interrupts", "nonsense\n");
  machine->change_file("/proc/net/softnet_stat", "nonsense\n");
  machine->change_file("/proc/net/snmp", "nonsense\n");
  machine->change_file("/sys/class/net/eth0/device/features", "012\n");
  const Inventory inventory = inventory_of(*machine);
  const Device& eth0 = *inventory.find("eth0");
  EXPECT_FALSE(eth0.receive_queues[0].rps_cpus);
  EXPECT_EQ(eth0.receive_queues[0].rps_flow_count.unreadable().kind,
            sys::Unreadable::Kind::kFailed);
  EXPECT_FALSE(eth0.virtio_features);
  EXPECT_FALSE(inventory.cpus);
  EXPECT_FALSE(inventory.protocols);
  EXPECT_FALSE(eth0.receive_queues[0].irq);
  EXPECT_TRUE(eth0.receive_queues[1].rps_cpus) << "the rest is there";
}

TEST(Inventory, ARecordingOfEachMachineGivesTheSameInventory) {
  for (const char* name : kMachines) {
    const auto machine = open_machine(name);
    sys::RecordingMachine recorder(*machine);
    const Inventory first = inventory_of(recorder);
    const auto again = sys::ReplayMachine::parse(recorder.text("recorded again"));
    ASSERT_TRUE(again) << name;
    const Inventory second = inventory_of(**again);
    EXPECT_EQ(inventory_json(first, find_misfits(first)),
              inventory_json(second, find_misfits(second)))
        << name;
  }
}

}  // namespace
}  // namespace leat::host
