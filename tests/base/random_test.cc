#include "leat/base/random.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace leat {
namespace {

using namespace std::chrono_literals;
static_assert(std::uniform_random_bit_generator<Random>);

/// The authors' C code, by its definition: what the class computes must not drift.
class Reference {
 public:
  explicit Reference(std::uint64_t seed) {
    for (auto& word : s_) {
      std::uint64_t z = (seed += 0x9e3779b97f4a7c15u);
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
      z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
      word = z ^ (z >> 31);
    }
  }
  std::uint64_t first_word() const { return s_[0]; }
  std::uint64_t next() {
    const auto rotl = [](std::uint64_t x, int k) { return (x << k) | (x >> (64 - k)); };
    const std::uint64_t result = rotl(s_[1] * 5, 7) * 9;
    const std::uint64_t t = s_[1] << 17;
    s_[2] ^= s_[0];
    s_[3] ^= s_[1];
    s_[1] ^= s_[2];
    s_[0] ^= s_[3];
    s_[2] ^= t;
    s_[3] = rotl(s_[3], 45);
    return result;
  }

 private:
  std::uint64_t s_[4];
};

TEST(Random, GivesTheNumbersOfTheAlgorithm) {
  // splitmix64 of the seed 0 begins with this number in every publication of it.
  EXPECT_EQ(Reference(0).first_word(), 0xe220a8397b1dcdafu);
  for (const std::uint64_t seed : {0u, 1u, 42u}) {
    Random random(seed);
    Reference reference(seed);
    for (int i = 0; i < 1'000; ++i) ASSERT_EQ(random(), reference.next());
  }
}

TEST(Random, TheSameSeedReplays) {
  Random a(7);
  Random b(7);
  Random c(8);
  EXPECT_EQ(a(), b());
  EXPECT_NE(a(), c());
}

TEST(Random, UniformReachesAllOfItsRangeAndNothingElse) {
  Random random(9);
  std::array<int, 7> seen{};
  for (int i = 0; i < 70'000; ++i) {
    const std::uint64_t x = random.uniform(10, 16);
    ASSERT_GE(x, 10u);
    ASSERT_LE(x, 16u);
    ++seen[x - 10];
  }
  // 10,000 each, with a standard deviation of 93.
  for (const int n : seen) EXPECT_NEAR(n, 10'000, 600);
}

TEST(Random, UniformTakesTheRangesEnds) {
  Random random(10);
  EXPECT_EQ(random.uniform(5, 5), 5u);
  bool above_half = false;
  for (int i = 0; i < 100; ++i) above_half |= random.uniform(0, Random::max()) > Random::max() / 2;
  EXPECT_TRUE(above_half);
}

TEST(Random, FractionsLieBetweenZeroAndOne) {
  Random random(11);
  double sum = 0;
  for (int i = 0; i < 100'000; ++i) {
    const double x = random.uniform_fraction();
    ASSERT_GE(x, 0.0);
    ASSERT_LT(x, 1.0);
    sum += x;
  }
  EXPECT_NEAR(sum / 100'000, 0.5, 0.01);
}

TEST(Random, JitterStaysWithinItsFractionAndUsesIt) {
  Random random(12);
  Duration least = Duration::max();
  Duration greatest = Duration::min();
  for (int i = 0; i < 10'000; ++i) {
    const Duration d = random.jitter(100ms, 0.2);
    least = std::min(least, d);
    greatest = std::max(greatest, d);
  }
  EXPECT_GE(least, 80ms);
  EXPECT_LE(greatest, 120ms);
  EXPECT_LT(least, 81ms);
  EXPECT_GT(greatest, 119ms);
  EXPECT_EQ(random.jitter(100ms, 0), 100ms);
}

TEST(Random, ServesTheStandardLibrary) {
  std::vector<int> numbers(100);
  std::iota(numbers.begin(), numbers.end(), 0);
  std::ranges::shuffle(numbers, Random(13));
  EXPECT_FALSE(std::ranges::is_sorted(numbers));
  std::ranges::sort(numbers);
  EXPECT_EQ(numbers[99], 99);
}

#if defined(LEAT_ASSERTIONS) && LEAT_ASSERTIONS
TEST(RandomDeathTest, PreconditionsAreChecked) {
  Random random(14);
  EXPECT_DEATH(random.uniform(2, 1), "empty range");
  EXPECT_DEATH(random.jitter(1s, 1.5), "fraction out of range");
}
#endif

}  // namespace
}  // namespace leat
