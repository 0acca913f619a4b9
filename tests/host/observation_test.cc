#include "leat/host/observation.h"

#include <chrono>
#include <string>

#include <gtest/gtest.h>

#include "host/machines.h"

namespace leat::host {
namespace {

using namespace std::chrono_literals;
using leat::testing::inventory_of;
using leat::testing::open_machine;

std::string stat_of(const std::string& name, int ticks, int cpu) {
  std::string text = "300 (" + name;
  text.append(") S 1 300 300 0 -1 4194560 0 0 0 0 ");
  text.append(std::to_string(ticks))
      .append(" 2 0 0 20 0 1 0 100 0 0 1 0 0 0 0 0 0 0 0 0 0 0 0 17 ");
  return text.append(std::to_string(cpu)).append(" 0 0 0 0 0\n");
}

TEST(Observation, IsWhatWasAddedMeanwhile) {
  const auto machine = open_machine("virtio_two_queues");
  const Inventory inventory = inventory_of(*machine);
  const char* const kStat = "/proc/300/task/301/stat";
  machine->change_file(kStat, stat_of("a) 9 (b", 10, 3));
  int looks = 0;
  Duration waited{};
  const auto seen = observe(*machine, inventory, 120ms, [&](Duration time) {
    waited += time;
    ++looks;
    // It runs before the first and the third look, on CPU 2 and then on CPU 1.
    if (looks == 1) machine->change_file(kStat, stat_of("a) 9 (b", 13, 2));
    if (looks == 3) {
      machine->change_file(kStat, stat_of("a) 9 (b", 14, 1));
      machine->change_file("/proc/net/softnet_stat",
                           "00001000 00000002 00000000 0 0 0 0 0 0 0 0 0 00000000 0 0\n");
      machine->change_file("/proc/interrupts",
                           "  CPU0 CPU1 CPU2 CPU3\n 25: 1 5007 0 0 x  virtio0-input.0\n");
    }
  });
  ASSERT_TRUE(seen) << seen.error().message();
  EXPECT_EQ(looks, 3);
  EXPECT_EQ(waited, Duration(120ms));
  ASSERT_EQ(seen->threads.size(), 1u);
  EXPECT_EQ(seen->threads[0].id, 301);
  EXPECT_EQ(seen->threads[0].ticks, 4u);
  EXPECT_EQ(seen->threads[0].seen_on, (std::map<int, std::uint64_t>{{1, 1}, {2, 1}}));
  ASSERT_EQ(seen->cpus.size(), 1u);
  EXPECT_EQ(seen->cpus[0].processed, 96u) << "4096 after 4000";
  EXPECT_EQ(seen->cpus[0].dropped, 2u);
  EXPECT_EQ(seen->interrupts.at(25), (std::vector<std::uint64_t>{1, 7, 0, 0}));
  EXPECT_NE(observation_json(*seen).find("\"25\""), std::string::npos);
}

}  // namespace
}  // namespace leat::host
