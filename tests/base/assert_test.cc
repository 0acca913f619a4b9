#include "leat/base/assert.h"

#include <gtest/gtest.h>

namespace {

TEST(Assert, PassesWhileThePreconditionHolds) {
  int evaluated = 0;
  LEAT_ASSERT(++evaluated > 0, "a number above 0");
#if defined(LEAT_ASSERTIONS) && LEAT_ASSERTIONS
  EXPECT_EQ(evaluated, 1);
#else
  EXPECT_EQ(evaluated, 0) << "an assertion that is off must not evaluate its condition";
#endif
}

TEST(AssertDeathTest, NamesThePlaceTheReasonAndTheCondition) {
  EXPECT_DEATH(leat::internal::assertion_failed("a < b", "a is less", "some/file.cc", 42),
               "leat: some/file.cc:42: precondition broken: a is less \\(a < b\\)");
}

#if defined(LEAT_ASSERTIONS) && LEAT_ASSERTIONS
TEST(AssertDeathTest, EndsTheProcessWhereItIsOn) {
  const int low = 3;
  EXPECT_DEATH(LEAT_ASSERT(low > 5, "low is high"), "assert_test.cc:.*low is high \\(low > 5\\)");
}
#endif

}  // namespace
