#include <chrono>
#include <limits>

#include "leat/base/internal/civil_time.h"
#include "leat/base/internal/text_cursor.h"
#include "leat/base/timestamp.h"

namespace leat {

using internal::TextCursor;
using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::minutes;
using std::chrono::seconds;

namespace internal {

Result<seconds> take_clock(TextCursor& cursor) {
  const auto hour = cursor.take_digits(2, 0, 23);
  if (!hour) return cursor.error("expected the hour, 00 to 23,");
  if (!cursor.take(':')) return cursor.error("expected ':'");
  const auto minute = cursor.take_digits(2, 0, 59);
  if (!minute) return cursor.error("expected the minute, 00 to 59,");
  if (!cursor.take(':')) return cursor.error("expected ':'");
  const auto second = cursor.take_digits(2, 0, 60);
  if (!second) return cursor.error("expected the second, 00 to 60,");
  return hours(*hour) + minutes(*minute) + seconds(*second);
}

Result<Timestamp> at_date(const TextCursor& cursor, int year, int month, int day) {
  const std::chrono::year_month_day date(std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day)));
  if (!date.ok()) return cursor.error("the month has no such day, read");
  return Timestamp::from_time_t(0) + std::chrono::sys_days(date).time_since_epoch();
}

}  // namespace internal

namespace {

/// The fraction after a '.', if there is one; digits after the sixth only have to be digits.
Result<microseconds> take_fraction(TextCursor& cursor) {
  if (!cursor.take('.')) return microseconds(0);
  std::int64_t value = 0;
  int taken = 0;
  while (const auto digit = cursor.take_digit()) {
    if (taken++ < 6) value = value * 10 + *digit;
  }
  if (taken == 0) return cursor.error("expected a digit of the fraction");
  for (; taken < 6; ++taken) value *= 10;
  return microseconds(value);
}

/// time-offset of RFC 3339, 5.6: what has to be subtracted to come to UTC.
Result<minutes> take_zone(TextCursor& cursor) {
  if (cursor.take('Z') || cursor.take('z')) return minutes(0);
  const bool west = cursor.take('-');
  if (!west && !cursor.take('+')) return cursor.error("expected the zone, Z or +hh:mm,");
  const auto hour = cursor.take_digits(2, 0, 23);
  if (!hour) return cursor.error("expected the zone's hours, 00 to 23,");
  if (!cursor.take(':')) return cursor.error("expected ':'");
  const auto minute = cursor.take_digits(2, 0, 59);
  if (!minute) return cursor.error("expected the zone's minutes, 00 to 59,");
  const minutes offset = hours(*hour) + minutes(*minute);
  return west ? -offset : offset;
}

Result<Timestamp> take_date(TextCursor& cursor) {
  const auto year = cursor.take_digits(4, 0, 9'999);
  if (!year) return cursor.error("expected the year, four digits,");
  if (!cursor.take('-')) return cursor.error("expected '-'");
  const auto month = cursor.take_digits(2, 1, 12);
  if (!month) return cursor.error("expected the month, 01 to 12,");
  if (!cursor.take('-')) return cursor.error("expected '-'");
  const TextCursor before_day = cursor;
  const auto day = cursor.take_digits(2, 1, 31);
  if (!day) return cursor.error("expected the day, 01 to 31,");
  return internal::at_date(before_day, *year, *month, *day);
}

Result<Timestamp> take_date_time(TextCursor& cursor) {
  const auto date = take_date(cursor);
  if (!date) return date.error();
  if (!cursor.take('T') && !cursor.take('t') && !cursor.take(' ')) {
    return cursor.error("expected 'T' between date and time");
  }
  const auto clock = internal::take_clock(cursor);
  if (!clock) return clock.error();
  const auto fraction = take_fraction(cursor);
  if (!fraction) return fraction.error();
  const auto zone = take_zone(cursor);
  if (!zone) return zone.error();
  return *date + *clock + *fraction - *zone;
}

Result<Timestamp> take_seconds(TextCursor& cursor) {
  constexpr std::uint64_t kSecondsWithin = std::numeric_limits<std::int64_t>::max() / 1'000'000 - 1;
  const bool negative = cursor.take('-');
  const auto whole = cursor.take_number("seconds since the epoch", kSecondsWithin);
  if (!whole) return whole.error();
  const auto fraction = take_fraction(cursor);
  if (!fraction) return fraction.error();
  const auto size = seconds(static_cast<std::int64_t>(*whole)) + *fraction;
  return Timestamp::from_time_t(0) + (negative ? -size : size);
}

}  // namespace

Result<Timestamp> Timestamp::parse(std::string_view text) {
  TextCursor cursor("timestamp", text);
  const bool is_date = text.size() > 4 && text[4] == '-';
  auto result = is_date ? take_date_time(cursor) : take_seconds(cursor);
  if (result && !cursor.at_end()) return cursor.error("unexpected text");
  return result;
}

}  // namespace leat
