#include "leat/base/logging.h"

#include <unistd.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "leat/base/log_rate_limit.h"

namespace leat {

/// Something whose formatting fails while the program runs.
struct Unprintable {
  int number() const { throw std::runtime_error("no words for it"); }
};

}  // namespace leat

template <>
struct fmt::formatter<leat::Unprintable> : fmt::formatter<int> {
  template <typename Context>
  auto format(const leat::Unprintable& value, Context& context) const {
    return fmt::formatter<int>::format(value.number(), context);
  }
};

namespace leat {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::MatchesRegex;

/// Collects messages; restores level and sink.
class LoggingTest : public testing::Test {
 protected:
  LoggingTest() {
    set_log_level(LogLevel::kTrace);
    set_log_sink([this](const LogRecord& record) {
      levels_.push_back(record.level);
      messages_.emplace_back(record.message);
    });
  }
  ~LoggingTest() override {
    set_log_sink(nullptr);
    set_log_level(LogLevel::kWarn);
  }

  std::vector<LogLevel> levels_;
  std::vector<std::string> messages_;
};

TEST(Logging, ALibraryIsSilentBelowWarnUnlessTold) {
  EXPECT_EQ(log_level(), LogLevel::kWarn);
}

TEST(Logging, LevelsHaveNames) {
  for (const auto level : {LogLevel::kTrace, LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarn,
                           LogLevel::kError, LogLevel::kOff}) {
    const auto parsed = parse_log_level(log_level_name(level));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(*parsed, level);
  }
  EXPECT_EQ(log_level_name(LogLevel::kWarn), "warn");
  const auto wrong = parse_log_level("loud");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message(),
            "log level \"loud\": it is one of trace, debug, info, warn, error, off: "
            "Invalid argument");
}

TEST_F(LoggingTest, FormatsEachLevel) {
  LEAT_LOG_TRACE("plain");
  LEAT_LOG_DEBUG("accepted {} on {}", 3, "[::1]:80");
  LEAT_LOG_INFO("{:04x}", 255);
  LEAT_LOG_WARN("{}", std::string("owned"));
  LEAT_LOG_ERROR("{{}}");
  EXPECT_THAT(messages_, ElementsAre("plain", "accepted 3 on [::1]:80", "00ff", "owned", "{}"));
  EXPECT_THAT(levels_, ElementsAre(LogLevel::kTrace, LogLevel::kDebug, LogLevel::kInfo,
                                   LogLevel::kWarn, LogLevel::kError));
}

TEST_F(LoggingTest, ArgumentsOfASilentLevelAreNotEvaluated) {
  int evaluated = 0;
  set_log_level(LogLevel::kWarn);
  LEAT_LOG_INFO("{}", ++evaluated);
  EXPECT_EQ(evaluated, 0);
  LEAT_LOG_WARN("{}", ++evaluated);
  EXPECT_EQ(evaluated, 1);
  set_log_level(LogLevel::kOff);
  LEAT_LOG_ERROR("{}", ++evaluated);
  LEAT_LOG_ERROR_LIMITED("{}", ++evaluated);
  EXPECT_EQ(evaluated, 1);
  EXPECT_THAT(messages_, ElementsAre("1"));
}

TEST_F(LoggingTest, IsAStatement) {
  if (messages_.empty())
    LEAT_LOG_INFO("then");
  else
    LEAT_LOG_INFO("else");
  EXPECT_THAT(messages_, ElementsAre("then"));
}

TEST_F(LoggingTest, ARecordTellsTimeThreadAndPlace) {
  LogRecord seen{};
  set_log_sink([&seen](const LogRecord& record) { seen = record; });
  const Timestamp before = Timestamp::now();
  const int line = __LINE__ + 1;
  LEAT_LOG_INFO("here");
  EXPECT_GE(seen.time, before);
  EXPECT_LE(seen.time, Timestamp::now());
  EXPECT_EQ(seen.thread, ::gettid());
  EXPECT_EQ(seen.file, __FILE__);
  EXPECT_EQ(seen.line, line);
}

TEST_F(LoggingTest, AMessageThatCannotBeFormattedSaysSo) {
  LEAT_LOG_INFO("{}", Unprintable());
  EXPECT_THAT(messages_, ElementsAre("(a message could not be formatted: no words for it)"));
}

TEST_F(LoggingTest, ASinkThatThrowsLosesTheMessageAndIsCounted) {
  const std::uint64_t lost = log_messages_lost();
  int calls = 0;
  set_log_sink([&calls](const LogRecord&) {
    ++calls;
    throw std::runtime_error("disk full");
  });
  LEAT_LOG_INFO("one");
  LEAT_LOG_INFO("two");
  EXPECT_EQ(calls, 2) << "the sink is asked again";
  EXPECT_EQ(log_messages_lost(), lost + 2);
}

TEST_F(LoggingTest, WhatASinkLogsIsNotDelivered) {
  const std::uint64_t lost = log_messages_lost();
  int calls = 0;
  set_log_sink([&calls](const LogRecord&) {
    ++calls;
    LEAT_LOG_ERROR("from inside");
  });
  LEAT_LOG_INFO("outside");
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(log_messages_lost(), lost + 1);
}

TEST_F(LoggingTest, ManyThreadsLogAndNoCallsOverlap) {
  std::atomic<int> inside{0};
  bool overlapped = false;
  std::uint64_t calls = 0;
  set_log_sink([&](const LogRecord&) {
    overlapped |= inside.fetch_add(1) != 0;
    ++calls;
    inside.fetch_sub(1);
  });
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      for (int n = 0; n < 500; ++n) LEAT_LOG_INFO("{}", n);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(overlapped);
  EXPECT_EQ(calls, 2'000u);
}

TEST_F(LoggingTest, AReplacedSinkIsNotRunningAnyMore) {
  std::atomic<bool> stop{false};
  std::thread logger([&stop] {
    while (!stop) LEAT_LOG_INFO("again");
  });
  for (int i = 0; i < 200; ++i) {
    auto alive = std::make_unique<int>(i);
    set_log_sink([p = alive.get()](const LogRecord&) { *p += 1; });
    set_log_sink([](const LogRecord&) {});
    alive.reset();
  }
  stop = true;
  logger.join();
}

TEST(Logging, TheDefaultSinkWritesALineToStderr) {
  testing::internal::CaptureStderr();
  LEAT_LOG_ERROR("listen on {}", "127.0.0.1:80");
  LEAT_LOG_WARN("second");
  set_log_level(LogLevel::kTrace);
  LEAT_LOG_INFO("third");
  LEAT_LOG_DEBUG("fourth");
  LEAT_LOG_TRACE("fifth");
  set_log_level(LogLevel::kWarn);
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_THAT(text, MatchesRegex("....-..-..T..:..:..\\.......Z error \\[[0-9]+\\] "
                                 "logging_test.cc:[0-9]+: listen on 127.0.0.1:80\n(.|\n)*"));
  EXPECT_THAT(text, testing::HasSubstr("Z warning [" + std::to_string(::gettid()) + "]"));
  for (const char* word : {" info [", " debug [", " trace [", ": fifth\n"}) {
    EXPECT_THAT(text, testing::HasSubstr(word));
  }
}

TEST(Logging, TheDefaultSinksTimeIsUtc) {
  testing::internal::CaptureStderr();
  const Timestamp before = Timestamp::now();
  LEAT_LOG_ERROR("now");
  const std::string text = testing::internal::GetCapturedStderr();
  const auto time = Timestamp::parse(text.substr(0, text.find(' ')));
  ASSERT_TRUE(time) << time.error().message();
  EXPECT_GE(*time, before);
  EXPECT_LE(*time, Timestamp::now());
}

TEST(LogRateLimit, LetsOneASecondPassAndCountsTheOthers) {
  LogRateLimit limit;
  const MonotonicTime start{1h};
  EXPECT_EQ(limit.admit(start), 0u);
  EXPECT_EQ(limit.admit(start), std::nullopt);
  EXPECT_EQ(limit.admit(start + 1s - 1ns), std::nullopt);
  EXPECT_EQ(limit.admit(start + 1s), 2u);
  EXPECT_EQ(limit.admit(start + 1s + 500ms), std::nullopt);
  EXPECT_EQ(limit.admit(start + 10s), 1u);
  EXPECT_EQ(limit.admit(start + 11s), 0u);
}

TEST(LogRateLimit, OfManyThreadsOnePasses) {
  LogRateLimit limit;
  std::atomic<int> passed{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 1'000; ++n) {
        if (limit.admit(MonotonicTime{1h})) ++passed;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(passed, 1);
  EXPECT_EQ(limit.admit(MonotonicTime{1h} + 1s), 3'999u);
}

TEST_F(LoggingTest, AFloodIsOneMessage) {
  for (int i = 0; i < 50; ++i) LEAT_LOG_WARN_LIMITED("no descriptors left ({})", i);
  // A machine that stops for a second in this loop lets a second one pass, with its count.
  ASSERT_FALSE(messages_.empty());
  EXPECT_EQ(messages_[0], "no descriptors left (0)");
  EXPECT_LT(messages_.size(), 50u);
  LEAT_LOG_WARN_LIMITED("another place");
  EXPECT_EQ(messages_.back(), "another place");
}

TEST_F(LoggingTest, TheNextMessageSaysHowManyWereLeftOut) {
  internal::log({LogLevel::kWarn, __FILE__, __LINE__}, 12, "no descriptors left");
  EXPECT_THAT(messages_, ElementsAre("no descriptors left (12 more like it were left out)"));
}

#if defined(LEAT_ASSERTIONS) && LEAT_ASSERTIONS
TEST(LoggingDeathTest, ASinkCannotReplaceItself) {
  EXPECT_DEATH(
      {
        set_log_sink([](const LogRecord&) { set_log_sink(nullptr); });
        LEAT_LOG_ERROR("x");
      },
      "from inside a sink");
  EXPECT_DEATH(static_cast<void>(log_level_name(static_cast<LogLevel>(9))), "level that is none");
}
#endif

}  // namespace
}  // namespace leat
