// Internal: names and kinds of netlink attributes, as the kernel's specifications call them.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace leat::sys::internal {

enum class AttributeKind {
  kU8,
  kU32,
  kU64,  // Netlink's "uint" as well: four or eight bytes are read, eight are written.
  kText,
  kBytes,
  kNumbers,  // An array of u32.
  kFlag,
  kNest,
  kBitset,  // Of ethtool, in its verbose form without a mask: a list of names.
};

/// Documentation/netlink/specs/{ethtool,netdev,rt-link,rt-addr}.yaml.
struct AttributeSchema {
  std::uint16_t number;
  AttributeKind kind;
  std::string_view name;
  std::span<const AttributeSchema> nested = {};
};

using Schema = std::span<const AttributeSchema>;

extern const Schema kRingsSchema;
extern const Schema kChannelsSchema;
extern const Schema kCoalesceSchema;
extern const Schema kFeaturesSchema;
extern const Schema kRssSchema;
extern const Schema kQueueSchema;
extern const Schema kNapiSchema;
extern const Schema kQstatsSchema;
extern const Schema kLinkSchema;
extern const Schema kAddressSchema;
extern const Schema kSocketSchema;

/// nullptr if the schema has no such attribute.
[[nodiscard]] const AttributeSchema* find_attribute(Schema schema, std::uint16_t number);
[[nodiscard]] const AttributeSchema* find_attribute(Schema schema, std::string_view name);

}  // namespace leat::sys::internal
