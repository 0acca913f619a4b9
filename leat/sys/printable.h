// Public: names from outside, made fit for a terminal.
#pragma once

#include <string>
#include <string_view>

namespace leat::sys {

/// Bytes that are not printable ASCII become "\xNN", a backslash "\\": a name of a device or of a
/// process, which anybody may choose, cannot move a cursor or end a line.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace leat::sys
