#include <chrono>
#include <cstdint>
#include <string>

#include <gtest/gtest.h>

#include "leat/base/random.h"
#include "leat/base/timestamp.h"

namespace leat {
namespace {

using namespace std::chrono_literals;

const Timestamp kExample = Timestamp::from_time_t(784'111'777);
const Timestamp kNow = Timestamp::from_time_t(1'795'330'800);  // 2026-11-22T07:00:00Z

Timestamp parsed(std::string_view text, Timestamp now = kNow) {
  const auto result = Timestamp::parse_http_date(text, now);
  EXPECT_TRUE(result) << result.error().message();
  return result.value_or(Timestamp::invalid());
}

std::string problem_of(std::string_view text) {
  const auto result = Timestamp::parse_http_date(text, kNow);
  EXPECT_FALSE(result) << text;
  if (result) return "";
  const std::string error = result.error().context();
  return error.substr(error.find("\": ") + 3);
}

// The three examples of RFC 9110, 5.6.7, which mean the same moment.
TEST(HttpDate, ReadsTheExamplesOfTheRfc) {
  EXPECT_EQ(parsed("Sun, 06 Nov 1994 08:49:37 GMT"), kExample);
  EXPECT_EQ(parsed("Sunday, 06-Nov-94 08:49:37 GMT"), kExample);
  EXPECT_EQ(parsed("Sun Nov  6 08:49:37 1994"), kExample);
}

TEST(HttpDate, WritesTheFixedForm) {
  EXPECT_EQ(kExample.to_http_date(), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ((kExample + 999'999us).to_http_date(), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(Timestamp::from_time_t(0).to_http_date(), "Thu, 01 Jan 1970 00:00:00 GMT");
}

TEST(HttpDate, WritesTheNearestPossibleForWhatFourDigitsCannotSay) {
  EXPECT_EQ((Timestamp::from_time_t(253'402'300'799) + 1s).to_http_date(),
            "Fri, 31 Dec 9999 23:59:59 GMT");
  EXPECT_EQ(Timestamp::from_time_t(-99'999'999'999).to_http_date(),
            "Sat, 01 Jan 0000 00:00:00 GMT");
}

TEST(HttpDate, ReadsTheOtherFormOfAsctimesDay) {
  EXPECT_EQ(parsed("Wed Nov 16 08:49:37 1994"), kExample + 10 * 24h);
}

TEST(HttpDate, ReadsBackEachDayOfAYearInAllForms) {
  static constexpr const char* kDays[] = {"Thursday", "Friday",  "Saturday", "Sunday",
                                          "Monday",   "Tuesday", "Wednesday"};
  for (int day = 0; day < 366 * 40; day += 5) {
    const Timestamp t = Timestamp::from_time_t(day * 86'400LL + day * 7 % 86'400);
    const std::string text = t.to_http_date();
    ASSERT_EQ(parsed(text), t) << text;
    const std::string name = kDays[day % 7];
    ASSERT_EQ(text.substr(0, 3), name.substr(0, 3));
    const std::string month = text.substr(8, 3);
    const std::string clock = text.substr(17, 8);
    ASSERT_EQ(parsed(name + ", " + text.substr(5, 2) + "-" + month + "-" + text.substr(14, 2) +
                         " " + clock + " GMT",
                     t),
              t);
    std::string number = text.substr(5, 2);
    if (number[0] == '0') number[0] = ' ';
    ASSERT_EQ(parsed(name.substr(0, 3) + " " + month + " " + number + " " + clock + " " +
                     text.substr(12, 4)),
              t);
  }
}

// More than 50 years in the future means the past: to the second.
TEST(HttpDate, ATwoDigitYearIsAtMostFiftyYearsAhead) {
  EXPECT_EQ(parsed("Sunday, 22-Nov-76 07:00:00 GMT").to_iso8601(false), "2076-11-22T07:00:00Z");
  EXPECT_EQ(parsed("Monday, 22-Nov-76 07:00:01 GMT").to_iso8601(false), "1976-11-22T07:00:01Z");
  EXPECT_EQ(parsed("Monday, 21-Nov-76 08:00:00 GMT").to_iso8601(false), "2076-11-21T08:00:00Z");
  EXPECT_EQ(parsed("Monday, 01-Dec-76 00:00:00 GMT").to_iso8601(false), "1976-12-01T00:00:00Z");
  EXPECT_EQ(parsed("Monday, 31-Oct-76 23:00:00 GMT").to_iso8601(false), "2076-10-31T23:00:00Z");
  EXPECT_EQ(parsed("Monday, 01-Jan-77 00:00:00 GMT").to_iso8601(false), "1977-01-01T00:00:00Z");
  EXPECT_EQ(parsed("Monday, 01-Jan-26 00:00:00 GMT").to_iso8601(false), "2026-01-01T00:00:00Z");
  const Timestamp late = Timestamp::parse("2099-06-01T00:00:00Z").value();
  EXPECT_EQ(parsed("Friday, 01-Jan-00 00:00:00 GMT", late).to_iso8601(false),
            "2100-01-01T00:00:00Z");
  EXPECT_EQ(parsed("Friday, 01-Jan-99 00:00:00 GMT", late).to_iso8601(false),
            "2099-01-01T00:00:00Z");
}

TEST(HttpDate, SaysWhatIsWrongAndAtWhichColumn) {
  EXPECT_EQ(Timestamp::parse_http_date("now", kNow).error().context(),
            "HTTP date \"now\": expected the name of a day at column 1");
  const struct {
    const char* text;
    const char* problem;
  } kCases[] = {
      {"", "expected the name of a day at column 1"},
      {"sun, 06 Nov 1994 08:49:37 GMT", "expected the name of a day at column 1"},
      {"Sunday 06", "expected ', ' at column 7"},
      {"Sun; 06", "expected ', ' or a space at column 4"},
      {"Sun, 6 Nov 1994 08:49:37 GMT", "expected the day, 01 to 31, at column 6"},
      {"Sun, 06-Nov-94 08:49:37 GMT", "expected the separator before the month at column 8"},
      {"Sun, 06 nov 1994 08:49:37 GMT", "expected the name of a month at column 9"},
      {"Sun, 06 Nov-1994 08:49:37 GMT", "expected the separator before the year at column 12"},
      {"Sun, 06 Nov 94 08:49:37 GMT", "expected the year at column 13"},
      {"Sunday, 06-Nov-x4 08:49:37 GMT", "expected a two-digit year at column 16"},
      {"Sunday, 06-Nov-1994 08:49:37 GMT", "expected a space at column 18"},
      {"Sun, 06 Nov 1994 8:49:37 GMT", "expected the hour, 00 to 23, at column 18"},
      {"Sun, 06 Nov 1994 08:49:37 UTC", "expected ' GMT' at column 26"},
      {"Sun, 06 Nov 1994 08:49:37 GMT ", "unexpected text at column 30"},
      {"Sun, 31 Nov 1994 08:49:37 GMT", "the month has no such day, read at column 6"},
      {"Sun Nvv  6 08:49:37 1994", "expected the name of a month at column 5"},
      {"Sun Nov", "expected a space at column 8"},
      {"Sun Nov 6 08:49:37 1994", "expected the day, 1 to 31, at column 9"},
      {"Sun Nov  0 08:49:37 1994", "expected the day, 1 to 31, at column 10"},
      {"Sun Nov  6", "expected a space at column 11"},
      {"Sun Nov  6 08.49", "expected ':' at column 14"},
      {"Sun Nov  6 08:49:37", "expected a space at column 20"},
      {"Sun Nov  6 08:49:37 94", "expected the year at column 21"},
      {"Sun Feb 30 08:49:37 1994", "the month has no such day, read at column 9"},
  };
  for (const auto& c : kCases) EXPECT_EQ(problem_of(c.text), c.problem) << "for " << c.text;
}

TEST(HttpDate, RandomTextIsReadOrRefused) {
  static constexpr std::string_view kAlphabet = "0123456789-:, SunNovGMTday\xff";
  static constexpr std::string_view kForms[] = {"Sun, 06 Nov 1994 08:49:37 GMT",
                                                "Sunday, 06-Nov-94 08:49:37 GMT",
                                                "Sun Nov  6 08:49:37 1994"};
  Random random(4);
  int read = 0;
  for (int i = 0; i < 50'000; ++i) {
    std::string text(kForms[random.uniform(0, 2)]);
    for (auto changes = random.uniform(0, 3); changes > 0; --changes) {
      text[random.uniform(0, text.size() - 1)] = kAlphabet[random.uniform(0, kAlphabet.size() - 1)];
    }
    const auto result = Timestamp::parse_http_date(text, kNow);
    if (!result) continue;
    ++read;
    ASSERT_EQ(parsed(result->to_http_date()), *result) << text;
  }
  EXPECT_GT(read, 1'000);
}

}  // namespace
}  // namespace leat
