// Public: at most one message a second from a place that a peer can make flood.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <optional>

#include "leat/base/logging.h"
#include "leat/base/monotonic_time.h"

namespace leat {

/// Lets one event a second pass and counts the others. Any number of threads may share one.
class LogRateLimit {
 public:
  static constexpr Duration kInterval = std::chrono::seconds(1);

  constexpr LogRateLimit() = default;

  /// nullopt: stay silent. Otherwise the event passes, and the number says how many were
  /// suppressed since the last that passed.
  std::optional<std::uint64_t> admit(MonotonicTime now) {
    const Duration::rep at = now.time_since_epoch().count();
    Duration::rep next = next_.load(std::memory_order_relaxed);
    // Of several threads that find the second over, the one that moves `next_` passes.
    if (at < next ||
        !next_.compare_exchange_strong(next, at + kInterval.count(), std::memory_order_relaxed)) {
      suppressed_.fetch_add(1, std::memory_order_relaxed);
      return std::nullopt;
    }
    return suppressed_.exchange(0, std::memory_order_relaxed);
  }

 private:
  std::atomic<Duration::rep> next_{std::numeric_limits<Duration::rep>::min()};
  std::atomic<std::uint64_t> suppressed_{0};
};

}  // namespace leat

/// Like LEAT_LOG_AT, at most once a second from this place; says how many it left out before.
#define LEAT_LOG_LIMITED_AT(log_level_, ...)                                                \
  do {                                                                                      \
    if constexpr (static_cast<int>(log_level_) >= LEAT_LOG_MIN_LEVEL) {                     \
      if (::leat::internal::log_enabled(log_level_)) {                                      \
        static constinit ::leat::LogRateLimit leat_log_limit;                               \
        if (const auto leat_log_left_out = leat_log_limit.admit(::leat::monotonic_now())) { \
          ::leat::internal::log({log_level_, __FILE__, __LINE__}, *leat_log_left_out,       \
                                __VA_ARGS__);                                               \
        }                                                                                   \
      }                                                                                     \
    }                                                                                       \
  } while (false)

#define LEAT_LOG_WARN_LIMITED(...) LEAT_LOG_LIMITED_AT(::leat::LogLevel::kWarn, __VA_ARGS__)
#define LEAT_LOG_ERROR_LIMITED(...) LEAT_LOG_LIMITED_AT(::leat::LogLevel::kError, __VA_ARGS__)
