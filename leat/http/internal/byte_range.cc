#include "leat/http/internal/byte_range.h"

#include <algorithm>
#include <optional>

#include "leat/http/internal/text.h"

namespace leat::http::internal {
namespace {

/// About the length of a part's header: a smaller gap is cheaper sent than skipped.
constexpr std::uint64_t kJoinedGap = 80;

/// One range-spec; none if it is broken. `satisfiable` says whether it lies within `size`.
std::optional<ByteRange> parse_spec(std::string_view spec, std::uint64_t size, bool& satisfiable) {
  const std::size_t dash = spec.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const std::string_view from = spec.substr(0, dash);
  const std::string_view to = spec.substr(dash + 1);
  const auto first = parse_decimal(from);
  const auto last = parse_decimal(to);
  if (from.empty()) {
    if (!last) return std::nullopt;
    const std::uint64_t length = std::min(*last, size);
    satisfiable = length > 0;
    return ByteRange{size - length, length};
  }
  if (!first || (!last && !to.empty()) || (last && *last < *first)) return std::nullopt;
  satisfiable = *first < size;
  if (!satisfiable) return ByteRange{};
  const std::uint64_t end = last && *last < size ? *last + 1 : size;
  return ByteRange{*first, end - *first};
}

void coalesce(std::vector<ByteRange>& parts) {
  std::vector<ByteRange> sorted = parts;
  std::sort(sorted.begin(), sorted.end(),
            [](const ByteRange& a, const ByteRange& b) { return a.first < b.first; });
  std::vector<ByteRange> joined;
  for (const ByteRange& part : sorted) {
    if (!joined.empty() && part.first <= joined.back().end() + kJoinedGap) {
      const std::uint64_t end = std::max(joined.back().end(), part.end());
      joined.back().length = end - joined.back().first;
    } else {
      joined.push_back(part);
    }
  }
  if (joined.size() < parts.size()) parts = std::move(joined);
}

}  // namespace

RangeRequest parse_range(std::string_view field, std::uint64_t size, std::size_t max_ranges) {
  static constexpr std::string_view kUnit = "bytes=";
  // range-unit is a token, and tokens of HTTP that are not said to be otherwise have no case
  // (14.1).
  if (!equal_ignoring_case(field.substr(0, kUnit.size()), kUnit)) return {};
  field.remove_prefix(kUnit.size());
  RangeRequest out;
  std::size_t asked = 0;
  while (const auto spec = next_list_element(field)) {
    bool satisfiable = false;
    const auto range = parse_spec(*spec, size, satisfiable);
    if (!range || ++asked > max_ranges) return {};
    if (satisfiable) out.parts.push_back(*range);
  }
  if (asked == 0) return {};
  out.verdict = out.parts.empty() ? RangeVerdict::kUnsatisfiable : RangeVerdict::kParts;
  coalesce(out.parts);
  return out;
}

std::string content_range(const ByteRange& range, std::uint64_t size) {
  return "bytes " + std::to_string(range.first) + "-" + std::to_string(range.end() - 1) + "/" +
         std::to_string(size);
}

std::string unsatisfied_range(std::uint64_t size) {
  return "bytes */" + std::to_string(size);
}

}  // namespace leat::http::internal
