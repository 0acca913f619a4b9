// Internal: byte ranges (RFC 9110, 14).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace leat::http::internal {

struct ByteRange {
  std::uint64_t first = 0;
  std::uint64_t length = 0;

  [[nodiscard]] std::uint64_t end() const { return first + length; }
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

enum class RangeVerdict {
  kWhole,          ///< Ignore the field: 200 with everything.
  kParts,          ///< 206
  kUnsatisfiable,  ///< 416
};

struct RangeRequest {
  RangeVerdict verdict = RangeVerdict::kWhole;
  std::vector<ByteRange> parts;  ///< At least one for kParts, each of at least one byte.
};

/// Reads a Range field for a representation of `size` bytes. Other units, broken syntax and more
/// than `max_ranges` ranges are ignored, which 14.2 allows. Ranges that overlap or lie closer
/// together than a part's header is long become one (15.3.7.2), in ascending order; otherwise they
/// stay as asked for.
[[nodiscard]] RangeRequest parse_range(std::string_view field, std::uint64_t size,
                                       std::size_t max_ranges);

/// "bytes 0-499/1234" (14.4).
[[nodiscard]] std::string content_range(const ByteRange& range, std::uint64_t size);
/// "bytes */1234", for 416.
[[nodiscard]] std::string unsatisfied_range(std::uint64_t size);

}  // namespace leat::http::internal
