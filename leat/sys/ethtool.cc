#include "leat/sys/ethtool.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <span>
#include <utility>

#include "leat/sys/internal/attribute_schema.h"
#include "leat/sys/internal/ethtool_ioctl.h"
#include "leat/sys/internal/kernel_numbers.h"

namespace leat::sys {

namespace numbers = internal::ethtool;

namespace {

Error named(const Error& error, const char* what, const std::string& device) {
  return Error(error.code(), std::string(what) + " of " + device + ": " + error.context());
}

AttributeWriter request_for(const std::string& device) {
  AttributeWriter writer;
  const auto header = writer.begin(numbers::kHeader);
  writer.put_string(numbers::kHeaderName, device);
  writer.end(header);
  return writer;
}

Result<NetlinkAnswer> ask(Machine& machine, const std::string& device, std::uint16_t command,
                          const char* what) {
  auto answer = machine.netlink(
      {.family = numbers::kFamily, .command = command, .body = request_for(device).take()});
  if (!answer) return named(answer.error(), what, device);
  if (answer->empty()) {
    return Error::from_errno(EBADMSG, std::string(what) + " of " + device + ": no answer");
  }
  return answer;
}

Result<void> tell(Machine& machine, const std::string& device, std::uint16_t command,
                  AttributeWriter writer, const char* what) {
  const auto answer = machine.netlink({.kind = NetlinkRequest::Kind::kSet,
                                       .family = numbers::kFamily,
                                       .command = command,
                                       .body = writer.take()});
  if (!answer) return named(answer.error(), what, device);
  return {};
}

std::optional<std::uint32_t> number32(const Attributes& attributes, std::uint16_t type) {
  const auto number = attributes.number(type);
  return number ? std::optional(static_cast<std::uint32_t>(*number)) : std::nullopt;
}

Result<void> set_numbers(Machine& machine, const std::string& device, std::uint16_t command,
                         internal::Schema schema, const NamedNumbers& values, const char* what) {
  AttributeWriter writer = request_for(device);
  for (const NamedNumber& value : values) {
    const auto* const attribute = internal::find_attribute(schema, value.name);
    if (attribute == nullptr) {
      return Error::invalid_argument(std::string(what) + " have no \"" + value.name + "\"");
    }
    if (attribute->kind == internal::AttributeKind::kU8) {
      writer.put_u8(attribute->number, static_cast<std::uint8_t>(value.value));
    } else {
      writer.put_u32(attribute->number, static_cast<std::uint32_t>(value.value));
    }
  }
  return tell(machine, device, command, std::move(writer), what);
}

/// The names of the bits that are set in a verbose bitset without a mask.
std::vector<std::string> set_bits(const Attributes& bitset) {
  std::vector<std::string> names;
  Attributes bits = bitset.nested(numbers::kBitsetBits);
  const bool is_list = bitset.find(numbers::kBitsetNoMask).has_value();
  while (const auto bit = bits.next()) {
    if (bit->type != numbers::kBitsetBit) continue;
    const Attributes inside = bit->nested();
    const auto name = inside.text(numbers::kBitName);
    if (name && (is_list || inside.find(numbers::kBitValue))) names.push_back(*name);
  }
  return names;
}

std::vector<std::uint32_t> numbers_of(std::span<const std::byte> bytes) {
  std::vector<std::uint32_t> list(bytes.size() / sizeof(std::uint32_t));
  if (!list.empty()) std::memcpy(list.data(), bytes.data(), list.size() * sizeof(std::uint32_t));
  return list;
}

}  // namespace

Result<Rings> read_rings(Machine& machine, const std::string& device) {
  const auto answer = ask(machine, device, numbers::kRingsGet, "rings");
  if (!answer) return answer.error();
  const Attributes attributes((*answer)[0].body);
  return Rings{.rx = number32(attributes, numbers::kRingsRx),
               .rx_max = number32(attributes, numbers::kRingsRxMax),
               .tx = number32(attributes, numbers::kRingsTx),
               .tx_max = number32(attributes, numbers::kRingsTxMax),
               .rx_mini = number32(attributes, numbers::kRingsRxMini),
               .rx_mini_max = number32(attributes, numbers::kRingsRxMiniMax),
               .rx_jumbo = number32(attributes, numbers::kRingsRxJumbo),
               .rx_jumbo_max = number32(attributes, numbers::kRingsRxJumboMax)};
}

Result<Channels> read_channels(Machine& machine, const std::string& device) {
  const auto answer = ask(machine, device, numbers::kChannelsGet, "channels");
  if (!answer) return answer.error();
  const Attributes attributes((*answer)[0].body);
  return Channels{.rx = number32(attributes, numbers::kChannelsRx),
                  .rx_max = number32(attributes, numbers::kChannelsRxMax),
                  .tx = number32(attributes, numbers::kChannelsTx),
                  .tx_max = number32(attributes, numbers::kChannelsTxMax),
                  .other = number32(attributes, numbers::kChannelsOther),
                  .other_max = number32(attributes, numbers::kChannelsOtherMax),
                  .combined = number32(attributes, numbers::kChannelsCombined),
                  .combined_max = number32(attributes, numbers::kChannelsCombinedMax)};
}

Result<NamedNumbers> read_coalesce(Machine& machine, const std::string& device) {
  const auto answer = ask(machine, device, numbers::kCoalesceGet, "coalescing");
  if (!answer) return answer.error();
  Attributes attributes((*answer)[0].body);
  NamedNumbers values;
  while (const auto attribute = attributes.next()) {
    const auto* const known = internal::find_attribute(internal::kCoalesceSchema, attribute->type);
    const auto number = attribute->number();
    if (known != nullptr && number) values.push_back({std::string(known->name), *number});
  }
  return values;
}

Result<std::vector<Feature>> read_features(Machine& machine, const std::string& device) {
  const auto answer = ask(machine, device, numbers::kFeaturesGet, "features");
  if (!answer) return answer.error();
  const Attributes attributes((*answer)[0].body);
  std::map<std::string, Feature> features;
  const auto mark = [&](std::uint16_t type, bool Feature::* member, bool value) {
    for (const std::string& name : set_bits(attributes.nested(type))) {
      features[name].*member = value;
    }
  };
  mark(numbers::kFeaturesActive, &Feature::active, true);
  mark(numbers::kFeaturesWanted, &Feature::wanted, true);
  mark(numbers::kFeaturesHardware, &Feature::changeable, true);
  mark(numbers::kFeaturesFixed, &Feature::changeable, false);
  std::vector<Feature> list;
  for (auto& [name, feature] : features) {
    feature.name = name;
    if (feature.active || feature.changeable) list.push_back(std::move(feature));
  }
  return list;
}

Result<Rss> read_rss(Machine& machine, const std::string& device) {
  const auto answer = ask(machine, device, numbers::kRssGet, "RSS");
  if (!answer && answer.error().number() == EOPNOTSUPP) {
    auto old = internal::read_rss_by_ioctl(machine, device);
    return old ? old : Result<Rss>(answer.error());
  }
  if (!answer) return answer.error();
  const Attributes attributes((*answer)[0].body);
  Rss rss;
  rss.context = number32(attributes, numbers::kRssContext).value_or(0);
  rss.function = number32(attributes, numbers::kRssFunction).value_or(0);
  rss.transform = number32(attributes, numbers::kRssTransform).value_or(0);
  if (const auto table = attributes.find(numbers::kRssTable))
    rss.table = numbers_of(table->payload);
  if (const auto key = attributes.find(numbers::kRssKey)) {
    for (const std::byte byte : key->payload)
      rss.key.push_back(std::to_integer<std::uint8_t>(byte));
  }
  return rss;
}

Result<void> set_rings(Machine& machine, const std::string& device, const NamedNumbers& values) {
  return set_numbers(machine, device, numbers::kRingsSet, internal::kRingsSchema, values, "rings");
}

Result<void> set_channels(Machine& machine, const std::string& device, const NamedNumbers& values) {
  return set_numbers(machine, device, numbers::kChannelsSet, internal::kChannelsSchema, values,
                     "channels");
}

Result<void> set_coalesce(Machine& machine, const std::string& device, const NamedNumbers& values) {
  return set_numbers(machine, device, numbers::kCoalesceSet, internal::kCoalesceSchema, values,
                     "coalescing settings");
}

Result<void> set_feature(Machine& machine, const std::string& device, const std::string& feature,
                         bool on) {
  AttributeWriter writer = request_for(device);
  const auto wanted = writer.begin(numbers::kFeaturesWanted);
  const auto bits = writer.begin(numbers::kBitsetBits);
  const auto bit = writer.begin(numbers::kBitsetBit);
  writer.put_string(numbers::kBitName, feature);
  if (on) writer.put_flag(numbers::kBitValue);
  writer.end(bit);
  writer.end(bits);
  writer.end(wanted);
  return tell(machine, device, numbers::kFeaturesSet, std::move(writer), "features");
}

Result<void> set_rss(Machine& machine, const std::string& device, const RssChange& change) {
  AttributeWriter writer = request_for(device);
  if (change.table) {
    writer.put(numbers::kRssTable, std::as_bytes(std::span(*change.table)));
  }
  if (change.key) writer.put(numbers::kRssKey, std::as_bytes(std::span(*change.key)));
  const auto done = tell(machine, device, numbers::kRssSet, std::move(writer), "RSS");
  if (done || done.error().number() != EOPNOTSUPP) return done;
  const auto old = internal::set_rss_by_ioctl(machine, device, change);
  return old || old.error().number() != EOPNOTSUPP ? old : done;
}

}  // namespace leat::sys
