// Public: a number that is the whole of a text.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

namespace leat {

/// None if there is anything else in `text`, or nothing, or if it does not fit a T. No sign for an
/// unsigned T, and never a plus, a prefix or a blank (std::from_chars).
template <typename T>
[[nodiscard]] std::optional<T> whole_number(std::string_view text, int base = 10) {
  T number{};
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number, base);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return number;
}

}  // namespace leat
