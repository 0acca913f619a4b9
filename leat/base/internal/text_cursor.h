// Internal: reads a short text from left to right and can say at which column it stopped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "leat/base/result.h"

namespace leat::internal {

/// Views the text, which must outlive it. Every `take` either consumes what it found or consumes
/// nothing and says so.
class TextCursor {
 public:
  /// `what` names the kind of text in errors, as "CPU list".
  TextCursor(std::string_view what, std::string_view text) : what_(what), text_(text) {}

  [[nodiscard]] bool at_end() const { return position_ == text_.size(); }
  [[nodiscard]] std::string_view rest() const { return text_.substr(position_); }

  bool take(char c) {
    if (at_end() || text_[position_] != c) return false;
    ++position_;
    return true;
  }
  bool take(std::string_view word) {
    if (!rest().starts_with(word)) return false;
    position_ += word.size();
    return true;
  }
  /// One decimal digit.
  std::optional<int> take_digit() {
    if (at_end() || text_[position_] < '0' || text_[position_] > '9') return std::nullopt;
    return text_[position_++] - '0';
  }
  /// One hexadecimal digit, of either case.
  std::optional<int> take_hex_digit();
  /// Exactly `count` decimal digits (at most 9), with a value within [low, high].
  std::optional<int> take_digits(int count, int low, int high);
  /// One digit or more, with a value of at most `limit`; `name` names the number in the error.
  Result<std::uint64_t> take_number(std::string_view name, std::uint64_t limit);

  /// EINVAL with: what, the text, the problem, the column (from 1) where the cursor stands.
  [[nodiscard]] Error error(std::string_view problem) const;

 private:
  std::string_view what_;
  std::string_view text_;
  std::size_t position_ = 0;
};

/// `text` in quotes, shortened to 80 bytes and with '?' for what cannot be printed: input from
/// outside must not reach a terminal or a log as it is.
[[nodiscard]] std::string quoted(std::string_view text);

}  // namespace leat::internal
