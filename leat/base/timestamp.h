// Public: a point in time, in microseconds since the epoch.
#pragma once

#include <time.h>

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>

#include "leat/base/assert.h"
#include "leat/base/result.h"

namespace leat {

/// Microseconds since 1970-01-01T00:00:00Z in UTC without leap seconds, as clock_gettime(2) counts
/// them; earlier points are negative. A plain value of 8 bytes. It says what the date is, and a
/// clock setting moves it: to measure or to wait, use `MonotonicTime`.
///
/// Sums and differences stop at the ends of the range (292,000 years away) and do not wrap. An
/// invalid Timestamp is before all others; computing with it is a broken precondition.
class Timestamp {
 public:
  /// Invalid.
  constexpr Timestamp() = default;

  /// Reads CLOCK_REALTIME. In a loop's callbacks the time of the poll costs nothing.
  [[nodiscard]] static Timestamp now();
  [[nodiscard]] static constexpr Timestamp invalid() { return Timestamp(); }
  /// The least int64 stands for `invalid()`.
  [[nodiscard]] static constexpr Timestamp from_microseconds(std::int64_t since_epoch) {
    return Timestamp(since_epoch);
  }
  [[nodiscard]] static constexpr Timestamp from_time_t(std::time_t seconds) {
    return Timestamp(seconds_to_microseconds(seconds));
  }
  /// Parts of a microsecond are cut off.
  [[nodiscard]] static constexpr Timestamp from_timespec(const timespec& time) {
    return from_time_t(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  }

  /// Reads what `to_string()` and `to_iso8601()` write: "1700000000.123456", or a date-time of
  /// RFC 3339 (which is ISO 8601's without its freedoms), whose zone is Z or +hh:mm and must be
  /// there. Digits after the sixth of a fraction are cut off; the leap second :60 is the first of
  /// the next minute. An error says what is wrong and at which column.
  [[nodiscard]] static Result<Timestamp> parse(std::string_view text);
  /// Reads an HTTP-date in all three forms of RFC 9110, 5.6.7; letters count as there. `now`
  /// settles the century of the two-digit year. The day's name is not checked against the date.
  [[nodiscard]] static Result<Timestamp> parse_http_date(std::string_view text,
                                                         Timestamp now = Timestamp::now());

  [[nodiscard]] constexpr bool is_valid() const { return value_ != kInvalid; }
  [[nodiscard]] constexpr std::int64_t microseconds_since_epoch() const { return value_; }

  /// The second that this point lies in (towards the past, also before the epoch).
  [[nodiscard]] std::time_t to_time_t() const;
  [[nodiscard]] timespec to_timespec() const;

  /// Seconds since the epoch: "1700000000.123456"; "invalid" if it is.
  [[nodiscard]] std::string to_string() const;
  /// UTC: "2026-11-22T07:00:00.123456Z", or without the fraction. Outside the years 0000 to 9999,
  /// which this form cannot write, and for an invalid one: `to_string()`.
  [[nodiscard]] std::string to_iso8601(bool microseconds = true) const;
  /// The IMF-fixdate of RFC 9110, 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT". A point outside the
  /// years 0000 to 9999 is written as the nearest one inside. It must be valid.
  [[nodiscard]] std::string to_http_date() const;

  friend constexpr auto operator<=>(const Timestamp&, const Timestamp&) = default;

  /// Parts of a microsecond of `span` are cut off.
  template <typename Rep, typename Period>
  friend constexpr Timestamp operator+(Timestamp t, std::chrono::duration<Rep, Period> span) {
    return t.moved(std::chrono::duration_cast<std::chrono::microseconds>(span).count());
  }
  template <typename Rep, typename Period>
  friend constexpr Timestamp operator-(Timestamp t, std::chrono::duration<Rep, Period> span) {
    return t.moved_back(std::chrono::duration_cast<std::chrono::microseconds>(span).count());
  }
  friend constexpr std::chrono::microseconds operator-(Timestamp later, Timestamp earlier) {
    LEAT_ASSERT(earlier.is_valid(), "difference to an invalid Timestamp");
    return std::chrono::microseconds(later.moved_back(earlier.value_).value_);
  }
  template <typename Rep, typename Period>
  constexpr Timestamp& operator+=(std::chrono::duration<Rep, Period> span) {
    return *this = *this + span;
  }
  template <typename Rep, typename Period>
  constexpr Timestamp& operator-=(std::chrono::duration<Rep, Period> span) {
    return *this = *this - span;
  }

 private:
  static constexpr std::int64_t kInvalid = std::numeric_limits<std::int64_t>::min();
  static constexpr std::int64_t kLast = std::numeric_limits<std::int64_t>::max();

  explicit constexpr Timestamp(std::int64_t value) : value_(value) {}

  [[nodiscard]] constexpr Timestamp moved(std::int64_t by) const {
    LEAT_ASSERT(is_valid(), "arithmetic with an invalid Timestamp");
    std::int64_t sum = 0;
    const bool beyond = __builtin_add_overflow(value_, by, &sum) || sum == kInvalid;
    return Timestamp(!beyond ? sum : by > 0 ? kLast : -kLast);
  }
  [[nodiscard]] constexpr Timestamp moved_back(std::int64_t by) const {
    return by == kInvalid ? moved(kLast).moved(1) : moved(-by);
  }
  static constexpr std::int64_t seconds_to_microseconds(std::int64_t seconds) {
    std::int64_t product = 0;
    if (__builtin_mul_overflow(seconds, 1'000'000, &product)) return seconds > 0 ? kLast : -kLast;
    return product;
  }

  std::int64_t value_ = kInvalid;
};

}  // namespace leat

template <>
struct std::hash<leat::Timestamp> {
  std::size_t operator()(leat::Timestamp t) const noexcept {
    return std::hash<std::int64_t>{}(t.microseconds_since_epoch());
  }
};
