#include "leat/base/topology.h"

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

namespace leat {
namespace {

namespace fs = std::filesystem;

/// A sysfs of the test's own, below the temporary directory; removed with the test.
class TopologyTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "leat-sysfs-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override { fs::remove_all(root_); }

  void put(const std::string& path, const std::string& text) {
    const fs::path file = root_ / "devices/system" / path;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  void put_cpu(int cpu, int package, int core, const std::string& siblings) {
    const std::string base = "cpu/cpu" + std::to_string(cpu) + "/topology/";
    put(base + "physical_package_id", std::to_string(package) + "\n");
    put(base + "core_id", std::to_string(core) + "\n");
    put(base + "thread_siblings_list", siblings + "\n");
  }
  /// Two packages, each a node of two cores of two threads; siblings are n and n + 4.
  void put_two_nodes() {
    put("cpu/online", "0-7\n");
    put("node/online", "0-1\n");
    put("node/node0/cpulist", "0-1,4-5\n");
    put("node/node1/cpulist", "2-3,6-7\n");
    for (int cpu = 0; cpu < 8; ++cpu) {
      const int first = cpu % 4;
      put_cpu(cpu, first / 2, first % 2, std::to_string(first) + "," + std::to_string(first + 4));
    }
  }
  Result<Topology> read() { return Topology::read(root_); }
  std::string error() {
    const auto topology = read();
    EXPECT_FALSE(topology);
    return topology ? "" : topology.error().context().substr(root_.string().size());
  }

  fs::path root_;
};

TEST_F(TopologyTest, ReadsPackagesCoresNodesAndSiblings) {
  put_two_nodes();
  const auto topology = read();
  ASSERT_TRUE(topology) << topology.error().message();
  EXPECT_EQ(topology->online.to_list(), "0-7");
  ASSERT_EQ(topology->cpus.size(), 8u);
  const Topology::Cpu* cpu = topology->find(7);
  ASSERT_NE(cpu, nullptr);
  EXPECT_EQ(cpu->number, 7);
  EXPECT_EQ(cpu->package, 1);
  EXPECT_EQ(cpu->core, 1);
  EXPECT_EQ(cpu->node, 1);
  EXPECT_EQ(cpu->siblings.to_list(), "3,7");
  EXPECT_EQ(topology->find(4)->node, 0);
  EXPECT_EQ(topology->find(8), nullptr);
  EXPECT_EQ(topology->find(-1), nullptr);
  EXPECT_EQ(topology->on_node(0).to_list(), "0-1,4-5");
  EXPECT_EQ(topology->on_node(1).to_list(), "2-3,6-7");
  EXPECT_TRUE(topology->on_node(2).empty());
}

TEST_F(TopologyTest, PhysicalCoresAreOneCpuEach) {
  put_two_nodes();
  const auto topology = read();
  ASSERT_TRUE(topology) << topology.error().message();
  EXPECT_EQ(topology->physical_cores().to_list(), "0-3");
  EXPECT_EQ(topology->physical_cores(CpuSet::range(3, 7)).to_list(), "3-6")
      << "a core whose lowest CPU may not be used is there with its other one";
  EXPECT_TRUE(topology->physical_cores(CpuSet()).empty());
  EXPECT_EQ(topology->physical_cores(CpuSet::of({5, 99})).to_list(), "5");
}

TEST_F(TopologyTest, OfflineCpusAreLeftOut) {
  put_two_nodes();
  put("cpu/online", "1-3,6\n");
  const auto topology = read();
  ASSERT_TRUE(topology) << topology.error().message();
  EXPECT_EQ(topology->cpus.size(), 4u);
  EXPECT_EQ(topology->find(0), nullptr);
  EXPECT_EQ(topology->find(1)->siblings.to_list(), "1");
  EXPECT_EQ(topology->find(6)->siblings.to_list(), "2,6");
  EXPECT_EQ(topology->physical_cores().to_list(), "1-3");
  EXPECT_EQ(topology->on_node(1).to_list(), "2-3,6");
}

TEST_F(TopologyTest, WithoutTopologyFilesEachCpuIsACoreOnNodeZero) {
  put("cpu/online", "0-2\n");
  const auto topology = read();
  ASSERT_TRUE(topology) << topology.error().message();
  EXPECT_EQ(topology->physical_cores().to_list(), "0-2");
  EXPECT_EQ(topology->find(2)->core, 2);
  EXPECT_EQ(topology->find(2)->package, 0);
  EXPECT_EQ(topology->find(2)->node, 0);
  EXPECT_EQ(topology->find(2)->siblings.to_list(), "2");
}

TEST_F(TopologyTest, WithoutSysfsTheCpusOfThisThreadAreOnline) {
  const auto topology = Topology::read((root_ / "nothing").string());
  ASSERT_TRUE(topology) << topology.error().message();
  EXPECT_EQ(topology->online, CpuSet::available().value());
  EXPECT_EQ(topology->physical_cores(), topology->online);
}

TEST_F(TopologyTest, WhatTheKernelDoesNotKnowCountsAsMissing) {
  put("cpu/online", "0-1");
  put_cpu(1, -1, -1, "1");
  const auto topology = read();
  ASSERT_TRUE(topology) << topology.error().message();
  EXPECT_EQ(topology->find(1)->package, 0);
  EXPECT_EQ(topology->find(1)->core, 1);
}

TEST_F(TopologyTest, WhatIsThereAndWrongIsAnError) {
  put("cpu/online", "0-x\n");
  EXPECT_EQ(error(),
            "/devices/system/cpu/online: CPU list \"0-x\": expected a CPU number at column 3");
  put("cpu/online", "0\n");
  put_cpu(0, 0, 0, "0;1");
  EXPECT_EQ(error(),
            "/devices/system/cpu/cpu0/topology/thread_siblings_list: CPU list \"0;1\": "
            "expected ',' or '-' or the end at column 2");
  put("cpu/cpu0/topology/core_id", "one\n");
  EXPECT_EQ(error(),
            "/devices/system/cpu/cpu0/topology/core_id: number \"one?\": expected a number at "
            "column 1");
  put("cpu/cpu0/topology/physical_package_id", "1 2\n");
  EXPECT_EQ(error(),
            "/devices/system/cpu/cpu0/topology/physical_package_id: number \"1 2?\": unexpected "
            "text at column 2");
}

TEST_F(TopologyTest, WrongNodesAreAnError) {
  put("cpu/online", "0\n");
  put("node/online", "0-\n");
  EXPECT_EQ(error(),
            "/devices/system/node/online: CPU list \"0-\": expected a CPU number at column 3");
  put("node/online", "0\n");
  put("node/node0/cpulist", "?\n");
  EXPECT_EQ(error(),
            "/devices/system/node/node0/cpulist: CPU list \"?\": expected a CPU number at "
            "column 1");
}

TEST_F(TopologyTest, AFileThatCannotBeReadIsAnError) {
  fs::create_directories(root_ / "devices/system/cpu/online");
  const auto topology = read();
  ASSERT_FALSE(topology);
  EXPECT_EQ(topology.error().number(), EISDIR);
  fs::remove(root_ / "devices/system/cpu/online");
  fs::create_symlink("online", root_ / "devices/system/cpu/online");
  const auto circle = read();
  ASSERT_FALSE(circle);
  EXPECT_EQ(circle.error().number(), ELOOP);
}

TEST(Topology, OfThisMachineCoversTheCpusOfThisThread) {
  const auto topology = Topology::read();
  ASSERT_TRUE(topology) << topology.error().message();
  const auto available = CpuSet::available();
  ASSERT_TRUE(available);
  EXPECT_EQ(*available & topology->online, *available);
  EXPECT_FALSE(topology->physical_cores().empty());
}

}  // namespace
}  // namespace leat
