// Public: a number that one thread counts and any thread reads.
#pragma once

#include <atomic>
#include <cstdint>

namespace leat {

/// A counter with one writer. Adding is a plain add (no lock prefix), reading from another thread
/// gives some recent value; two counters read together need not belong to the same instant.
class Counter {
 public:
  Counter() = default;
  Counter(const Counter&) = delete;
  Counter& operator=(const Counter&) = delete;

  /// Only from the one thread that owns the counter.
  void add(std::uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  /// Only from the one thread that owns the counter; for gauges.
  void subtract(std::uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) - n, std::memory_order_relaxed);
  }
  /// From any thread.
  [[nodiscard]] std::uint64_t load() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

}  // namespace leat
