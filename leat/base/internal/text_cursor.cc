#include "leat/base/internal/text_cursor.h"

#include <fmt/format.h>

namespace leat::internal {

std::optional<int> TextCursor::take_hex_digit() {
  if (const std::optional<int> digit = take_digit()) return digit;
  if (at_end()) return std::nullopt;
  const char c = text_[position_];
  if (c >= 'a' && c <= 'f') return ++position_, c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return ++position_, c - 'A' + 10;
  return std::nullopt;
}

std::optional<int> TextCursor::take_digits(int count, int low, int high) {
  const std::size_t start = position_;
  int value = 0;
  for (int i = 0; i < count; ++i) {
    const std::optional<int> digit = take_digit();
    if (!digit) {
      position_ = start;
      return std::nullopt;
    }
    value = value * 10 + *digit;
  }
  if (value < low || value > high) {
    position_ = start;
    return std::nullopt;
  }
  return value;
}

Result<std::uint64_t> TextCursor::take_number(std::string_view name, std::uint64_t limit) {
  const std::size_t start = position_;
  std::uint64_t value = 0;
  while (const std::optional<int> digit = take_digit()) {
    const auto d = static_cast<std::uint64_t>(*digit);
    if (d > limit || value > (limit - d) / 10) {
      position_ = start;
      return error(fmt::format("{} above {}", name, limit));
    }
    value = value * 10 + d;
  }
  if (position_ == start) return error(fmt::format("expected {}", name));
  return value;
}

Error TextCursor::error(std::string_view problem) const {
  return Error::invalid_argument(
      fmt::format("{} {}: {} at column {}", what_, quoted(text_), problem, position_ + 1));
}

std::string quoted(std::string_view text) {
  constexpr std::size_t kShown = 80;
  std::string out = "\"";
  for (const char c : text.substr(0, kShown)) out += (c >= ' ' && c <= '~') ? c : '?';
  out += text.size() > kShown ? "...\"" : "\"";
  return out;
}

}  // namespace leat::internal
