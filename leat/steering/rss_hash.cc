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

/// A port as it lies in a packet.
std::uint16_t network_order(std::uint16_t port) {
  if constexpr (std::endian::native == std::endian::big) return port;
  return static_cast<std::uint16_t>(port << 8U | port >> 8U);
}

/// Both ports one behind the other, as they lie in a packet.
std::uint32_t port_word(std::uint16_t source, std::uint16_t destination) {
  const std::uint32_t first = network_order(source);
  const std::uint32_t second = network_order(destination);
  if constexpr (std::endian::native == std::endian::big) return first << 16U | second;
  return second << 16U | first;
}

std::uint64_t address_word(const FlowKey& key) {
  std::uint32_t source;
  std::uint32_t destination;
  std::memcpy(&source, key.source.data(), 4);
  std::memcpy(&destination, key.destination.data(), 4);
  if constexpr (std::endian::native == std::endian::big) {
    return std::uint64_t{source} << 32U | destination;
  }
  return std::uint64_t{destination} << 32U | source;
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

static_assert(offsetof(FlowKey, destination) == offsetof(FlowKey, source) + 16);

/// Both addresses, and both ports or none: what nearly everyone chooses.
std::uint32_t hash_pairs(const ToeplitzHash& toeplitz, const FlowKey& key, bool with_ports) {
  const std::uint32_t ports = with_ports ? port_word(key.source_port, key.destination_port) : 0;
  if (key.version == IpVersion::kV4) return toeplitz.ipv4(address_word(key), ports);
  // FlowKey has the destination behind the source.
  return toeplitz.ipv6(key.source.data(), ports);
}

std::uint32_t hash_fields(const ToeplitzHash& toeplitz, const FlowKey& key, HashFields fields) {
  std::array<std::uint8_t, 36> input;
  std::size_t length = 0;
  const auto add = [&](const void* bytes, std::size_t count) {
    std::memcpy(input.data() + length, bytes, count);
    length += count;
  };
  const std::size_t address = key.version == IpVersion::kV4 ? 4 : 16;
  const std::uint16_t source_port = network_order(key.source_port);
  const std::uint16_t destination_port = network_order(key.destination_port);
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
}

Result<void> RssHash::set_transform(InputTransform transform) {
  for (std::size_t i = 0; transform != InputTransform::kNone && i < fields_.size(); ++i) {
    if (fields_[i].is_paired()) continue;
    return Error::invalid_argument(fmt::format(
        "{} needs both addresses or none, and both ports or none; {} has the fields {}",
        to_string(transform), to_string(static_cast<FlowType>(i)), fields_[i].to_string()));
  }
  transform_ = transform;
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
  return {};
}

std::uint32_t RssHash::operator()(const FlowKey& key) const {
  const HashFields chosen = fields(flow_type(key));
  if (transform_ != InputTransform::kNone) [[unlikely]] {
    const FlowKey input = transformed(key, transform_);
    if (chosen.has(HashFields::kSource)) return hash_pairs(toeplitz_, input, chosen.has_ports());
    return hash_fields(toeplitz_, input, chosen);
  }
  if (chosen == HashFields::addresses_and_ports()) return hash_pairs(toeplitz_, key, true);
  if (chosen == HashFields::addresses()) return hash_pairs(toeplitz_, key, false);
  return hash_fields(toeplitz_, key, chosen);
}

}  // namespace leat::steering
