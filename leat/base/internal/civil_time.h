// Internal: the parts that all written forms of a date and time have in common.
#pragma once

#include <chrono>
#include <optional>

#include "leat/base/internal/text_cursor.h"
#include "leat/base/timestamp.h"

namespace leat::internal {

/// The time of day "hh:mm:ss". The second may be 60, a leap second (RFC 3339, 5.7).
[[nodiscard]] Result<std::chrono::seconds> take_clock(TextCursor& cursor);

/// The point in time, or an error at the cursor's place if the month has no such day.
[[nodiscard]] Result<Timestamp> at_date(const TextCursor& cursor, int year, int month, int day);

}  // namespace leat::internal
