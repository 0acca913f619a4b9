#include "leat/base/logging.h"

#include <unistd.h>

#include <array>
#include <chrono>
#include <iterator>
#include <memory>
#include <mutex>
#include <string>

#include <fmt/format.h>
#include <spdlog/details/log_msg.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include "leat/base/assert.h"
#include "leat/base/internal/text_cursor.h"

namespace leat {
namespace {

constexpr std::array<std::string_view, 6> kLevelNames = {"trace", "debug", "info",
                                                         "warn",  "error", "off"};

class StderrSink {
 public:
  StderrSink() {
    sink_.set_formatter(std::make_unique<spdlog::pattern_formatter>(
        "%Y-%m-%dT%H:%M:%S.%fZ %^%l%$ [%t] %s:%#: %v", spdlog::pattern_time_type::utc));
  }

  void write(const LogRecord& record) {
    const std::string file(record.file);  // spdlog wants it to end in a 0
    const spdlog::source_loc place(file.c_str(), record.line, "");
    const spdlog::log_clock::time_point time{
        std::chrono::duration_cast<spdlog::log_clock::duration>(
            std::chrono::microseconds(record.time.microseconds_since_epoch()))};
    spdlog::details::log_msg message(
        time, place, "leat", spdlog_level(record.level),
        spdlog::string_view_t(record.message.data(), record.message.size()));
    message.thread_id = static_cast<std::size_t>(record.thread);
    sink_.log(message);
    sink_.flush();
  }

 private:
  static spdlog::level::level_enum spdlog_level(LogLevel level) {
    switch (level) {
      case LogLevel::kTrace:
        return spdlog::level::trace;
      case LogLevel::kDebug:
        return spdlog::level::debug;
      case LogLevel::kInfo:
        return spdlog::level::info;
      case LogLevel::kWarn:
        return spdlog::level::warn;
      case LogLevel::kError:
      case LogLevel::kOff:
        break;
    }
    return spdlog::level::err;
  }

  spdlog::sinks::stderr_color_sink_st sink_;
};

struct Output {
  std::mutex mutex;
  LogSink sink;
  StderrSink to_stderr;
};

/// Never destroyed: destructors of static objects may still log.
Output& output() {
  static Output& instance = *new Output;
  return instance;
}

std::atomic<std::uint64_t> g_lost{0};
thread_local bool t_inside_sink = false;

struct InsideSink {
  InsideSink() { t_inside_sink = true; }
  InsideSink(const InsideSink&) = delete;
  InsideSink& operator=(const InsideSink&) = delete;
  ~InsideSink() { t_inside_sink = false; }
};

void deliver(const internal::LogPlace& place, std::string_view message) {
  if (t_inside_sink) {
    g_lost.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  const InsideSink inside;
  Output& out = output();
  const std::lock_guard lock(out.mutex);
  // Read under the lock, so that the records of a sink are in the order of their times.
  const LogRecord record{.level = place.level,
                         .time = Timestamp::now(),
                         .thread = ::gettid(),
                         .file = place.file,
                         .line = place.line,
                         .message = message};
  if (out.sink) {
    out.sink(record);
  } else {
    out.to_stderr.write(record);
  }
}

}  // namespace

namespace internal {

constinit std::atomic<LogLevel> g_log_level{LogLevel::kWarn};

void log_print(const LogPlace& place, std::uint64_t suppressed, fmt::string_view format,
               fmt::format_args args) noexcept {
  try {
    fmt::memory_buffer text;
    try {
      fmt::vformat_to(std::back_inserter(text), format, args);
    } catch (const std::exception& e) {
      text.clear();
      fmt::format_to(std::back_inserter(text), "(a message could not be formatted: {})", e.what());
    }
    if (suppressed > 0) {
      fmt::format_to(std::back_inserter(text), " ({} more like it were left out)", suppressed);
    }
    deliver(place, std::string_view(text.data(), text.size()));
  } catch (...) {
    g_lost.fetch_add(1, std::memory_order_relaxed);
  }
}

}  // namespace internal

std::string_view log_level_name(LogLevel level) {
  const auto index = static_cast<std::size_t>(level);
  LEAT_ASSERT(index < kLevelNames.size(), "a level that is none");
  return kLevelNames[index];
}

Result<LogLevel> parse_log_level(std::string_view name) {
  for (std::size_t i = 0; i < kLevelNames.size(); ++i) {
    if (name == kLevelNames[i]) return static_cast<LogLevel>(i);
  }
  return Error::invalid_argument(fmt::format("log level {}: it is one of {}",
                                             internal::quoted(name), fmt::join(kLevelNames, ", ")));
}

void set_log_level(LogLevel level) {
  internal::g_log_level.store(level, std::memory_order_relaxed);
}

LogLevel log_level() {
  return internal::g_log_level.load(std::memory_order_relaxed);
}

void set_log_sink(LogSink sink) {
  LEAT_ASSERT(!t_inside_sink, "set_log_sink() from inside a sink");
  Output& out = output();
  {
    const std::lock_guard lock(out.mutex);
    out.sink.swap(sink);
  }
  // The former sink is destroyed here, outside the lock: its destructor may log.
}

std::uint64_t log_messages_lost() {
  return g_lost.load(std::memory_order_relaxed);
}

}  // namespace leat
