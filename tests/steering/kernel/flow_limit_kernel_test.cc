// The flow limit counts at the CPU that enqueues, not at the one that processes, and takes from the
// heavy flow only.
#include <linux/filter.h>
#include <sys/socket.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "kernel/kernel_fixture.h"

namespace leat::steering {
namespace {

using leat::testing::VethWorld;

/// A sysctl of the whole machine, put back at the end.
class Sysctl {
 public:
  explicit Sysctl(std::string path) : path_(std::move(path)) {
    std::getline(std::ifstream(path_), before_);
  }
  ~Sysctl() { (void)set(before_); }
  Sysctl(const Sysctl&) = delete;
  Sysctl& operator=(const Sysctl&) = delete;

  [[nodiscard]] bool exists() const { return !before_.empty(); }
  [[nodiscard]] bool set(const std::string& value) const {
    std::ofstream file(path_);
    return static_cast<bool>(file << value << std::flush);
  }

 private:
  const std::string path_;
  std::string before_;
};

/// flow_limit_count of /proc/net/softnet_stat, column 11, by CPU, column 13.
std::array<std::uint64_t, 2> limited() {
  std::array<std::uint64_t, 2> counts{};
  std::ifstream file("/proc/net/softnet_stat");
  for (std::string line; std::getline(file, line);) {
    std::istringstream columns(line);
    std::array<std::uint64_t, 13> row{};
    for (std::uint64_t& value : row) columns >> std::hex >> value;
    if (row[12] < counts.size()) counts[row[12]] = row[10];
  }
  return counts;
}

/// Makes the CPU that processes a packet for this socket work for some microseconds, and drop it.
bool slow_down(const UniqueFd& socket) {
  std::vector<sock_filter> code(BPF_MAXINSNS - 2, BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 3));
  code.insert(code.begin(), BPF_STMT(BPF_LD | BPF_IMM, 0xffff'ffff));
  code.push_back(BPF_STMT(BPF_RET | BPF_K, 0));
  const sock_fprog program{.len = static_cast<unsigned short>(code.size()), .filter = code.data()};
  return ::setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0;
}

class FlowLimitKernel : public leat::testing::KernelFixture {
 protected:
  static constexpr std::uint16_t kPort = 9000;
  static constexpr std::uint16_t kLightPort = 9001;
  static constexpr std::uint32_t kBursts = 40;
  static constexpr std::size_t kBurst = 100;

  struct Outcome {
    std::array<std::uint64_t, 2> limited{};  ///< Packets that each CPU was not allowed to enqueue.
    std::uint32_t light = 0;                 ///< Of the light flow's, those that arrived.
  };

  /// A flow from CPU 0 to CPU 1 that is faster than CPU 1, and a packet of a light flow after each
  /// burst of it.
  Outcome burst() {
    EXPECT_TRUE(CpuSet::of(0).pin_current_thread());
    const UniqueFd to = near_socket(kPort);
    const UniqueFd light_to = near_socket(kLightPort);
    EXPECT_TRUE(slow_down(to));
    const UniqueFd heavy = far_socket(0);
    const UniqueFd light = far_socket(0);
    EXPECT_TRUE(connect(heavy, VethWorld::kNearAddress, kPort));
    EXPECT_TRUE(connect(light, VethWorld::kNearAddress, kLightPort));
    // What waits on CPU 1 counts against the sender's buffer.
    const int room = 1 << 25;
    EXPECT_EQ(::setsockopt(heavy.get(), SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)), 0);
    Outcome outcome;
    const std::array<std::uint64_t, 2> before = limited();
    for (std::uint32_t i = 0; i < kBursts; ++i) {
      for (std::size_t packet = 0; packet < kBurst; ++packet) EXPECT_TRUE(send(heavy, i));
      EXPECT_TRUE(send(light, i));
    }
    outcome.limited = limited();
    for (std::size_t cpu = 0; cpu < 2; ++cpu) outcome.limited[cpu] -= before[cpu];
    const timeval patience{.tv_sec = 0, .tv_usec = 300'000};
    ::setsockopt(light_to.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    char bytes[16];
    while (outcome.light < kBursts && ::recv(light_to.get(), bytes, sizeof(bytes), 0) > 0) {
      ++outcome.light;
    }
    return outcome;
  }
};

TEST_F(FlowLimitKernel, OfTheCpuThatEnqueuesSparesTheLightFlow) {
  const Sysctl bitmap("/proc/sys/net/core/flow_limit_cpu_bitmap");
  if (!bitmap.exists()) GTEST_SKIP() << "a kernel without flow limit";
  watch.reset();  // it would slow the sender down
  for (std::size_t queue = 0; queue < VethWorld::kQueues; ++queue) {
    ASSERT_TRUE(world->set_rps_cpus(queue, CpuSet::of(1)));
  }
  ASSERT_TRUE(bitmap.set("2"));
  const Outcome elsewhere = burst();
  EXPECT_EQ(elsewhere.limited[0], 0u) << "CPU 1 processes, and enqueues none of them";
  EXPECT_EQ(elsewhere.limited[1], 0u);
  ASSERT_TRUE(bitmap.set("1"));
  const Outcome here = burst();
  EXPECT_GT(here.limited[0], kBursts * kBurst / 4);
  EXPECT_EQ(here.limited[1], 0u);
  EXPECT_EQ(here.light, kBursts);
  std::printf("the flow limit of CPU 0 dropped %llu of %zu; light packets: %u of %u, without %u\n",
              static_cast<unsigned long long>(here.limited[0]), kBursts * kBurst, here.light,
              kBursts, elsewhere.light);
  EXPECT_LT(elsewhere.light, kBursts) << "without it the backlog is full for all";
}

}  // namespace
}  // namespace leat::steering
