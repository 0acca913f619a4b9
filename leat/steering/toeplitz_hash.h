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
/// A value: what is prepared from the key is its own, 100 bytes, with kTable 1 KiB for each byte
/// of the key. Any number of threads may hash with one object.
class ToeplitzHash {
 public:
  /// `method` must be available.
  explicit ToeplitzHash(const ToeplitzKey& key, ToeplitzMethod method = best_toeplitz_method());

  /// The hash of at most max_input() bytes; none give 0.
  [[nodiscard]] std::uint32_t operator()(std::span<const std::uint8_t> input) const {
    LEAT_ASSERT(input.size() <= max_input(), "an input longer than the key allows");
    return engine_.bytes(key_.view(), input.data(), input.size());
  }

  /// The hash of 12 bytes, given as they lie in memory: two IPv4 addresses, and two ports (0 for
  /// none: zeroes at the end of an input change nothing).
  [[nodiscard]] std::uint32_t ipv4(std::uint64_t addresses, std::uint32_t ports) const {
    return engine_.ipv4(key_.view(), addresses, ports);
  }
  /// The hash of 36 bytes: two IPv6 addresses of 16 bytes each, and two ports as for ipv4().
  [[nodiscard]] std::uint32_t ipv6(const std::uint8_t* source, const std::uint8_t* destination,
                                   std::uint32_t ports) const {
    return engine_.ipv6(key_.view(), source, destination, ports);
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
