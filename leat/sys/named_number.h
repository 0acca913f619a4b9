// Public: counters and values that the kernel or a driver names, in its order.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace leat::sys {

struct NamedNumber {
  std::string name;
  std::uint64_t value = 0;
  friend bool operator==(const NamedNumber&, const NamedNumber&) = default;
};

using NamedNumbers = std::vector<NamedNumber>;

/// Nothing if there is none of that name: that is not the same as 0.
[[nodiscard]] inline std::optional<std::uint64_t> find_number(const NamedNumbers& numbers,
                                                              std::string_view name) {
  const auto at = std::find_if(numbers.begin(), numbers.end(),
                               [&](const NamedNumber& number) { return number.name == name; });
  return at == numbers.end() ? std::nullopt : std::optional(at->value);
}

}  // namespace leat::sys
