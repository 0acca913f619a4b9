// Internal: what the ways of computing a Toeplitz hash have in common.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "leat/steering/toeplitz_key.h"
#include "leat/steering/toeplitz_method.h"

namespace leat::steering::internal {

/// How a key lies in memory for the engines: one pointer, to what the method needs.
union ToeplitzKeyView {
  /// The key in steps of eight bytes, each read as a big-endian number; zeroes behind it, so that
  /// an engine may read eight words from the begin of each block of 64 bytes, and one more. At a
  /// cache line's begin.
  const std::uint64_t* words;
  /// With kTable: for each byte of the input 256 partial hashes.
  const std::array<std::uint32_t, 256>* tables;
};

/// What a method needs of a key. Copies share it; nobody changes it.
class PreparedToeplitzKey {
 public:
  PreparedToeplitzKey(const ToeplitzKey& key, bool tables);

  [[nodiscard]] ToeplitzKeyView view() const { return view_; }

 private:
  std::shared_ptr<const void> memory_;
  ToeplitzKeyView view_;
};

/// One way to compute: its functions, which agree with each other. Arguments as for ToeplitzHash.
struct ToeplitzEngine {
  std::uint32_t (*bytes)(ToeplitzKeyView key, const std::uint8_t* input, std::size_t length);
  std::uint32_t (*ipv4)(ToeplitzKeyView key, const std::uint8_t* tuple);
  std::uint32_t (*ipv6)(ToeplitzKeyView key, const std::uint8_t* tuple);
  std::uint32_t (*ipv4_parts)(ToeplitzKeyView key, std::uint64_t addresses, std::uint32_t ports);
  std::uint32_t (*ipv6_parts)(ToeplitzKeyView key, const std::uint8_t* addresses,
                              std::uint32_t ports);
  void (*many)(ToeplitzKeyView key, const std::uint8_t* const* inputs, std::size_t length,
               std::uint32_t* hashes, std::size_t count);
};

[[nodiscard]] ToeplitzEngine bitwise_toeplitz_engine();
[[nodiscard]] ToeplitzEngine table_toeplitz_engine();
#if defined(__x86_64__)
[[nodiscard]] ToeplitzEngine carryless_toeplitz_engine();
[[nodiscard]] ToeplitzEngine avx512_toeplitz_engine();
#endif

}  // namespace leat::steering::internal
