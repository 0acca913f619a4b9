// Public: whether to look a little longer before sleeping, decided by whether it has paid so far.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace leat::smc {

/// What a spin may cost others. Asked of the machine now and then, not for each wait.
struct SpinConditions {
  std::uint32_t allowed_cpus = 1;  ///< sched_getaffinity().
  /// CPU time the cgroup may use in a second, in thousandths of a CPU; 0: no quota.
  std::uint32_t quota_millicpus = 0;
  std::uint32_t spinning = 0;  ///< Other threads of this family that spin now.
};

/// Pure: time is an argument, in nanoseconds of any steady clock. One for each connection or set;
/// any thread (a race costs a guess, nothing else).
///
///     next(now) -> 0: sleep at once            -> slept(how long)
///               -> n: look for up to n ns      -> won(after), or lost(now, switches) and sleep
///
/// Worth is how often, of late, something came within the budget, whether by a spin or seen by the
/// length of a sleep. While it is low there is no spin but a rare probe, at twice the distance
/// after each that lost; so where spinning never pays it costs at most a budget in kLongestPause.
class SpinBudget {
 public:
  static constexpr std::uint64_t kDefaultLongest = 50'000;
  static constexpr std::uint64_t kFirstPause = 200'000;
  static constexpr std::uint64_t kLongestPause = 200'000'000;

  /// `longest`: no spin is longer, in nanoseconds; 0 turns it off.
  constexpr explicit SpinBudget(std::uint64_t longest = kDefaultLongest) : longest_(longest) {}

  /// How long to look, from `now` on; 0 if it does not pay or no CPU is idle for it.
  [[nodiscard]] std::uint64_t next(std::uint64_t now, const SpinConditions& conditions) const {
    if (longest_ == 0 || !has_idle_cpu(conditions) || now < busy_until_.load(kRelaxed)) return 0;
    if (worth_.load(kRelaxed) >= kPays) return length();
    return now >= next_probe_.load(kRelaxed) ? length() : 0;
  }

  /// Something came `after` so many nanoseconds.
  void won(std::uint64_t after) {
    came_after(after);
    pause_.store(kFirstPause, kRelaxed);
  }
  /// Nothing came. `switches`: how often this thread was put off its CPU meanwhile (getrusage,
  /// ru_nivcsw): somebody else wants it, so the next spins are left out.
  void lost(std::uint64_t now, std::uint64_t switches) {
    add(false);
    const std::uint64_t pause = pause_.load(kRelaxed);
    if (worth_.load(kRelaxed) < kPays) {
      next_probe_.store(now + pause, kRelaxed);
      pause_.store(std::min(2 * pause, kLongestPause), kRelaxed);
    }
    if (switches != 0) busy_until_.store(now + kBusyPause, kRelaxed);
  }
  /// A sleep that no spin went before ended after so long: it tells what a spin would have come to.
  /// Not for one that ended by a time limit or a signal.
  void slept(std::uint64_t nanoseconds) {
    if (nanoseconds <= longest_) {
      came_after(nanoseconds);
    } else {
      add(false);
    }
  }

 private:
  static constexpr auto kRelaxed = std::memory_order_relaxed;
  static constexpr std::uint32_t kSure = 1024;
  static constexpr std::uint32_t kPays = kSure / 4;
  static constexpr std::uint32_t kWeight = 8;  ///< Of the last eight waits or so.
  static constexpr std::uint64_t kShortest = 2'000;
  static constexpr std::uint64_t kBusyPause = 10'000'000;

  // Who spins keeps a CPU from its peer: with one there is nobody to wait for. A quota that is used
  // up by spinning takes the CPU from the work.
  [[nodiscard]] static bool has_idle_cpu(const SpinConditions& conditions) {
    if (conditions.quota_millicpus != 0 && conditions.quota_millicpus < 2000) return false;
    return conditions.allowed_cpus >= conditions.spinning + 2;
  }
  // What comes, comes around that long: twice that, and no more, is looked for.
  [[nodiscard]] std::uint64_t length() const {
    const std::uint64_t usual = 2 * usual_.load(kRelaxed) + kShortest;
    return std::min(usual, longest_);
  }
  void came_after(std::uint64_t after) {
    const std::uint64_t usual = usual_.load(kRelaxed);
    // Up at once, down slowly: cutting it short loses the whole spin.
    usual_.store(after > usual ? after : usual - (usual - after) / kWeight, kRelaxed);
    add(true);
  }
  void add(bool paid) {
    const std::uint32_t worth = worth_.load(kRelaxed);
    worth_.store(paid ? worth + (kSure - worth) / kWeight : worth - worth / kWeight, kRelaxed);
  }

  std::uint64_t longest_;
  std::atomic<std::uint32_t> worth_{kSure / 2};
  std::atomic<std::uint64_t> usual_{kDefaultLongest / 2};
  std::atomic<std::uint64_t> pause_{kFirstPause};
  std::atomic<std::uint64_t> next_probe_{0};
  std::atomic<std::uint64_t> busy_until_{0};
};

}  // namespace leat::smc
