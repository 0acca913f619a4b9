#include "leat/http/internal/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstring>

namespace leat::http::internal {
namespace {

constexpr std::array<bool, 256> make_token_table() {
  std::array<bool, 256> table{};
  for (int c = 0; c < 256; ++c) {
    const char letter = static_cast<char>(c);
    table[static_cast<std::size_t>(c)] = is_digit(letter) || is_alpha(letter);
  }
  for (const char c : std::string_view("!#$%&'*+-.^_`|~")) {
    table[static_cast<unsigned char>(c)] = true;
  }
  return table;
}
constexpr auto kToken = make_token_table();

constexpr std::uint64_t kEach = 0x0101'0101'0101'0101;

/// to_lower() of eight characters at once.
std::uint64_t to_lower_8(std::uint64_t text) {
  // The top bit of each byte of a sum tells whether its character reaches 'A', or passes 'Z'; with
  // seven bits to a character no sum carries over into the next one.
  const std::uint64_t low_bits = text & (kEach * 0x7f);
  const std::uint64_t from_a = low_bits + kEach * (0x80 - 'A');
  const std::uint64_t beyond_z = low_bits + kEach * (0x80 - 'Z' - 1);
  const std::uint64_t is_upper = (from_a ^ beyond_z) & ~text & (kEach * 0x80);
  return text | (is_upper >> 2);
}

template <typename Integer>
Integer load(const char* text) {
  Integer bytes;
  std::memcpy(&bytes, text, sizeof bytes);
  return bytes;
}

/// The first and the last four characters of four to eight.
std::uint64_t ends(const char* text, std::size_t size) {
  return (std::uint64_t{load<std::uint32_t>(text)} << 32) | load<std::uint32_t>(text + size - 4);
}

}  // namespace

bool is_token_char(char c) {
  return kToken[static_cast<unsigned char>(c)];
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char);
}

bool is_field_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 0x20 && byte != 0x7f) || c == '\t';
  });
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  const std::size_t size = a.size();
  if (size != b.size()) return false;
  const char* x = a.data();
  const char* y = b.data();
  if (size < 4) {
    for (std::size_t i = 0; i < size; ++i) {
      if (to_lower(x[i]) != to_lower(y[i])) return false;
    }
    return true;
  }
  if (size < 8) return to_lower_8(ends(x, size)) == to_lower_8(ends(y, size));
  // The last eight may overlap those before.
  for (std::size_t i = 0; i < size - 8; i += 8) {
    if (to_lower_8(load<std::uint64_t>(x + i)) != to_lower_8(load<std::uint64_t>(y + i))) {
      return false;
    }
  }
  return to_lower_8(load<std::uint64_t>(x + size - 8)) ==
         to_lower_8(load<std::uint64_t>(y + size - 8));
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::optional<std::uint64_t> parse_decimal(std::string_view digits) {
  std::uint64_t value = 0;
  // from_chars alone would take "-0".
  if (digits.empty() || !is_digit(digits.front())) return std::nullopt;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

std::optional<std::string_view> next_list_element(std::string_view& list) {
  while (!list.empty()) {
    bool quoted = false;
    std::size_t end = 0;
    for (; end < list.size(); ++end) {
      const char c = list[end];
      if (quoted && c == '\\') {
        ++end;
      } else if (c == '"') {
        quoted = !quoted;
      } else if (c == ',' && !quoted) {
        break;
      }
    }
    end = std::min(end, list.size());
    const std::string_view element = trim(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
    if (!element.empty()) return element;
  }
  return std::nullopt;
}

}  // namespace leat::http::internal
