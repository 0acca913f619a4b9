#include "leat/smc/port_list.h"

#include <gtest/gtest.h>

namespace leat::smc {
namespace {

TEST(PortListTest, NothingAllowsAll) {
  EXPECT_TRUE(PortList::parse(nullptr).allows(1, 2));
  EXPECT_TRUE(PortList::parse("").allows(1, 2));
}

TEST(PortListTest, NamedPortsAloneAtEitherEnd) {
  const PortList list = PortList::parse("80,8000-8100");
  EXPECT_TRUE(list.allows(80, 40000));
  EXPECT_TRUE(list.allows(40000, 8050));
  EXPECT_FALSE(list.allows(40000, 8101));
}

TEST(PortListTest, AllButTheNamed) {
  const PortList list = PortList::parse("!22,!5000-5010");
  EXPECT_FALSE(list.allows(22, 40000));
  EXPECT_FALSE(list.allows(40000, 5010));
  EXPECT_TRUE(list.allows(40000, 80));
}

}  // namespace
}  // namespace leat::smc
