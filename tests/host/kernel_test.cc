// What leat/host reads of devices whose settings this test has written to the real kernel.

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "leat/base/unique_fd.h"
#include "leat/host/findings.h"
#include "leat/host/inventory.h"
#include "leat/host/setting.h"
#include "leat/sys/live_machine.h"

namespace leat::host {
namespace {

bool run(const std::string& command) {
  return std::system(fmt::format("{{ {}; }} > /dev/null 2>&1", command).c_str()) == 0;
}

/// Runs a test on a thread of its own, in a network namespace with a four-queue veth (hv0, hv1) and
/// a sysfs that shows it. All is gone with the thread.
class HostKernel : public ::testing::Test {
 protected:
  template <typename Work>
  void in_namespace(Work work) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root, for namespaces";
    std::string why;
    std::thread([&] {
      // /sys is mounted for this thread only.
      if (::unshare(CLONE_NEWNS | CLONE_NEWNET) != 0 ||
          ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
          ::mount("sysfs", "/sys", "sysfs", 0, nullptr) != 0) {
        why = std::strerror(errno);
        return;
      }
      if (!run("ip link add hv0 numtxqueues 4 numrxqueues 4 type veth peer name hv1 numtxqueues 4 "
               "numrxqueues 4 && ip addr add 10.9.0.1/24 dev hv0 && ip link set hv0 up && "
               "ip link set hv1 up && ip link set lo up")) {
        why = "ip (iproute2) could not make a veth";
        return;
      }
      work();
    }).join();
    if (!why.empty()) GTEST_SKIP() << why;
  }

  static Inventory inventory(sys::Machine& machine) {
    auto read = read_inventory(machine);
    EXPECT_TRUE(read) << read.error().message();
    return *std::move(read);
  }
};

TEST_F(HostKernel, QueuesOfAVethAreAsTheyWereWritten) {
  in_namespace([] {
    ASSERT_TRUE(
        run("echo 1 > /sys/class/net/hv0/queues/rx-1/rps_cpus && "
            "echo 1000 > /sys/class/net/hv0/queues/rx-2/rps_flow_cnt && "
            "echo 1 > /sys/class/net/hv0/queues/tx-3/xps_cpus && "
            "echo 4 > /sys/class/net/hv0/queues/tx-0/xps_rxqs"));
    sys::LiveMachine machine;
    const Inventory seen = inventory(machine);
    const Device* const device = seen.find("hv0");
    ASSERT_NE(device, nullptr);
    EXPECT_EQ(device->link.kind, "veth");
    EXPECT_EQ(device->driver->driver, "veth");
    EXPECT_FALSE(device->sysfs_is_foreign);
    EXPECT_EQ(device->link.addresses.front(), "10.9.0.1/24");
    ASSERT_EQ(device->receive_queues.size(), 4u);
    EXPECT_TRUE(device->receive_queues[0].rps_cpus->empty());
    EXPECT_EQ(*device->receive_queues[1].rps_cpus, CpuSet::of(0));
    EXPECT_EQ(*device->receive_queues[2].rps_flow_count, 1024u);
    EXPECT_EQ(*device->transmit_queues[3].xps_cpus, CpuSet::of(0));
    EXPECT_EQ(*device->transmit_queues[0].xps_rxqs, CpuSet::of(2));
    EXPECT_EQ(device->channels->rx, 4u);
    EXPECT_EQ(device->rss.unreadable().kind, sys::Unreadable::Kind::kNotOffered);
    EXPECT_EQ(device->rings.unreadable().kind, sys::Unreadable::Kind::kNotOffered);
  });
}

TEST_F(HostKernel, SettingsAreWrittenRoundedAndPutBack) {
  in_namespace([] {
    sys::LiveMachine machine;
    const Inventory seen = inventory(machine);
    std::vector<std::pair<Setting, std::string>> before;
    for (const Setting& setting : Setting::all_of(seen, "hv0")) {
      before.emplace_back(setting, setting.read(machine).value_or("unreadable"));
    }
    const struct {
      const char* name;
      const char* value;
      const char* after;
    } kWrites[] = {
        {"rps.rx-0", "0", "0"},
        {"rfs.rx-0", "1000", "1024"},
        {"xps.tx-1", "0", "0"},
        {"xps.rxqs.tx-1", "2-3", "2-3"},
        {"napi.gro-flush-timeout", "20000", "20000"},
        {"napi.defer-hard-irqs", "2", "2"},
        {"feature.rx-gro", "off", "off"},
        {"feature.tx-tcp-segmentation", "off", "off"},
    };
    for (const auto& write : kWrites) {
      const auto setting = Setting::find(seen, "hv0", write.name);
      ASSERT_TRUE(setting) << write.name;
      const auto done = setting->write(machine, write.value);
      ASSERT_TRUE(done) << write.name << ": " << done.error().message();
      EXPECT_EQ(*setting->read(machine), write.after) << write.name;
      EXPECT_EQ(setting->rounded(write.value), write.after);
    }
    const auto beyond = Setting::find(seen, "hv0", "rps.rx-0")->write(machine, "4096");
    ASSERT_FALSE(beyond);
    EXPECT_EQ(beyond.error().number(), EOVERFLOW) << "as the made-up kernel has it";
    for (const auto& [setting, value] : before) {
      if (*setting.read(machine) == value) continue;
      EXPECT_TRUE(setting.write(machine, value)) << setting.key();
    }
    for (const auto& [setting, value] : before) {
      EXPECT_EQ(*setting.read(machine), value) << setting.key();
    }
  });
}

TEST_F(HostKernel, ChannelsMakeAndRemoveQueues) {
  in_namespace([] {
    sys::LiveMachine machine;
    for (const char* count : {"2", "4"}) {
      const auto rx = Setting::find(inventory(machine), "hv0", "channels.rx");
      ASSERT_TRUE(rx->write(machine, count));
      EXPECT_EQ(*rx->read(machine), count);
      EXPECT_EQ(fmt::to_string(inventory(machine).find("hv0")->receive_queues.size()), count);
    }
    const auto many = Setting::find(inventory(machine), "hv0", "channels.rx")->write(machine, "64");
    ASSERT_FALSE(many);
    EXPECT_EQ(many.error().number(), EINVAL);
    EXPECT_NE(many.error().context().find("("), std::string::npos) << "the kernel's own words";
  });
}

TEST_F(HostKernel, NapisOfAVethCanBeSet) {
  in_namespace([] {
    // GRO makes veth poll.
    sys::LiveMachine machine;
    ASSERT_TRUE(sys::set_feature(machine, "hv0", "rx-gro", true));
    const Inventory seen = inventory(machine);
    const Device& device = *seen.find("hv0");
    if (!device.napis || device.napis->empty()) GTEST_SKIP() << "this kernel lists no NAPI";
    const std::string name = fmt::format("napi.{}.gro-flush-timeout", device.napis->front().id);
    const auto setting = Setting::find(seen, "hv0", name);
    ASSERT_TRUE(setting);
    const auto written = setting->write(machine, "30000");
    if (!written && written.error().number() == EOPNOTSUPP) GTEST_SKIP() << "before Linux 6.13";
    ASSERT_TRUE(written) << written.error().message();
    EXPECT_EQ(*setting->read(machine), "30000");
  });
}

TEST_F(HostKernel, ATapWithSeveralQueues) {
  in_namespace([] {
    std::vector<UniqueFd> queues;
    for (int i = 0; i < 3; ++i) {
      queues.emplace_back(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
      ifreq request{};
      std::strncpy(request.ifr_name, "htap", IFNAMSIZ - 1);
      request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE;
      if (!queues.back() || ::ioctl(queues.back().get(), TUNSETIFF, &request) != 0) {
        GTEST_SKIP() << "no TAP here: " << std::strerror(errno);
      }
    }
    sys::LiveMachine machine;
    const Inventory seen = inventory(machine);
    const Device* const device = seen.find("htap");
    ASSERT_NE(device, nullptr);
    EXPECT_EQ(device->link.kind, "tun");
    EXPECT_EQ(device->receive_queues.size(), 3u);
    EXPECT_EQ(device->channels->combined, 3u);
    const auto frames = Setting::find(seen, "htap", "coalesce.rx-max-frames");
    ASSERT_TRUE(frames);
    ASSERT_TRUE(frames->write(machine, "16"));
    EXPECT_EQ(*frames->read(machine), "16") << "the only coalescing that can be set here";
  });
}

TEST_F(HostKernel, ADeviceThatGoesIsGone) {
  in_namespace([] {
    sys::LiveMachine machine;
    const Inventory seen = inventory(machine);
    const auto ring = Setting::find(seen, "hv0", "feature.rx-gro");
    ASSERT_TRUE(ring);
    ASSERT_TRUE(run("ip link del hv0"));
    EXPECT_EQ(ring->read(machine).error().number(), ENODEV);
    EXPECT_EQ(Setting::find(seen, "hv0", "rps.rx-0")->read(machine).error().number(), ENOENT);
    EXPECT_EQ(inventory(machine).find("hv0"), nullptr);
  });
}

TEST_F(HostKernel, SysfsOfAnotherNamespaceIsSeen) {
  in_namespace([] {
    if (::umount2("/sys", MNT_DETACH) != 0) GTEST_SKIP() << "umount: " << std::strerror(errno);
    sys::LiveMachine machine;
    const Inventory seen = inventory(machine);
    EXPECT_TRUE(seen.find("hv0")->sysfs_is_foreign);
    EXPECT_TRUE(seen.find("hv0")->receive_queues.empty());
  });
}

}  // namespace
}  // namespace leat::host
