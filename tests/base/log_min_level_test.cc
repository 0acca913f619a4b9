// This file alone is compiled without messages below `warn`.
#define LEAT_LOG_MIN_LEVEL 3

#include <vector>

#include <gtest/gtest.h>

#include "leat/base/log_rate_limit.h"
#include "leat/base/logging.h"

namespace leat {
namespace {

TEST(LogMinLevel, LowerLevelsVanishWhateverTheLevelAtRunTime) {
  std::vector<LogLevel> seen;
  const LogLevel before = log_level();
  set_log_level(LogLevel::kTrace);
  set_log_sink([&seen](const LogRecord& record) { seen.push_back(record.level); });
  int evaluated = 0;
  LEAT_LOG_TRACE("{}", ++evaluated);
  LEAT_LOG_DEBUG("{}", ++evaluated);
  LEAT_LOG_INFO("{}", ++evaluated);
  EXPECT_EQ(evaluated, 0);
  LEAT_LOG_WARN("{}", ++evaluated);
  LEAT_LOG_ERROR("{}", ++evaluated);
  LEAT_LOG_WARN_LIMITED("{}", ++evaluated);
  set_log_sink(nullptr);
  set_log_level(before);
  EXPECT_EQ(evaluated, 3);
  EXPECT_EQ(seen, (std::vector{LogLevel::kWarn, LogLevel::kError, LogLevel::kWarn}));
}

}  // namespace
}  // namespace leat
