// The three forms of an HTTP-date, RFC 9110, 5.6.7.
#include <array>
#include <chrono>
#include <string_view>
#include <tuple>

#include "leat/base/internal/civil_time.h"
#include "leat/base/internal/text_cursor.h"
#include "leat/base/timestamp.h"

namespace leat {
namespace {

using internal::TextCursor;
using std::chrono::days;
using std::chrono::floor;
using std::chrono::microseconds;
using std::chrono::seconds;
using std::chrono::sys_time;
using std::chrono::year_month_day;

constexpr std::array<std::string_view, 7> kLongDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                       "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

enum class Form { kImfFixdate, kRfc850, kAsctime };

/// The day's name and what follows it tell the form.
Result<Form> take_day_name(TextCursor& cursor) {
  for (const std::string_view name : kLongDays) {
    if (cursor.take(name)) {
      if (cursor.take(", ")) return Form::kRfc850;
      return cursor.error("expected ', '");
    }
    if (cursor.take(name.substr(0, 3))) {
      if (cursor.take(", ")) return Form::kImfFixdate;
      if (cursor.take(' ')) return Form::kAsctime;
      return cursor.error("expected ', ' or a space");
    }
  }
  return cursor.error("expected the name of a day");
}

Result<int> take_month(TextCursor& cursor) {
  int number = 1;
  for (const std::string_view name : kMonths) {
    if (cursor.take(name)) return number;
    ++number;
  }
  return cursor.error("expected the name of a month");
}

/// "Recipients [...] MUST interpret a timestamp that appears to be more than 50 years in the
/// future as representing the most recent year in the past that had the same last two digits."
int year_of_two_digits(int digits, int month, int day, seconds clock, Timestamp now) {
  LEAT_ASSERT(now.is_valid(), "an invalid Timestamp cannot settle a century");
  const sys_time<microseconds> time(microseconds(now.microseconds_since_epoch()));
  const auto today = floor<days>(time);
  const year_month_day date(today);
  const bool later_in_the_year =
      std::tuple(month, day, microseconds(clock)) >
      std::tuple(static_cast<int>(static_cast<unsigned>(date.month())),
                 static_cast<int>(static_cast<unsigned>(date.day())), time - today);
  const int latest = static_cast<int>(date.year()) + 50 - (later_in_the_year ? 1 : 0);
  const int year = latest - latest % 100 + digits;
  return year > latest ? year - 100 : year;
}

/// "06 Nov 1994 08:49:37 GMT", or "06-Nov-94 08:49:37 GMT" with '-' as the separator.
Result<Timestamp> take_day_first(TextCursor& cursor, char separator, Timestamp now) {
  const TextCursor before_day = cursor;
  const auto day = cursor.take_digits(2, 1, 31);
  if (!day) return cursor.error("expected the day, 01 to 31,");
  if (!cursor.take(separator)) return cursor.error("expected the separator before the month");
  const auto month = take_month(cursor);
  if (!month) return month.error();
  if (!cursor.take(separator)) return cursor.error("expected the separator before the year");
  const bool short_year = separator == '-';
  auto year = cursor.take_digits(short_year ? 2 : 4, 0, 9'999);
  if (!year) return cursor.error(short_year ? "expected a two-digit year" : "expected the year");
  if (!cursor.take(' ')) return cursor.error("expected a space");
  const auto clock = internal::take_clock(cursor);
  if (!clock) return clock.error();
  if (!cursor.take(" GMT")) return cursor.error("expected ' GMT'");
  if (short_year) year = year_of_two_digits(*year, *month, *day, *clock, now);
  const auto date = internal::at_date(before_day, *year, *month, *day);
  if (!date) return date.error();
  return *date + *clock;
}

/// "Nov  6 08:49:37 1994", as C's asctime() writes it: the day is two digits or space and digit.
Result<Timestamp> take_asctime(TextCursor& cursor) {
  const auto month = take_month(cursor);
  if (!month) return month.error();
  if (!cursor.take(' ')) return cursor.error("expected a space");
  const TextCursor before_day = cursor;
  const auto day = cursor.take(' ') ? cursor.take_digits(1, 1, 9) : cursor.take_digits(2, 1, 31);
  if (!day) return cursor.error("expected the day, 1 to 31,");
  if (!cursor.take(' ')) return cursor.error("expected a space");
  const auto clock = internal::take_clock(cursor);
  if (!clock) return clock.error();
  if (!cursor.take(' ')) return cursor.error("expected a space");
  const auto year = cursor.take_digits(4, 0, 9'999);
  if (!year) return cursor.error("expected the year");
  const auto date = internal::at_date(before_day, *year, *month, *day);
  if (!date) return date.error();
  return *date + *clock;
}

}  // namespace

Result<Timestamp> Timestamp::parse_http_date(std::string_view text, Timestamp now) {
  TextCursor cursor("HTTP date", text);
  const auto form = take_day_name(cursor);
  if (!form) return form.error();
  auto result = *form == Form::kAsctime
                    ? take_asctime(cursor)
                    : take_day_first(cursor, *form == Form::kRfc850 ? '-' : ' ', now);
  if (result && !cursor.at_end()) return cursor.error("unexpected text");
  return result;
}

}  // namespace leat
