#include "leat/host/internal/interrupt_names.h"

#include <gtest/gtest.h>

namespace leat::host::internal {
namespace {

constexpr DeviceNames kEth{.device = "eth0", .parent = "0000:81:00.0"};

TEST(InterruptNames, AreThoseOfTheDrivers) {
  const struct {
    const char* name;
    DeviceNames device;
    bool receives;
    bool transmits;
    int queue;
  } kNames[] = {
      {"virtio2-input.0", {"eth0", "virtio2"}, true, false, 0},
      {"virtio2-output.11", {"eth0", "virtio2"}, false, true, 11},
      {"eth0-TxRx-3", kEth, true, true, 3},
      {"ice-eth0-TxRx-3", kEth, true, true, 3},
      {"i40e-eth0-TxRx-63", kEth, true, true, 63},
      {"eth0-Tx-Rx-4", kEth, true, true, 4},
      {"eth0-fp-2", kEth, true, true, 2},
      {"eth0-rx-1", kEth, true, false, 1},
      {"eth0-tx-1", kEth, false, true, 1},
      {"eth0:rx-1", kEth, true, false, 1},
      {"eth0-5", kEth, true, true, 5},
      {"mlx5_comp7@pci:0000:81:00.0", kEth, true, true, 7},
      {"mlx4-7@0000:81:00.0", kEth, true, true, 7},
      {"mana_q2@pci:0000:81:00.0", kEth, true, true, 2},
  };
  for (const auto& c : kNames) {
    const auto name = parse_interrupt_name(c.name, c.device);
    ASSERT_TRUE(name) << c.name;
    EXPECT_EQ(name->receives, c.receives) << c.name;
    EXPECT_EQ(name->transmits, c.transmits) << c.name;
    EXPECT_EQ(name->queue, c.queue) << c.name;
  }
}

TEST(InterruptNames, ASingleInterruptServesAllQueues) {
  for (const DeviceNames& device : {kEth, DeviceNames{"eth1", "eth0"}}) {
    const auto name = parse_interrupt_name("eth0", device);
    ASSERT_TRUE(name);
    EXPECT_EQ(name->queue, std::nullopt);
    EXPECT_TRUE(name->receives && name->transmits);
  }
}

TEST(InterruptNames, OthersAreNot) {
  for (const char* name :
       {"eth01-TxRx-3", "eth00", "eth1-TxRx-3", "virtio2-config", "virtio21-input.0",
        "eth0-fdir-TxRx-0", "i40e-0000:81:00.0:misc", "mlx5_async0@pci:0000:81:00.0",
        "mlx5_comp7@pci:0000:82:00.0", "mlx5_compx@pci:0000:81:00.0", "eth0-TxRx-", "eth0-TxRx--1",
        "", "timer"}) {
    const bool is_virtio = std::string_view(name).starts_with("virtio");
    const DeviceNames device = is_virtio ? DeviceNames{"eth0", "virtio2"} : kEth;
    EXPECT_FALSE(parse_interrupt_name(name, device)) << name;
  }
}

}  // namespace
}  // namespace leat::host::internal
