// Two ends, random schedules, late stores, death. To look into one: LEAT_SEED=... runs that
// schedule alone; LEAT_SCHEDULES=... says how many (./dev simulate).

#include "tests/smc/simulation.h"

#include <cstdlib>
#include <iostream>
#include <random>
#include <string>

#include <gtest/gtest.h>

#ifndef __has_feature
#define __has_feature(feature) 0
#endif

namespace leat::smc::sim {
namespace {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 0);
}

constexpr std::uint64_t kSchedules = 10'000;
// A sanitizer looks at each step and not at the interleaving: fewer do, and each takes ten times as
// long.
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr std::uint64_t kRandomSchedules = kSchedules / 5;
#else
constexpr std::uint64_t kRandomSchedules = kSchedules;
#endif

TEST(Simulation, EveryByteArrivesOnceInOrder) {
  const bool one = std::getenv("LEAT_SEED") != nullptr;
  const std::uint64_t first = number_from("LEAT_SEED", std::random_device()());
  const std::uint64_t count = one ? 1 : number_from("LEAT_SCHEDULES", kRandomSchedules);
  std::cout << "seeds from " << first << "\n";
  for (std::uint64_t seed = first; seed != first + count; ++seed) {
    const auto failure = run_schedule(seed);
    ASSERT_FALSE(failure.has_value()) << *failure << "; LEAT_SEED=" << seed << " runs it again";
  }
}

class SimulationBug : public testing::TestWithParam<int> {};

TEST_P(SimulationBug, PutBackIsFound) {
  // Always the same ones: what finds it once finds it every time.
  for (std::uint64_t seed = 1; seed <= kSchedules; ++seed) {
    if (const auto failure = run_schedule(seed, static_cast<Bug>(GetParam()))) {
      std::cout << "after " << seed << " schedules: " << *failure << "\n";
      return;
    }
  }
  FAIL() << "not found in " << kSchedules << " schedules";
}

INSTANTIATE_TEST_SUITE_P(All, SimulationBug, testing::Range(1, kBugs));

}  // namespace
}  // namespace leat::smc::sim
