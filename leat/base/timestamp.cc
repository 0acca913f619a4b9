#include "leat/base/timestamp.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace leat {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::microseconds;
using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::sys_time;
using std::chrono::year;

constexpr sys_time<microseconds> kFirstWritable = sys_days(year(0) / 1 / 1);
constexpr sys_time<microseconds> kLastWritable =
    sys_time<microseconds>(sys_days(year(10'000) / 1 / 1)) - microseconds(1);

/// A point in time as the calendar and the clock on the wall show it, in UTC.
struct Civil {
  explicit Civil(sys_time<microseconds> time)
      : day(floor<days>(time)), date(day), clock(time - day) {}
  sys_days day;
  std::chrono::year_month_day date;
  std::chrono::hh_mm_ss<microseconds> clock;
};

sys_time<microseconds> sys_time_of(Timestamp t) {
  return sys_time<microseconds>(microseconds(t.microseconds_since_epoch()));
}

}  // namespace

Timestamp Timestamp::now() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return Timestamp(floor<microseconds>(since_epoch).count());
}

std::time_t Timestamp::to_time_t() const {
  LEAT_ASSERT(is_valid(), "to_time_t() of an invalid Timestamp");
  return floor<seconds>(microseconds(value_)).count();
}

timespec Timestamp::to_timespec() const {
  const std::time_t whole = to_time_t();
  const std::int64_t rest = (microseconds(value_) - floor<seconds>(microseconds(value_))).count();
  return timespec{.tv_sec = whole, .tv_nsec = rest * 1'000};
}

std::string Timestamp::to_string() const {
  if (!is_valid()) return "invalid";
  const std::int64_t size = value_ < 0 ? -value_ : value_;
  return fmt::format("{}{}.{:06}", value_ < 0 ? "-" : "", size / 1'000'000, size % 1'000'000);
}

std::string Timestamp::to_iso8601(bool microseconds) const {
  const auto time = sys_time_of(*this);
  if (time < kFirstWritable || time > kLastWritable) return to_string();
  const Civil c(time);
  std::string text =
      fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(c.date.year()),
                  static_cast<unsigned>(c.date.month()), static_cast<unsigned>(c.date.day()),
                  c.clock.hours().count(), c.clock.minutes().count(), c.clock.seconds().count());
  if (microseconds) text += fmt::format(".{:06}", c.clock.subseconds().count());
  return text + "Z";
}

std::string Timestamp::to_http_date() const {
  static constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  LEAT_ASSERT(is_valid(), "to_http_date() of an invalid Timestamp");
  const Civil c(std::clamp(sys_time_of(*this), kFirstWritable, kLastWritable));
  return fmt::format(
      "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[std::chrono::weekday(c.day).c_encoding()],
      static_cast<unsigned>(c.date.day()), kMonths[static_cast<unsigned>(c.date.month()) - 1],
      static_cast<int>(c.date.year()), c.clock.hours().count(), c.clock.minutes().count(),
      c.clock.seconds().count());
}

}  // namespace leat
