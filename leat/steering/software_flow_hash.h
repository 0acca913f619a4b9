// Public: the hash of a flow where no card gave one.
#pragma once

#include <array>
#include <cstdint>

#include "leat/wire/flow_key.h"

namespace leat::steering {

/// With the properties of the kernel's (net/core/flow_dissector.c), not its values, which hang on
/// a secret: keyed, so that nobody without the key finds flows that collide; symmetric, for the
/// lower address and the lower port come first, each by itself; never 0, which means "no hash".
/// SipHash-1-3 over addresses, ports, protocol and version; docs/decisions/steering-hashes.md.
///
/// A value. Any number of threads may hash with one object.
class SoftwareFlowHash {
 public:
  using Secret = std::array<std::uint64_t, 2>;

  /// `secret` is to be random and kept; a constant one is for tests and forecasts.
  explicit SoftwareFlowHash(const Secret& secret) : secret_(secret) {}

  [[nodiscard]] std::uint32_t operator()(const wire::FlowKey& key) const;

 private:
  Secret secret_;
};

/// What a device says of a packet's hash.
struct DeviceHash {
  std::uint32_t value = 0;
  /// Whether there is one.
  bool present = false;
  /// Whether ports went into it.
  bool covers_ports = false;
};

/// The device's hash if it has one that covers ports, otherwise the software's, as skb_get_hash()
/// does (include/linux/skbuff.h). 0 only if the device says 0.
[[nodiscard]] inline std::uint32_t flow_hash(const DeviceHash& device, const wire::FlowKey& key,
                                             const SoftwareFlowHash& software) {
  return device.present && device.covers_ports ? device.value : software(key);
}

}  // namespace leat::steering
