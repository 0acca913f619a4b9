#include "leat/host/internal/setting_value.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "leat/base/internal/text_cursor.h"

namespace leat::host::internal {

using leat::internal::quoted;

namespace {

Error wrong(std::string_view text, const char* expected) {
  return Error::invalid_argument(quoted(text) + " is no " + expected);
}

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return std::nullopt;
}

}  // namespace

Result<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
    return wrong(text, "number");
  }
  return number;
}

Result<std::string> parse_number(std::string_view text) {
  const auto number = number_of(text);
  if (!number) return number.error();
  return fmt::to_string(*number);
}

std::string set_text(const CpuSet& set) {
  return set.empty() ? "-" : set.to_list();
}

Result<CpuSet> set_of(std::string_view text) {
  return text == "-" ? Result<CpuSet>(CpuSet()) : CpuSet::parse_list(text);
}

Result<std::string> parse_set(std::string_view text) {
  const auto set = set_of(text);
  if (!set) return set.error();
  return set_text(*set);
}

Result<std::string> parse_switch(std::string_view text) {
  if (text == "on" || text == "off") return std::string(text);
  return wrong(text, "switch (on, off)");
}

Result<std::string> parse_words(std::string_view text) {
  std::string words;
  bool gap = false;
  for (const char c : text) {
    if (c == ' ' || c == '\t') {
      gap = !words.empty();
      continue;
    }
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return wrong(text, "line of text");
    if (gap) words.push_back(' ');
    words.push_back(c);
    gap = false;
  }
  if (words.empty()) return wrong(text, "value");
  return words;
}

std::string table_text(const std::vector<std::uint32_t>& table) {
  return fmt::format("{}", fmt::join(table, ","));
}

Result<std::vector<std::uint32_t>> table_of(std::string_view text) {
  std::vector<std::uint32_t> table;
  if (text == "default") return table;
  for (std::string_view rest = text;;) {
    const std::size_t comma = rest.find(',');
    const auto entry = number_of(rest.substr(0, comma));
    if (!entry || *entry > 0xffff'ffff)
      return wrong(text, "indirection table (0,1,0,1 or default)");
    table.push_back(static_cast<std::uint32_t>(*entry));
    if (comma == std::string_view::npos) return table;
    rest.remove_prefix(comma + 1);
  }
}

Result<std::string> parse_table(std::string_view text) {
  const auto table = table_of(text);
  if (!table) return table.error();
  return table->empty() ? "default" : table_text(*table);
}

std::string key_text(const std::vector<std::uint8_t>& key) {
  return fmt::format("{:02x}", fmt::join(key, ""));
}

Result<std::vector<std::uint8_t>> key_of(std::string_view text) {
  std::vector<std::uint8_t> key;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == ':' && i > 0) ++i;  // As ethtool prints it.
    const auto high = i < text.size() ? hex_digit(text[i]) : std::nullopt;
    const auto low = i + 1 < text.size() ? hex_digit(text[i + 1]) : std::nullopt;
    if (!high || !low) return wrong(text, "key in hexadecimal");
    key.push_back(static_cast<std::uint8_t>(*high * 16 + *low));
    i += 2;
  }
  if (key.empty()) return wrong(text, "key in hexadecimal");
  return key;
}

Result<std::string> parse_key(std::string_view text) {
  const auto key = key_of(text);
  if (!key) return key.error();
  return key_text(*key);
}

std::string power_of_two(std::string_view text) {
  const auto number = number_of(text);
  constexpr std::uint64_t kMost = std::uint64_t{1} << 63;
  if (!number || *number == 0 || *number > kMost) return std::string(text);
  return fmt::to_string(std::bit_ceil(*number));
}

}  // namespace leat::host::internal
