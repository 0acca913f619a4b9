#include "leat/steering/rss_hash.h"

#include <bit>
#include <cstddef>
#include <cstring>

#include <fmt/format.h>

namespace leat::steering {
namespace {

using wire::FlowKey;
using wire::IpVersion;

/// An address as it lies in memory; one register on the machines that matter.
using Address [[gnu::vector_size(16)]] = std::uint64_t;

Address load(const std::array<std::uint8_t, 16>& address) {
  Address value;
  std::memcpy(&value, address.data(), sizeof value);
  return value;
}

FlowKey transformed(const FlowKey& key, InputTransform transform) {
  FlowKey result = key;
  const bool either = transform == InputTransform::kSymmetricOrXor;
  const Address source = load(key.source);
  const Address destination = load(key.destination);
  const Address first = either ? source | destination : source ^ destination;
  const Address second = source ^ destination;
  std::memcpy(result.source.data(), &first, sizeof first);
  std::memcpy(result.destination.data(), &second, sizeof second);
  const unsigned ports = key.source_port ^ key.destination_port;
  result.destination_port = static_cast<std::uint16_t>(ports);
  result.source_port = static_cast<std::uint16_t>(
      either ? static_cast<unsigned>(key.source_port | key.destination_port) : ports);
  return result;
}

std::uint32_t hash_fields(const ToeplitzHash& toeplitz, const FlowKey& key, HashFields fields) {
  std::array<std::uint8_t, 36> input;
  std::size_t length = 0;
  const auto add = [&](const void* bytes, std::size_t count) {
    std::memcpy(input.data() + length, bytes, count);
    length += count;
  };
  const std::size_t address = key.version == IpVersion::kV4 ? 4 : 16;
  const std::uint16_t source_port = internal::network_order(key.source_port);
  const std::uint16_t destination_port = internal::network_order(key.destination_port);
  if (fields.has(HashFields::kSource)) add(key.source.data(), address);
  if (fields.has(HashFields::kDestination)) add(key.destination.data(), address);
  if (fields.has(HashFields::kSourcePort)) add(&source_port, 2);
  if (fields.has(HashFields::kDestinationPort)) add(&destination_port, 2);
  return toeplitz({input.data(), length});
}

}  // namespace

std::string_view to_string(InputTransform transform) {
  switch (transform) {
    case InputTransform::kNone:
      return "none";
    case InputTransform::kSymmetricXor:
      return "symmetric-xor";
    case InputTransform::kSymmetricOrXor:
      return "symmetric-or-xor";
  }
  return "unknown";
}

RssHash::RssHash(const ToeplitzKey& key, ToeplitzMethod method) : toeplitz_(key, method) {
  fields_.fill(HashFields::addresses_and_ports());
  fields_[static_cast<std::size_t>(FlowType::kOther)] = HashFields::addresses();
  plan();
}

Result<void> RssHash::set_transform(InputTransform transform) {
  for (std::size_t i = 0; transform != InputTransform::kNone && i < fields_.size(); ++i) {
    if (fields_[i].is_paired()) continue;
    return Error::invalid_argument(fmt::format(
        "{} needs both addresses or none, and both ports or none; {} has the fields {}",
        to_string(transform), to_string(static_cast<FlowType>(i)), fields_[i].to_string()));
  }
  transform_ = transform;
  plan();
  return {};
}

Result<void> RssHash::set_fields(FlowType type, HashFields fields) {
  const auto refused = [&](std::string_view why) {
    return Error::invalid_argument(
        fmt::format("hash fields {} for {}: {}", fields.to_string(), to_string(type), why));
  };
  if (fields.bits() == 0) return refused("none, so that all packets would have one hash");
  if (type == FlowType::kOther && fields.has_ports()) return refused("these have no ports");
  if (transform_ != InputTransform::kNone && !fields.is_paired()) {
    return refused(fmt::format("{} needs both addresses or none, and both ports or none",
                               to_string(transform_)));
  }
  fields_[static_cast<std::size_t>(type)] = fields;
  plan();
  return {};
}

void RssHash::plan() {
  const bool plain = transform_ == InputTransform::kNone;
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    plans_[i] = Plan::kOther;
    if (plain && fields_[i] == HashFields::addresses()) plans_[i] = Plan::kAddresses;
    if (plain && fields_[i] == HashFields::addresses_and_ports()) plans_[i] = Plan::kTuple;
  }
}

std::uint32_t RssHash::hash_other(const FlowKey& key, FlowType type) const {
  if (transform_ == InputTransform::kNone) return hash_fields(toeplitz_, key, fields(type));
  const FlowKey input = transformed(key, transform_);
  if (!fields(type).has(HashFields::kSource)) return hash_fields(toeplitz_, input, fields(type));
  return hash_pairs(input, fields(type).has_ports());
}

}  // namespace leat::steering
