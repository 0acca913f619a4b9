#include "leat/steering/hash_fields.h"

#include <fmt/format.h>

#include "leat/base/internal/text_cursor.h"

namespace leat::steering {
namespace {

constexpr std::string_view kLetters = "sdfn";  // In the order of the bits.
constexpr std::string_view kOtherLetters = "mvtre";

}  // namespace

std::string_view to_string(FlowType type) {
  switch (type) {
    case FlowType::kTcp4:
      return "tcp4";
    case FlowType::kUdp4:
      return "udp4";
    case FlowType::kTcp6:
      return "tcp6";
    case FlowType::kUdp6:
      return "udp6";
    case FlowType::kOther:
      return "other";
  }
  return "unknown";
}

Result<HashFields> HashFields::parse(std::string_view letters) {
  std::uint8_t bits = 0;
  for (std::size_t i = 0; i < letters.size(); ++i) {
    const std::size_t field = kLetters.find(letters[i]);
    if (field != std::string_view::npos) {
      bits = static_cast<std::uint8_t>(bits | 1U << field);
      continue;
    }
    const bool known = kOtherLetters.find(letters[i]) != std::string_view::npos;
    return Error::invalid_argument(fmt::format(
        "hash fields {}: {} at column {}", leat::internal::quoted(letters),
        known ? "a field of ethtool's that is not hashed here" : "expected s, d, f or n", i + 1));
  }
  if (bits == 0) {
    return Error::invalid_argument("hash fields: none, so that all packets would have one hash");
  }
  return HashFields(bits);
}

std::string HashFields::to_string() const {
  std::string letters;
  for (std::size_t field = 0; field < kLetters.size(); ++field) {
    if (has(static_cast<std::uint8_t>(1U << field))) letters += kLetters[field];
  }
  return letters;
}

}  // namespace leat::steering
