// Public: a small, fast, seeded generator, for jitter and for simulations that replay.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "leat/base/assert.h"
#include "leat/base/monotonic_time.h"

namespace leat {

/// xoshiro256** of David Blackman and Sebastiano Vigna, its state filled by their splitmix64: the
/// same seed gives the same numbers on every machine, which std's distributions do not promise.
/// Not for secrets. One thread at a time. Fits std::shuffle and the like.
class Random {
 public:
  using result_type = std::uint64_t;

  explicit Random(std::uint64_t seed) {
    for (std::uint64_t& word : state_) {
      seed += 0x9e37'79b9'7f4a'7c15;
      std::uint64_t z = seed;
      z = (z ^ (z >> 30)) * 0xbf58'476d'1ce4'e5b9;
      z = (z ^ (z >> 27)) * 0x94d0'49bb'1331'11eb;
      word = z ^ (z >> 31);
    }
  }

  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return ~result_type{0}; }

  /// 64 random bits.
  result_type operator()() {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  /// low, low + 1 ... high, each as likely as the others.
  std::uint64_t uniform(std::uint64_t low, std::uint64_t high) {
    LEAT_ASSERT(low <= high, "an empty range");
    const std::uint64_t span = high - low;
    const std::uint64_t mask = span == 0 ? 0 : ~std::uint64_t{0} >> std::countl_zero(span);
    // What the mask lets through above the span is drawn again (less than every second time).
    for (;;) {
      if (const std::uint64_t offset = (*this)() & mask; offset <= span) return low + offset;
    }
  }

  /// Within [0, 1), in steps of 2^-53.
  double uniform_fraction() { return static_cast<double>((*this)() >> 11) * 0x1p-53; }

  /// `middle` moved by up to `fraction` (0 to 1) of itself, either way.
  Duration jitter(Duration middle, double fraction) {
    LEAT_ASSERT(fraction >= 0 && fraction <= 1, "a fraction out of range");
    const double factor = fraction * (2 * uniform_fraction() - 1);
    return middle +
           Duration(static_cast<Duration::rep>(static_cast<double>(middle.count()) * factor));
  }

 private:
  std::array<std::uint64_t, 4> state_;
};

}  // namespace leat
