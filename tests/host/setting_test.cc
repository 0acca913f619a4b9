#include "leat/host/setting.h"

#include <algorithm>
#include <cerrno>
#include <map>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "leat/base/random.h"

#include "host/machines.h"

namespace leat::host {
namespace {

using leat::testing::inventory_of;
using leat::testing::kMachines;
using leat::testing::open_machine;

Setting find(const Inventory& inventory, const char* device, const char* name) {
  auto setting = Setting::find(inventory, device, name);
  EXPECT_TRUE(setting) << name << ": " << setting.error().message();
  return *std::move(setting);
}

/// Writes and reads back.
std::string after_write(sys::Machine& machine, const Setting& setting, const char* text) {
  const auto value = setting.parse(text);
  EXPECT_TRUE(value) << value.error().message();
  const auto written = setting.write(machine, *value);
  if (!written) return fmt::format("errno {}", written.error().number());
  return setting.read(machine).value_or("unreadable");
}

TEST(Setting, IsReadAndWrittenUnderItsKey) {
  const auto machine = open_machine("ice");
  const Inventory inventory = inventory_of(*machine);
  const struct {
    const char* name;
    const char* before;
    const char* write;
    const char* after;
  } kCases[] = {
      {"ring.rx", "2048", "4000", "4000"},
      {"ring.tx", "256", "100", "128"},
      {"ring.rx", "4000", "9000", "errno 22"},
      {"coalesce.rx-usecs", "50", "20", "20"},
      {"coalesce.rx-max-frames", "unreadable", "20", "errno 95"},
      {"ntuple", "on", "off", "off"},
      {"feature.rx-hashing", "on", "off", "off"},
      {"rss.key", "", "a5", "errno 22"},
      {"irq.rx-0", "0-63", "3", "3"},
      {"irq.200", "", "", ""},
      {"rps.rx-1", "-", "0,2-3", "0,2-3"},
      {"rfs.rx-1", "0", "1000", "1024"},
      {"xps.tx-5", "-", "63", "63"},
      {"xps.rxqs.tx-5", "-", "5", "5"},
      {"napi.gro-flush-timeout", "0", "20000", "20000"},
      {"napi.threaded", "0", "1", "1"},
      {"napi.8300.defer-hard-irqs", "0", "2", "2"},
      {"napi.1.defer-hard-irqs", "unreadable", "2", "errno 2"},
      {"channels.combined", "64", "32", "32"},
  };
  for (const auto& c : kCases) {
    const auto setting = Setting::find(inventory, "ens785f0", c.name);
    if (std::string_view(c.name) == "irq.200") {
      EXPECT_EQ(setting.error().number(), ENOENT) << "by number it is the machine's";
      continue;
    }
    ASSERT_TRUE(setting) << c.name;
    if (*c.before != '\0') {
      EXPECT_EQ(setting->read(*machine).value_or("unreadable"), c.before) << c.name;
    }
    EXPECT_EQ(after_write(*machine, *setting, c.write), c.after) << c.name;
  }
}

TEST(Setting, OfTheMachine) {
  const auto machine = open_machine("mlx5");
  const Inventory inventory = inventory_of(*machine);
  const Setting entries = find(inventory, "", "rfs.entries");
  EXPECT_EQ(entries.key(), "rfs.entries");
  EXPECT_EQ(entries.rounded("30000"), "32768");
  EXPECT_EQ(entries.rounded("0"), "0");
  EXPECT_EQ(after_write(*machine, entries, "30000"), "32768");
  EXPECT_EQ(after_write(*machine, find(inventory, "", "sysctl.net.core.netdev_budget"), "600"),
            "600");
  EXPECT_EQ(after_write(*machine, find(inventory, "", "sysctl.net.ipv4.tcp_rmem"), "1\t2  3"),
            "1 2 3");
  EXPECT_EQ(
      after_write(*machine, find(inventory, "", "sysctl.net.core.flow_limit_cpu_bitmap"), "32-33"),
      "32-33");
  EXPECT_EQ(after_write(*machine, find(inventory, "", "irq.121"), "5"), "5");
  for (const char* name :
       {"sysctl.kernel.core_pattern", "sysctl.net.core.../../x", "rps.rx-0", ""}) {
    EXPECT_EQ(Setting::find(inventory, "", name).error().number(), ENOENT) << name;
  }
}

TEST(Setting, TheDriversOwnTableHasAName) {
  const auto machine = open_machine("mlx5");
  const Inventory inventory = inventory_of(*machine);
  const Setting table = find(inventory, "ens1f0np0", "rss.table");
  EXPECT_EQ(*table.read(*machine), "default");
  std::string own = "0";
  for (int i = 1; i < 128; ++i) own += i % 2 == 0 ? ",0" : ",1";
  EXPECT_EQ(after_write(*machine, table, own.c_str()), own);
  EXPECT_EQ(after_write(*machine, table, "default"), "default");
}

TEST(Setting, WhatIsNoValueIsRefused) {
  const auto machine = open_machine("mlx5");
  const Inventory inventory = inventory_of(*machine);
  const struct {
    const char* name;
    const char* text;
  } kCases[] = {
      {"ring.rx", "0x400"}, {"ring.rx", ""},
      {"ring.rx", "-1"},    {"ntuple", "yes"},
      {"rps.rx-0", "a"},    {"rps.rx-0", "3-1"},
      {"rss.key", "6d5"},   {"rss.key", ""},
      {"rss.key", "zz"},    {"rss.table", "0,,1"},
      {"rss.table", ""},    {"rss.table", "0,4294967296"},
      {"irq.rx-0", "0 1"},  {"coalesce.rx-usecs", "8us"},
  };
  for (const auto& c : kCases) {
    const auto value = find(inventory, "ens1f0np0", c.name).parse(c.text);
    ASSERT_FALSE(value) << c.name << "=" << c.text;
    EXPECT_EQ(value.error().number(), EINVAL);
  }
  EXPECT_EQ(*find(inventory, "ens1f0np0", "rss.key").parse("6D:5a"), "6d5a");
  EXPECT_EQ(*find(inventory, "ens1f0np0", "rps.rx-0").parse(""), "-");
  for (const char* name : {"rps.rx-63", "rps.rx--1", "rps.rx-", "irq.rx-99", "napi.x.threaded",
                           "ring", "ring.jumbo", "rps", "napi.", "speed"}) {
    EXPECT_EQ(Setting::find(inventory, "ens1f0np0", name).error().number(), ENOENT) << name;
  }
  EXPECT_EQ(Setting::find(inventory, "eth9", "ring.rx").error().number(), ENODEV);
}

TEST(Setting, FilesOfAnotherNamespaceAreNotTouched) {
  const auto machine = open_machine("small_board");
  machine->change_file("/sys/class/net/eth0/ifindex", "9\n");
  const Inventory inventory = inventory_of(*machine);
  EXPECT_EQ(Setting::find(inventory, "eth0", "napi.threaded").error().number(), EXDEV);
  EXPECT_TRUE(Setting::find(inventory, "eth0", "ring.rx"));
}

TEST(Setting, AllOfEachMachineCanBeRead) {
  for (const char* name : kMachines) {
    const auto machine = open_machine(name);
    const Inventory inventory = inventory_of(*machine);
    std::size_t count = Setting::all_of(inventory, "").size();
    for (const Device& device : inventory.devices) {
      for (const Setting& setting : Setting::all_of(inventory, device.link.name)) {
        const auto value = setting.read(*machine);
        EXPECT_TRUE(value) << name << " " << setting.key() << ": " << value.error().message();
        if (!value) continue;
        EXPECT_EQ(setting.parse(*value).value_or("no value"), *value) << setting.key();
        ++count;
      }
    }
    EXPECT_GT(count, 10u) << name;
  }
}

/// What a plan, a journal and a rollback stand on: writing back what was read restores the machine.
TEST(Setting, WhatWasReadCanBeWrittenBack) {
  constexpr std::uint64_t kSeed = 21;
  Random random(kSeed);
  for (const char* name : kMachines) {
    const auto machine = open_machine(name);
    const Inventory inventory = inventory_of(*machine);
    const std::string before = machine->text();
    for (int round = 0; round < 5; ++round) {
      std::map<std::string, std::pair<Setting, std::string>> old;
      for (const Device& device : inventory.devices) {
        for (const Setting& setting : Setting::all_of(inventory, device.link.name)) {
          // Channels make queues anew, whose order only a plan knows.
          if (setting.name().starts_with("channels.") || setting.name().starts_with("rss."))
            continue;
          if (random.uniform(0, 3) != 0) continue;
          const auto value = setting.read(*machine);
          if (!value) continue;
          const std::string other = *value == "on"    ? "off"
                                    : *value == "off" ? "on"
                                                      : fmt::to_string(random.uniform(0, 3));
          if (setting.write(*machine, other))
            old.emplace(setting.key(), std::pair(setting, *value));
        }
      }
      for (const auto& [key, entry] : old) {
        const auto restored = entry.first.write(*machine, entry.second);
        ASSERT_TRUE(restored) << name << " " << key << ": " << restored.error().message();
        ASSERT_EQ(*entry.first.read(*machine), entry.second) << name << " " << key;
      }
    }
    const auto again = sys::ReplayMachine::parse(before);
    for (const Device& device : inventory.devices) {
      for (const Setting& setting : Setting::all_of(inventory, device.link.name)) {
        EXPECT_EQ(*setting.read(*machine), *setting.read(**again))
            << "seed " << kSeed << setting.key();
      }
    }
  }
}

}  // namespace
}  // namespace leat::host
