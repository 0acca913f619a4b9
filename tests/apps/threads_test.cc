#include "apps/leat/threads.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace leat::app {
namespace {

using testing::HasSubstr;

TEST(Threads, ANumberIsACount) {
  EXPECT_EQ(parse_threads("1").value().count, 1u);
  EXPECT_EQ(parse_threads("1024").value().count, 1024u);
  EXPECT_TRUE(parse_threads("4").value().cpus.empty());
}

TEST(Threads, AListIsCpus) {
  const int first = CpuSet::available().value().first();
  const std::string one = std::to_string(first);
  const Threads threads = parse_threads(one + "-" + one).value();
  EXPECT_EQ(threads.count, 1u);
  EXPECT_EQ(threads.cpus, CpuSet::of(first));
}

TEST(Threads, Errors) {
  for (const char* text : {"", "0", "1025", "x", "4x", "99999999999999999999", "+1", "1.5"}) {
    const Result<Threads> threads = parse_threads(text);
    ASSERT_FALSE(threads) << text;
    EXPECT_THAT(threads.error().context(), HasSubstr("'" + std::string(text) + "'"));
  }
  EXPECT_FALSE(parse_threads("3-1"));
  EXPECT_FALSE(parse_threads("1,"));
  EXPECT_FALSE(parse_threads("-1"));
  const Result<Threads> missing = parse_threads("60000-60001");
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().context(), HasSubstr("60000-60001"));
}

}  // namespace
}  // namespace leat::app
