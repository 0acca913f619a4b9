// Public: which fields of a packet a card hashes, for each kind of flow.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "leat/base/result.h"
#include "leat/wire/flow_key.h"

namespace leat::steering {

/// The kinds of flow for which fields are chosen (ethtool -N DEV rx-flow-hash KIND ...).
enum class FlowType : std::uint8_t {
  kTcp4,
  kUdp4,
  kTcp6,
  kUdp6,
  /// All else: other protocols, and every fragment, for only the first of them has ports.
  kOther,
};
inline constexpr int kFlowTypes = 5;

[[nodiscard]] inline FlowType flow_type(const wire::FlowKey& key) {
  const bool v4 = key.version == wire::IpVersion::kV4;
  if (!key.has_ports) return FlowType::kOther;
  if (key.protocol == 6) return v4 ? FlowType::kTcp4 : FlowType::kTcp6;
  if (key.protocol == 17) return v4 ? FlowType::kUdp4 : FlowType::kUdp6;
  return FlowType::kOther;
}
/// "tcp4", "udp4", "tcp6", "udp6", "other".
[[nodiscard]] std::string_view to_string(FlowType type);

/// A set of fields, with ethtool's letters. A value.
class HashFields {
 public:
  static constexpr std::uint8_t kSource = 1;           ///< s: the source address.
  static constexpr std::uint8_t kDestination = 2;      ///< d: the destination address.
  static constexpr std::uint8_t kSourcePort = 4;       ///< f: bytes 0 and 1 of the header above IP.
  static constexpr std::uint8_t kDestinationPort = 8;  ///< n: bytes 2 and 3 of it.

  constexpr HashFields() = default;
  explicit constexpr HashFields(std::uint8_t bits) : bits_(bits) {}
  [[nodiscard]] static constexpr HashFields addresses() { return HashFields(3); }
  [[nodiscard]] static constexpr HashFields addresses_and_ports() { return HashFields(15); }

  /// Reads "sdfn" or a part of it, in any order. An error for nothing, for an unknown letter, and
  /// for those that ethtool knows and Leat does not hash (m, v, t, r, e).
  [[nodiscard]] static Result<HashFields> parse(std::string_view letters);
  /// In the order of the input: "sdfn".
  [[nodiscard]] std::string to_string() const;

  [[nodiscard]] constexpr bool has(std::uint8_t field) const { return (bits_ & field) != 0; }
  [[nodiscard]] constexpr bool has_ports() const {
    return has(kSourcePort) || has(kDestinationPort);
  }
  /// Both addresses or none, and both ports or none: what a symmetric transform needs.
  [[nodiscard]] constexpr bool is_paired() const {
    return has(kSource) == has(kDestination) && has(kSourcePort) == has(kDestinationPort);
  }
  [[nodiscard]] constexpr std::uint8_t bits() const { return bits_; }

  friend constexpr bool operator==(HashFields, HashFields) = default;

 private:
  std::uint8_t bits_ = 0;
};

}  // namespace leat::steering
