#include "leat/net/internal/port_holder.h"

#include <bit>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "support/raw_sockets.h"

namespace leat::internal {
namespace {

using Kind = PortHolder::Kind;

/// Tables as man 5 proc has them, on a machine that stores the lowest byte first.
class PortHolderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::endian::native != std::endian::little) GTEST_SKIP() << "the tables are little-endian";
    write("tcp", tcp);
    write("tcp6", tcp6);
  }
  void write(std::string_view name, const std::string& lines) {
    std::ofstream(folder.file(name)) << "  sl  local_address rem_address   st tx_queue ...\n"
                                     << lines;
  }
  std::optional<PortHolder> find(std::string_view address) {
    return find_port_holder(InetAddress::parse(address).value(), folder.file(""));
  }
  std::string describe(std::string_view address) {
    const auto holder = find(address);
    if (!holder) return "nobody";
    return holder->kind == Kind::kTimeWait ? "time wait" : std::to_string(holder->uid);
  }

  leat::testing::TemporaryFolder folder;
  const std::string tcp =
      // 127.0.0.1:8080 of uid 33, 0.0.0.0:80 of uid 1000, a connection of uid 5 on port 81,
      // TIME_WAIT on 127.0.0.1:82, 10.0.0.1:83 of uid 7
      "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000    33        0 "
      "21 1 0000000000000000 100 0 0 10 0\n"
      "   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 "
      "22 1 0000000000000000 100 0 0 10 0\n"
      "   2: 0100007F:0051 0100007F:C350 01 00000000:00000000 00:00000000 00000000     5        0 "
      "23 1 0000000000000000 20 0 0 10 -1\n"
      "   3: 0100007F:0052 0100007F:C351 06 00000000:00000000 03:00001234 00000000     0        0 "
      "0 3 0000000000000000\n"
      "   4: 0100000A:0053 00000000:0000 0A 00000000:00000000 00:00000000 00000000     7        0 "
      "24 1 0000000000000000 100 0 0 10 0\n";
  const std::string tcp6 =
      // [::]:84 of uid 8, [::1]:85 of uid 9, [::ffff:127.0.0.1]:86 of uid 10
      "   0: 00000000000000000000000000000000:0054 00000000000000000000000000000000:0000 0A "
      "00000000:00000000 00:00000000 00000000     8        0 31 1 0000000000000000 100 0 0 10 0\n"
      "   1: 00000000000000000000000001000000:0055 00000000000000000000000000000000:0000 0A "
      "00000000:00000000 00:00000000 00000000     9        0 32 1 0000000000000000 100 0 0 10 0\n"
      "   2: 0000000000000000FFFF00000100007F:0056 00000000000000000000000000000000:0000 0A "
      "00000000:00000000 00:00000000 00000000    10        0 33 1 0000000000000000 100 0 0 10 0\n";
};

TEST_F(PortHolderTest, FindsTheListener) {
  EXPECT_EQ(describe("127.0.0.1:8080"), "33");
  EXPECT_EQ(describe("[::1]:85"), "9");
  EXPECT_EQ(describe("127.0.0.1:9999"), "nobody");
}

TEST_F(PortHolderTest, KnowsWhichAddressesAreInEachOthersWay) {
  EXPECT_EQ(describe("0.0.0.0:8080"), "33");
  EXPECT_EQ(describe("*:8080"), "33");
  EXPECT_EQ(describe("127.0.0.2:8080"), "nobody");
  EXPECT_EQ(describe("192.0.2.1:80"), "1000");
  EXPECT_EQ(describe("[::1]:80"), "nobody");
  EXPECT_EQ(describe("127.0.0.1:84"), "8");
  EXPECT_EQ(describe("127.0.0.1:86"), "10");
  EXPECT_EQ(describe("[::ffff:10.0.0.1]:83"), "7");
}

TEST_F(PortHolderTest, IgnoresConnectionsButTellsOfTimeWait) {
  EXPECT_EQ(describe("127.0.0.1:81"), "nobody");
  EXPECT_EQ(describe("127.0.0.1:82"), "time wait");
  write("tcp", tcp +
                   "   9: 0100007F:0052 00000000:0000 0A 00000000:00000000 00:00000000 00000000  "
                   "  44        0 29 1 0000000000000000 100 0 0 10 0\n");
  EXPECT_EQ(describe("127.0.0.1:82"), "44");
}

TEST_F(PortHolderTest, SkipsLinesItDoesNotUnderstand) {
  write("tcp", "\nnonsense\n 0: 0100007F:1F90\n 1: 01:1F90 x 0A x x x 1\n" + tcp);
  EXPECT_EQ(describe("127.0.0.1:8080"), "33");
}

TEST_F(PortHolderTest, FindsNobodyWithoutTables) {
  EXPECT_FALSE(find_port_holder(InetAddress::loopback(80), folder.file("nonesuch")));
}

TEST(PortHolder, ReadsTheTablesOfThisMachine) {
  const UniqueFd listener = leat::testing::plain_listener();
  const auto holder = find_port_holder(InetAddress::local_of(listener.get()).value());
  ASSERT_TRUE(holder);
  EXPECT_EQ(holder->kind, Kind::kListener);
  EXPECT_EQ(holder->uid, ::geteuid());
}

}  // namespace
}  // namespace leat::internal
