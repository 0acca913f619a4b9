// Public: the hash by which network cards spread packets over their queues.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "leat/base/assert.h"
#include "leat/steering/internal/toeplitz_engine.h"
#include "leat/steering/toeplitz_key.h"
#include "leat/steering/toeplitz_method.h"

namespace leat::steering {

/// Bit i of the input, if set, XORs bits i to i + 31 of the key into the result (Microsoft, "RSS
/// hashing functions"; Krawczyk 1995). The input is a string of bytes in network order: source
/// address, destination address, source port, destination port.
///
/// A value. Copies share what was prepared from the key: some hundred bytes, with kTable 1 KiB for
/// each byte of the key. Any number of threads may hash with one object.
class ToeplitzHash {
 public:
  /// `method` must be available.
  explicit ToeplitzHash(const ToeplitzKey& key, ToeplitzMethod method = best_toeplitz_method());

  /// The hash of at most max_input() bytes; none give 0.
  [[nodiscard]] std::uint32_t operator()(std::span<const std::uint8_t> input) const {
    LEAT_ASSERT(input.size() <= max_input(), "an input longer than the key allows");
    return engine_.bytes(key_.view(), input.data(), input.size());
  }

  /// The hash of an IPv4 four-tuple's 12 bytes; for two addresses alone use the other form.
  [[nodiscard]] std::uint32_t ipv4(const std::uint8_t* tuple) const {
    return engine_.ipv4(key_.view(), tuple);
  }
  /// The hash of an IPv6 four-tuple's 36 bytes.
  [[nodiscard]] std::uint32_t ipv6(const std::uint8_t* tuple) const {
    return engine_.ipv6(key_.view(), tuple);
  }
  /// The same from two parts, each as it lies in a packet: two addresses of 4 bytes, and two ports
  /// (0 for none: zeroes at the end of an input change nothing).
  [[nodiscard]] std::uint32_t ipv4(std::uint64_t addresses, std::uint32_t ports) const {
    return engine_.ipv4_parts(key_.view(), addresses, ports);
  }
  /// Two addresses of 16 bytes one behind the other, and two ports as above.
  [[nodiscard]] std::uint32_t ipv6(const std::uint8_t* addresses, std::uint32_t ports) const {
    return engine_.ipv6_parts(key_.view(), addresses, ports);
  }

  /// Hashes inputs of one length (at most max_input() bytes); there must be as many hashes as
  /// inputs.
  void hash_many(std::span<const std::uint8_t* const> inputs, std::size_t length,
                 std::span<std::uint32_t> hashes) const {
    LEAT_ASSERT(length <= max_input(), "inputs longer than the key allows");
    LEAT_ASSERT(inputs.size() == hashes.size(), "as many hashes as inputs");
    engine_.many(key_.view(), inputs.data(), length, hashes.data(), inputs.size());
  }

  /// In bytes: four less than the key's.
  [[nodiscard]] std::size_t max_input() const { return max_input_; }
  [[nodiscard]] ToeplitzMethod method() const { return method_; }

 private:
  internal::PreparedToeplitzKey key_;
  internal::ToeplitzEngine engine_;
  std::size_t max_input_;
  ToeplitzMethod method_;
};

}  // namespace leat::steering
