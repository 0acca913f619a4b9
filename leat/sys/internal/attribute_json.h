// Internal: netlink attributes as JSON by a schema, and back.
#pragma once

#include <nlohmann/json.hpp>

#include "leat/sys/internal/attribute_schema.h"
#include "leat/sys/netlink_message.h"

namespace leat::sys::internal {

/// Sorted by name, so that ten thousand links are found quickly; what is added moves nothing else.
using Json = nlohmann::json;

/// An object with a member for each attribute that the schema names; others are left out. Of a
/// bitset the bits that are on; of a change also those that are to be off, as "-NAME".
enum class Bits { kOn, kChange };
[[nodiscard]] Json attributes_to_json(Schema schema, Attributes attributes, Bits bits = Bits::kOn);
/// Writes each member that the schema names; members that do not fit their kind are left out, as an
/// older kernel would.
void json_to_attributes(Schema schema, const Json& object, AttributeWriter& writer);

[[nodiscard]] std::string to_hex(std::span<const std::byte> bytes);
/// Up to the first character that is none.
[[nodiscard]] std::vector<std::byte> from_hex(std::string_view text);

/// A member as a number or a text; `fallback` where it is missing or something else.
[[nodiscard]] std::uint64_t number_in(const Json& object, const char* name, std::uint64_t fallback);
[[nodiscard]] std::string text_in(const Json& object, const char* name);

}  // namespace leat::sys::internal
