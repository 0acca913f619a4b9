#include "leat/sys/internal/attribute_json.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "leat/sys/internal/kernel_numbers.h"

namespace leat::sys::internal {
namespace {

Json bitset_to_json(Attributes bitset, Bits wanted) {
  Json names = Json::array();
  const bool is_list = bitset.find(ethtool::kBitsetNoMask).has_value();
  Attributes bits = bitset.nested(ethtool::kBitsetBits);
  while (const auto bit = bits.next()) {
    const auto name = bit->nested().text(ethtool::kBitName);
    const bool is_set = is_list || bit->nested().find(ethtool::kBitValue);
    if (!name || name->empty()) continue;  // Bits that this kernel has no name for.
    if (is_set) names.push_back(*name);
    // A change says of a bit by its mere name that it is to be off.
    if (!is_set && wanted == Bits::kChange) names.push_back("-" + *name);
  }
  return names;
}

void json_to_bitset(const Json& names, AttributeWriter& writer) {
  writer.put_flag(ethtool::kBitsetNoMask);
  const auto bits = writer.begin(ethtool::kBitsetBits);
  for (const Json& name : names) {
    if (!name.is_string()) continue;
    const auto bit = writer.begin(ethtool::kBitsetBit);
    writer.put_string(ethtool::kBitName, name.get_ref<const std::string&>());
    writer.end(bit);
  }
  writer.end(bits);
}

Json words_to_json(std::span<const std::byte> bytes) {
  Json list = Json::array();
  for (; bytes.size() >= sizeof(std::uint32_t); bytes = bytes.subspan(sizeof(std::uint32_t))) {
    list.push_back(read_header<std::uint32_t>(bytes).value_or(0));
  }
  return list;
}

std::optional<Json> to_json(const AttributeSchema& schema, const Attribute& attribute, Bits bits) {
  switch (schema.kind) {
    case AttributeKind::kU8:
    case AttributeKind::kU32:
    case AttributeKind::kU64:
      if (const auto number = attribute.number()) return Json(*number);
      return std::nullopt;
    case AttributeKind::kText:
      return Json(std::string(attribute.text()));
    case AttributeKind::kBytes:
      return Json(to_hex(attribute.payload));
    case AttributeKind::kNumbers:
      return words_to_json(attribute.payload);
    case AttributeKind::kFlag:
      return Json(true);
    case AttributeKind::kNest:
      return attributes_to_json(schema.nested, attribute.nested(), bits);
    case AttributeKind::kBitset:
      return bitset_to_json(attribute.nested(), bits);
  }
  return std::nullopt;
}

void put_number(const AttributeSchema& schema, std::uint64_t number, AttributeWriter& writer) {
  if (schema.kind == AttributeKind::kU8) {
    writer.put_u8(schema.number, static_cast<std::uint8_t>(number));
  } else if (schema.kind == AttributeKind::kU32) {
    writer.put_u32(schema.number, static_cast<std::uint32_t>(number));
  } else {
    writer.put_u64(schema.number, number);
  }
}

void put(const AttributeSchema& schema, const Json& value, AttributeWriter& writer) {
  switch (schema.kind) {
    case AttributeKind::kU8:
    case AttributeKind::kU32:
    case AttributeKind::kU64:
      if (value.is_number_unsigned()) put_number(schema, value.get<std::uint64_t>(), writer);
      return;
    case AttributeKind::kText:
      if (value.is_string()) writer.put_string(schema.number, value.get_ref<const std::string&>());
      return;
    case AttributeKind::kBytes:
      if (value.is_string())
        writer.put(schema.number, from_hex(value.get_ref<const std::string&>()));
      return;
    case AttributeKind::kNumbers: {
      std::vector<std::uint32_t> words;
      for (const Json& word : value) {
        words.push_back(word.is_number_unsigned() ? word.get<std::uint32_t>() : 0);
      }
      writer.put(schema.number, std::as_bytes(std::span(words)));
      return;
    }
    case AttributeKind::kFlag:
      writer.put_flag(schema.number);
      return;
    case AttributeKind::kNest:
    case AttributeKind::kBitset: {
      const auto nest = writer.begin(schema.number);
      if (schema.kind == AttributeKind::kNest) {
        json_to_attributes(schema.nested, value, writer);
      } else {
        json_to_bitset(value, writer);
      }
      writer.end(nest);
    }
  }
}

std::optional<unsigned> hex_value(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  return std::nullopt;
}

}  // namespace

Json attributes_to_json(Schema schema, Attributes attributes, Bits bits) {
  Json object = Json::object();
  while (const auto attribute = attributes.next()) {
    const AttributeSchema* const known = find_attribute(schema, attribute->type);
    if (known == nullptr) continue;
    if (auto value = to_json(*known, *attribute, bits)) object[std::string(known->name)] = *value;
  }
  return object;
}

void json_to_attributes(Schema schema, const Json& object, AttributeWriter& writer) {
  if (!object.is_object()) return;
  for (const auto& [name, value] : object.items()) {
    const AttributeSchema* const known = find_attribute(schema, std::string_view(name));
    if (known != nullptr) put(*known, value, writer);
  }
}

std::string to_hex(std::span<const std::byte> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : bytes) {
    text.push_back(kDigits[std::to_integer<std::size_t>(byte) >> 4]);
    text.push_back(kDigits[std::to_integer<std::size_t>(byte) & 0xf]);
  }
  return text;
}

std::vector<std::byte> from_hex(std::string_view text) {
  std::vector<std::byte> bytes;
  for (; text.size() >= 2; text.remove_prefix(2)) {
    const auto high = hex_value(text[0]);
    const auto low = hex_value(text[1]);
    if (!high || !low) break;
    bytes.push_back(static_cast<std::byte>(*high * 16 + *low));
  }
  return bytes;
}

std::uint64_t number_in(const Json& object, const char* name, std::uint64_t fallback) {
  const auto at = object.find(name);
  return at != object.end() && at->is_number_unsigned() ? at->get<std::uint64_t>() : fallback;
}

std::string text_in(const Json& object, const char* name) {
  const auto at = object.find(name);
  return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}

}  // namespace leat::sys::internal
