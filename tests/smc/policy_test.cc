#include "leat/smc/internal/policy.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace leat::smc::internal {
namespace {

TEST(Policy, TheSameUserAlways) {
  EXPECT_TRUE(Policy().allows(7, 7));
  EXPECT_FALSE(Policy().allows(7, 8));
  EXPECT_FALSE(Policy().knows(7));
}

TEST(Policy, LinesGoBothWays) {
  const Result<Policy> policy =
      Policy::parse("# who\n\nallow 10 20 # and why\n  allow\troot 4294967294\r\n");
  ASSERT_TRUE(policy) << policy.error().message();
  EXPECT_TRUE(policy->allows(10, 20));
  EXPECT_TRUE(policy->allows(20, 10));
  EXPECT_FALSE(policy->allows(10, 30));
  EXPECT_TRUE(policy->allows(0, 4294967294));
  EXPECT_TRUE(policy->knows(20));
  EXPECT_FALSE(policy->knows(30));
}

TEST(Policy, BadLinesAreNamed) {
  for (const char* text : {"\nallow 1\n", "\nallow 1 2 3", "\ndeny 1 2", "\nallow 1 no-such-user-x",
                           "\nallow 1 4294967296", "\nallow -1 2"}) {
    const Result<Policy> policy = Policy::parse(text);
    ASSERT_FALSE(policy) << text;
    EXPECT_EQ(policy.error().number(), EINVAL);
    EXPECT_NE(policy.error().context().find("line 2"), std::string::npos) << text;
  }
}

TEST(Policy, AFileThatOthersMayWriteIsNone) {
  char name[] = "/tmp/leat-policy-XXXXXX";
  const int fd = ::mkstemp(name);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(::write(fd, "allow 1 2\n", 10), 10);
  ::close(fd);
  EXPECT_TRUE(Policy::load(name, ::geteuid())->allows(1, 2));
  ASSERT_EQ(::chmod(name, 0666), 0);
  EXPECT_EQ(Policy::load(name, ::geteuid()).error().number(), EACCES);
  std::filesystem::remove(name);
  EXPECT_FALSE(Policy::load(name, ::geteuid())->allows(1, 2));
}

}  // namespace
}  // namespace leat::smc::internal
