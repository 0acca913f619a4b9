// Public: the hash that a network card gives to a packet.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "leat/base/result.h"
#include "leat/steering/hash_fields.h"
#include "leat/steering/internal/flow_words.h"
#include "leat/steering/toeplitz_hash.h"
#include "leat/wire/flow_key.h"

namespace leat::steering {

/// What a card does to the input before hashing, so that both directions of a flow get one hash
/// (ethtool -X xfrm; RXH_XFRM_* in linux/ethtool.h). Both lose entropy, and who may choose
/// addresses can defeat the spreading (Documentation/networking/scaling.rst).
enum class InputTransform : std::uint8_t {
  kNone,
  kSymmetricXor,    ///< (s^d, s^d, sp^dp, sp^dp)
  kSymmetricOrXor,  ///< (s|d, s^d, sp|dp, sp^dp)
};
/// "none", "symmetric-xor", "symmetric-or-xor".
[[nodiscard]] std::string_view to_string(InputTransform transform);

/// Key, transform, and the fields of each kind of flow. At first sdfn for TCP and UDP and sd for
/// others, as virtio's cards and Mellanox's have it; many of Intel's begin with sd for UDP.
///
/// The input is the chosen fields one behind the other in the order s, d, f, n, without holes.
/// That is what every card does for sd and sdfn; for other choices cards differ.
///
/// A value. Any number of threads may hash with one object that nobody changes.
class RssHash {
 public:
  explicit RssHash(const ToeplitzKey& key, ToeplitzMethod method = best_toeplitz_method());

  /// An error, which changes nothing, if there are fields that are not paired
  /// (ethtool_check_flow_types() in net/ethtool/ioctl.c refuses the same).
  Result<void> set_transform(InputTransform transform);
  /// An error, which changes nothing, for no fields, for ports of kOther, and for fields that are
  /// not paired under a symmetric transform.
  Result<void> set_fields(FlowType type, HashFields fields);

  [[nodiscard]] InputTransform transform() const { return transform_; }
  [[nodiscard]] HashFields fields(FlowType type) const {
    return fields_[static_cast<std::size_t>(type)];
  }
  [[nodiscard]] const ToeplitzHash& toeplitz() const { return toeplitz_; }

  [[nodiscard]] std::uint32_t operator()(const wire::FlowKey& key) const {
    const FlowType type = flow_type(key);
    const Plan plan = plans_[static_cast<std::size_t>(type)];
    if (plan == Plan::kOther) [[unlikely]]
      return hash_other(key, type);
    return hash_pairs(key, plan == Plan::kTuple);
  }

 private:
  /// What fields and transform come to: the two that nearly everyone has, and the rest.
  enum class Plan : std::uint8_t { kAddresses, kTuple, kOther };

  void plan();
  [[nodiscard]] std::uint32_t hash_pairs(const wire::FlowKey& key, bool with_ports) const {
    const std::uint32_t ports = with_ports ? internal::port_word(key) : 0;
    if (key.version == wire::IpVersion::kV4) {
      return toeplitz_.ipv4(internal::address_word(key), ports);
    }
    return toeplitz_.ipv6(internal::address_bytes(key), ports);
  }
  [[nodiscard]] std::uint32_t hash_other(const wire::FlowKey& key, FlowType type) const;

  ToeplitzHash toeplitz_;
  InputTransform transform_ = InputTransform::kNone;
  std::array<HashFields, kFlowTypes> fields_;
  std::array<Plan, kFlowTypes> plans_;
};

}  // namespace leat::steering
