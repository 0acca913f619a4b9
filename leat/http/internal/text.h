// Internal: the character classes and list syntax of RFC 9110.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace leat::http::internal {

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
constexpr bool is_alpha(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
/// SP or HTAB: the characters of OWS (RFC 9110, 5.6.3).
constexpr bool is_space(char c) {
  return c == ' ' || c == '\t';
}
/// ASCII only, whatever the locale.
constexpr char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}
/// The value of a hexadecimal digit, or -1.
constexpr int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  const char l = to_lower(c);
  return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

/// tchar (RFC 9110, 5.6.2).
[[nodiscard]] bool is_token_char(char c);
/// token: at least one tchar and nothing else.
[[nodiscard]] bool is_token(std::string_view text);
/// field-value (RFC 9110, 5.5): no control characters but HTAB, so no CR and LF.
[[nodiscard]] bool is_field_value(std::string_view text);

[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b);
/// Without the SP and HTAB at both ends.
[[nodiscard]] std::string_view trim(std::string_view text);
/// A number of decimal digits only; none if there are others, none at all, or too many.
[[nodiscard]] std::optional<std::uint64_t> parse_decimal(std::string_view digits);

/// Takes the next element of a comma-separated list (RFC 9110, 5.6.1) from the front of `list`,
/// trimmed; empty elements are skipped. Commas in quoted strings do not separate. None at the end.
[[nodiscard]] std::optional<std::string_view> next_list_element(std::string_view& list);

}  // namespace leat::http::internal
