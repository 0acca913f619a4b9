#include <chrono>
#include <cstdint>
#include <string>

#include <gtest/gtest.h>

#include "leat/base/random.h"
#include "leat/base/timestamp.h"

namespace leat {
namespace {

Timestamp at(std::int64_t microseconds) {
  return Timestamp::from_microseconds(microseconds);
}

Timestamp parsed(std::string_view text) {
  const auto result = Timestamp::parse(text);
  EXPECT_TRUE(result) << result.error().message();
  return result.value_or(Timestamp::invalid());
}

std::string error_of(std::string_view text) {
  const auto result = Timestamp::parse(text);
  EXPECT_FALSE(result) << text << " gave " << result->to_string();
  return result ? "" : result.error().context();
}

TEST(TimestampParse, ReadsSeconds) {
  EXPECT_EQ(parsed("1700000000.123456"), at(1'700'000'000'123'456));
  EXPECT_EQ(parsed("0"), at(0));
  EXPECT_EQ(parsed("-0.000001"), at(-1));
  EXPECT_EQ(parsed("-1.5"), at(-1'500'000));
  EXPECT_EQ(parsed("12.05"), at(12'050'000));
  EXPECT_EQ(parsed("1.1234569"), at(1'123'456)) << "digits after the sixth are cut off";
}

TEST(TimestampParse, ReadsDates) {
  EXPECT_EQ(parsed("2026-11-22T07:00:00.123456Z"), at(1'795'330'800'123'456));
  EXPECT_EQ(parsed("2026-11-22 07:00:00z"), at(1'795'330'800'000'000));
  EXPECT_EQ(parsed("2026-11-22t07:00:00.5Z"), at(1'795'330'800'500'000));
  EXPECT_EQ(parsed("0000-01-01T00:00:00Z"), at(-62'167'219'200'000'000));
  EXPECT_EQ(parsed("2000-02-29T00:00:00Z"), at(951'782'400'000'000));
}

// The examples of RFC 3339, 5.8.
TEST(TimestampParse, ReadsTheExamplesOfTheRfc) {
  EXPECT_EQ(parsed("1985-04-12T23:20:50.52Z"), at(482'196'050'520'000));
  EXPECT_EQ(parsed("1996-12-19T16:39:57-08:00"), parsed("1996-12-20T00:39:57Z"));
  EXPECT_EQ(parsed("1990-12-31T23:59:60Z"), parsed("1991-01-01T00:00:00Z"));
  EXPECT_EQ(parsed("1990-12-31T15:59:60-08:00"), parsed("1991-01-01T00:00:00Z"));
  EXPECT_EQ(parsed("1937-01-01T12:00:27.87+00:20"), parsed("1937-01-01T11:40:27.87Z"));
}

TEST(TimestampParse, ReadsZonesBothWays) {
  EXPECT_EQ(parsed("1970-01-01T05:30:00+05:30"), at(0));
  EXPECT_EQ(parsed("1969-12-31T14:30:00-09:30"), at(0));
  EXPECT_EQ(parsed("1970-01-01T00:00:00-00:00"), at(0));
}

TEST(TimestampParse, SaysWhatIsWrongAndAtWhichColumn) {
  EXPECT_EQ(error_of("2026-13-22T07:00:00Z"),
            "timestamp \"2026-13-22T07:00:00Z\": expected the month, 01 to 12, at column 6");
  const struct {
    const char* text;
    const char* problem;
  } kCases[] = {
      {"", "expected seconds since the epoch at column 1"},
      {"-", "expected seconds since the epoch at column 2"},
      {"soon", "expected seconds since the epoch at column 1"},
      {"12.", "expected a digit of the fraction at column 4"},
      {"12.x", "expected a digit of the fraction at column 4"},
      {"12 ", "unexpected text at column 3"},
      {"9223372036854", "seconds since the epoch above 9223372036853 at column 1"},
      {"99999999999999999999999999", "seconds since the epoch above 9223372036853 at column 1"},
      {"x026-11-22T07:00:00Z", "expected the year, four digits, at column 1"},
      {"2026-", "expected the month, 01 to 12, at column 6"},
      {"2026-1122", "expected '-' at column 8"},
      {"2026-00-22T07:00:00Z", "expected the month, 01 to 12, at column 6"},
      {"2026-11-32T07:00:00Z", "expected the day, 01 to 31, at column 9"},
      {"2026-11-00T07:00:00Z", "expected the day, 01 to 31, at column 9"},
      {"2026-02-29T07:00:00Z", "the month has no such day, read at column 9"},
      {"1900-02-29T07:00:00Z", "the month has no such day, read at column 9"},
      {"2026-11-22", "expected 'T' between date and time at column 11"},
      {"2026-11-22T24:00:00Z", "expected the hour, 00 to 23, at column 12"},
      {"2026-11-22T07", "expected ':' at column 14"},
      {"2026-11-22T07:60:00Z", "expected the minute, 00 to 59, at column 15"},
      {"2026-11-22T07:00Z", "expected ':' at column 17"},
      {"2026-11-22T07:00:61Z", "expected the second, 00 to 60, at column 18"},
      {"2026-11-22T07:00:00.Z", "expected a digit of the fraction at column 21"},
      {"2026-11-22T07:00:00", "expected the zone, Z or +hh:mm, at column 20"},
      {"2026-11-22T07:00:00+24:00", "expected the zone's hours, 00 to 23, at column 21"},
      {"2026-11-22T07:00:00+0100", "expected ':' at column 23"},
      {"2026-11-22T07:00:00+01:60", "expected the zone's minutes, 00 to 59, at column 24"},
      {"2026-11-22T07:00:00Zulu", "unexpected text at column 21"},
  };
  for (const auto& c : kCases) {
    const std::string error = error_of(c.text);
    const std::string tail = error.substr(error.find("\": ") + 3);
    EXPECT_EQ(tail, c.problem) << "for " << c.text;
  }
}

TEST(TimestampParse, ErrorsCarryEinvalAndNoControlCharacters) {
  const auto result = Timestamp::parse(std::string("1\x1b[2J\0\n", 7));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().number(), EINVAL);
  EXPECT_EQ(result.error().context(), "timestamp \"1?[2J??\": unexpected text at column 2");
  const std::string error = error_of(std::string(1'000, '1'));
  EXPECT_LT(error.size(), 200u);
  EXPECT_NE(error.find("111...\""), std::string::npos);
}

// Every 7 hours and some from 1970 to 2400, in both forms and in zones of the hour.
TEST(TimestampParse, ReadsBackWhatIsFormatted) {
  const std::int64_t end = 13'569'465'600'000'000;  // 2400-01-01T00:00:00Z
  int step = 0;
  for (std::int64_t i = 0; i < end; i += 25'217'000'123'457, ++step) {
    const Timestamp t = at(i);
    ASSERT_EQ(parsed(t.to_string()), t);
    ASSERT_EQ(parsed(t.to_iso8601()), t) << t.to_iso8601();
    const auto whole = at(i - i % 1'000'000);
    ASSERT_EQ(parsed(t.to_iso8601(false)), whole);
  }
  EXPECT_GT(step, 500);
}

TEST(TimestampParse, ReadsBackRandomPointsOfTheWholeRange) {
  Random random(2);
  for (int i = 0; i < 20'000; ++i) {
    const auto width = static_cast<unsigned>(random.uniform(10, 63));
    const auto size = static_cast<std::int64_t>(random() >> (64 - width));
    const Timestamp t = at(random.uniform(0, 1) == 0 ? size : -size);
    if (std::abs(t.microseconds_since_epoch()) / 1'000'000 >= 9'223'372'036'853) continue;
    ASSERT_EQ(parsed(t.to_iso8601()), t) << t.to_string();
    ASSERT_EQ(parsed(t.to_string()), t) << t.to_string();
  }
}

// Each day of the years 1970 to 2400 follows the one before by 86,400 seconds and by the calendar.
TEST(TimestampParse, TheCalendarHasNoGaps) {
  int year = 1970;
  int month = 1;
  int day = 1;
  static constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  for (std::int64_t i = 0; year <= 2400; ++i) {
    char text[64];
    std::snprintf(text, sizeof text, "%04d-%02d-%02dT00:00:00Z", year, month, day);
    const Timestamp t = at(i * 86'400'000'000);
    ASSERT_EQ(parsed(text), t);
    ASSERT_EQ(t.to_iso8601(false), text);
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (++day > kDays[month - 1] + (month == 2 && leap ? 1 : 0)) day = 1, ++month;
    if (month > 12) month = 1, ++year;
  }
}

TEST(TimestampParse, RandomTextIsReadOrRefused) {
  static constexpr std::string_view kAlphabet = "0123456789-+:.TZ \n\xff";
  Random random(3);
  int read = 0;
  for (int i = 0; i < 50'000; ++i) {
    std::string text = "2026-11-22T07:00:00.123456+01:00";
    text.resize(random.uniform(0, text.size()));
    for (auto changes = random.uniform(0, 3); changes > 0 && !text.empty(); --changes) {
      text[random.uniform(0, text.size() - 1)] = kAlphabet[random.uniform(0, kAlphabet.size() - 1)];
    }
    const auto result = Timestamp::parse(text);
    if (!result) continue;
    ++read;
    ASSERT_EQ(parsed(result->to_iso8601()), *result) << text;
  }
  EXPECT_GT(read, 100);
}

}  // namespace
}  // namespace leat
