// Internal: what a spin needs to know of the machine.
#pragma once

#include <time.h>

#include <atomic>
#include <cstdint>

#include "leat/smc/spin_budget.h"

namespace leat::preload {

/// Any thread; nothing sleeps or allocates.
class Spinner {
 public:
  /// From the constructor of the library, before main(): reads LEAT_SPIN (`off`, or microseconds)
  /// and the cgroup's quota of CPU time.
  static void configure();
  /// Nanoseconds; 0: never spin.
  [[nodiscard]] static std::uint64_t longest() { return longest_; }
  /// CLOCK_MONOTONIC, in nanoseconds.
  [[nodiscard]] static std::int64_t now() {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  }
  /// For the calls of this thread that are about no set of the kernel's: recv(), poll(), select().
  [[nodiscard]] static smc::SpinBudget& of_thread();
  static void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield" ::: "memory");
#endif
  }

  enum class Outcome : std::uint8_t { kNotTried, kWon, kLost };
  /// Looks as long as `budget` allows. `look(time)` is called every 50 ns or so and says whether to
  /// stop.
  template <typename Look>
  static Outcome spin(smc::SpinBudget& budget, Look look);

 private:
  static smc::SpinConditions conditions(std::int64_t now);
  /// Whether other programs want this thread's CPU, by how often it was put off it of late.
  static bool is_contended(std::int64_t now);

  // A thread that finds so much time gone between two looks was put off its CPU.
  static constexpr std::int64_t kSwitched = 20'000;

  static constinit std::uint64_t longest_;
  static constinit std::atomic<std::uint32_t> spinning_;
};

template <typename Look>
Spinner::Outcome Spinner::spin(smc::SpinBudget& budget, Look look) {
  if (longest_ == 0) return Outcome::kNotTried;
  const std::int64_t start = now();
  if (is_contended(start)) return Outcome::kNotTried;
  const auto length =
      static_cast<std::int64_t>(budget.next(static_cast<std::uint64_t>(start), conditions(start)));
  if (length == 0) return Outcome::kNotTried;
  spinning_.fetch_add(1, std::memory_order_relaxed);
  std::int64_t before = start;
  std::uint64_t switches = 0;
  bool found = false;
  std::int64_t time = start;
  do {
    for (int i = 0; i < 8 && !found; ++i) {
      relax();
      found = look(time);
    }
    time = now();
    if (time - before > kSwitched) ++switches;
    before = time;
  } while (!found && time - start < length);
  spinning_.fetch_sub(1, std::memory_order_relaxed);
  if (!found) {
    budget.lost(static_cast<std::uint64_t>(time), switches);
    return Outcome::kLost;
  }
  budget.won(static_cast<std::uint64_t>(time - start));
  return Outcome::kWon;
}

}  // namespace leat::preload
