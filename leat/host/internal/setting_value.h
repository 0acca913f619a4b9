// Internal: the canonical texts of settings' values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "leat/base/cpu_set.h"
#include "leat/base/result.h"

namespace leat::host::internal {

// Each takes what a person may write and gives the canonical text, or EINVAL with the reason.

[[nodiscard]] Result<std::string> parse_number(std::string_view text);
[[nodiscard]] Result<std::string> parse_set(std::string_view text);
[[nodiscard]] Result<std::string> parse_switch(std::string_view text);
/// Words with one space between them; no control characters.
[[nodiscard]] Result<std::string> parse_words(std::string_view text);
[[nodiscard]] Result<std::string> parse_table(std::string_view text);
[[nodiscard]] Result<std::string> parse_key(std::string_view text);

[[nodiscard]] std::string set_text(const CpuSet& set);
/// Of a canonical text.
[[nodiscard]] Result<CpuSet> set_of(std::string_view text);
[[nodiscard]] Result<std::uint64_t> number_of(std::string_view text);
[[nodiscard]] std::string table_text(const std::vector<std::uint32_t>& table);
/// Empty for "default".
[[nodiscard]] Result<std::vector<std::uint32_t>> table_of(std::string_view text);
[[nodiscard]] std::string key_text(const std::vector<std::uint8_t>& key);
[[nodiscard]] Result<std::vector<std::uint8_t>> key_of(std::string_view text);
/// The next power of two, 0 for 0; what is no number stays.
[[nodiscard]] std::string power_of_two(std::string_view text);

}  // namespace leat::host::internal
