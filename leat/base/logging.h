// Public: messages of the library, to stderr or to wherever the program wants them.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>

#include <fmt/core.h>

#include "leat/base/log_level.h"
#include "leat/base/timestamp.h"

/// Messages below this level (0 trace ... 5 off) are not compiled into the file that defines it
/// before its includes.
#ifndef LEAT_LOG_MIN_LEVEL
#define LEAT_LOG_MIN_LEVEL 0
#endif

namespace leat {

/// What a sink gets. The views are valid during the call.
struct LogRecord {
  LogLevel level;
  Timestamp time;
  pid_t thread;  ///< gettid(2)
  std::string_view file;
  int line;
  std::string_view message;
};

/// Takes messages over. Calls never overlap, whichever threads log. What a sink itself logs is not
/// delivered, and a message over which it throws is lost; both are counted.
using LogSink = std::function<void(const LogRecord&)>;

/// Messages below `level` cost one relaxed load and a branch, and their arguments are not
/// evaluated. From any thread. Before the first call: kWarn, for a library says nothing while all
/// is well.
void set_log_level(LogLevel level);
[[nodiscard]] LogLevel log_level();

/// Sends messages to `sink`; an empty one restores the default: a line to stderr with the time in
/// UTC, the level, the thread and the place. From any thread, but not from inside a sink. When it
/// returns, the former sink is not running and will not run again.
void set_log_sink(LogSink sink);

/// Messages that were lost, see LogSink. From any thread.
[[nodiscard]] std::uint64_t log_messages_lost();

namespace internal {

extern constinit std::atomic<LogLevel> g_log_level;

[[nodiscard]] inline bool log_enabled(LogLevel level) {
  return level >= g_log_level.load(std::memory_order_relaxed);
}

struct LogPlace {
  LogLevel level;
  const char* file;
  int line;
};

/// Never throws: a message that cannot be formatted is replaced by one that says so.
void log_print(const LogPlace& place, std::uint64_t suppressed, fmt::string_view format,
               fmt::format_args args) noexcept;

template <typename... Args>
void log(const LogPlace& place, std::uint64_t suppressed, fmt::format_string<Args...> format,
         Args&&... args) noexcept {
  log_print(place, suppressed, format, fmt::make_format_args(args...));
}

}  // namespace internal
}  // namespace leat

#define LEAT_LOG_AT(log_level_, ...)                                             \
  do {                                                                           \
    if constexpr (static_cast<int>(log_level_) >= LEAT_LOG_MIN_LEVEL) {          \
      if (::leat::internal::log_enabled(log_level_)) {                           \
        ::leat::internal::log({log_level_, __FILE__, __LINE__}, 0, __VA_ARGS__); \
      }                                                                          \
    }                                                                            \
  } while (false)

/// LEAT_LOG_DEBUG("accepted {} on {}", n, address): the format is fmt's, checked while compiling.
#define LEAT_LOG_TRACE(...) LEAT_LOG_AT(::leat::LogLevel::kTrace, __VA_ARGS__)
#define LEAT_LOG_DEBUG(...) LEAT_LOG_AT(::leat::LogLevel::kDebug, __VA_ARGS__)
#define LEAT_LOG_INFO(...) LEAT_LOG_AT(::leat::LogLevel::kInfo, __VA_ARGS__)
#define LEAT_LOG_WARN(...) LEAT_LOG_AT(::leat::LogLevel::kWarn, __VA_ARGS__)
#define LEAT_LOG_ERROR(...) LEAT_LOG_AT(::leat::LogLevel::kError, __VA_ARGS__)
