// Public: how much a message matters.
#pragma once

#include <string_view>

#include "leat/base/result.h"

namespace leat {

/// In ascending order of weight. The numbers are what LEAT_LOG_MIN_LEVEL takes.
enum class LogLevel : int {
  kTrace = 0,
  kDebug = 1,
  kInfo = 2,
  kWarn = 3,
  kError = 4,
  kOff = 5,  ///< For set_log_level(): no message passes. No message has it.
};

/// "trace", "debug", "info", "warn", "error", "off".
[[nodiscard]] std::string_view log_level_name(LogLevel level);

/// Reads what log_level_name() writes; the error lists the names.
[[nodiscard]] Result<LogLevel> parse_log_level(std::string_view name);

}  // namespace leat
