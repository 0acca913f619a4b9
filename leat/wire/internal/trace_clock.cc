#include "leat/wire/internal/trace_clock.h"

#include <algorithm>
#include <limits>

namespace leat::wire::internal {

namespace {

__extension__ using Wide = unsigned __int128;
__extension__ using SignedWide = __int128;

constexpr std::uint64_t kNanosecond = 1'000'000'000;
constexpr unsigned kNanosecondDigits = 9;
constexpr unsigned kMostDigits = std::numeric_limits<std::uint64_t>::digits10;

std::uint64_t power_of_ten(unsigned exponent) {
  std::uint64_t power = 1;
  while (exponent-- > 0) power *= 10;
  return power;
}

}  // namespace

TraceClock::TraceClock(std::uint8_t resolution, std::int64_t offset_seconds)
    : offset_seconds_(offset_seconds) {
  const unsigned exponent = resolution & 0x7fu;
  if ((resolution & 0x80) != 0) {
    multiply_ = kNanosecond;
    shift_ = exponent;
  } else if (exponent <= kNanosecondDigits) {
    multiply_ = power_of_ten(kNanosecondDigits - exponent);
  } else if (exponent - kNanosecondDigits <= kMostDigits) {
    divide_ = power_of_ten(exponent - kNanosecondDigits);
  } else {
    multiply_ = 0;  // 64 bits of so small a unit are less than a nanosecond.
  }
}

std::chrono::nanoseconds TraceClock::time(std::uint64_t ticks) const {
  const Wide nanoseconds = Wide{ticks / divide_} * multiply_ >> shift_;
  constexpr SignedWide kMost = std::chrono::nanoseconds::max().count();
  const SignedWide sum =
      static_cast<SignedWide>(nanoseconds) + SignedWide{offset_seconds_} * kNanosecond;
  return std::chrono::nanoseconds(
      static_cast<std::int64_t>(std::clamp<SignedWide>(sum, -kMost, kMost)));
}

}  // namespace leat::wire::internal
