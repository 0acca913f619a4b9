// Internal: SipHash, a keyed hash of short inputs (Aumasson, Bernstein, 2012).
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace leat::steering::internal {

/// SipHash-c-d: `kCompressions` rounds for each word, `kFinals` at the end. The input comes in
/// words of eight bytes, read little-endian, and a last one of the seven bytes or fewer that
/// remain.
///
///     SipHash<1, 3> hash(key);
///     hash.add(word);
///     return hash.finish(rest, length of the whole in bytes);
template <int kCompressions, int kFinals>
class SipHash {
 public:
  using Key = std::array<std::uint64_t, 2>;

  explicit SipHash(const Key& key)
      : v0_(key[0] ^ 0x736f'6d65'7073'6575),
        v1_(key[1] ^ 0x646f'7261'6e64'6f6d),
        v2_(key[0] ^ 0x6c79'6765'6e65'7261),
        v3_(key[1] ^ 0x7465'6462'7974'6573) {}

  void add(std::uint64_t word) {
    v3_ ^= word;
    for (int i = 0; i < kCompressions; ++i) round();
    v0_ ^= word;
  }

  /// `rest` holds length % 8 bytes, zeroes behind them.
  [[nodiscard]] std::uint64_t finish(std::uint64_t rest, std::uint64_t length) {
    add(rest | length << 56U);
    v2_ ^= 0xff;
    for (int i = 0; i < kFinals; ++i) round();
    return v0_ ^ v1_ ^ v2_ ^ v3_;
  }

 private:
  void round() {
    v0_ += v1_;
    v2_ += v3_;
    v1_ = std::rotl(v1_, 13) ^ v0_;
    v3_ = std::rotl(v3_, 16) ^ v2_;
    v0_ = std::rotl(v0_, 32);
    v2_ += v1_;
    v0_ += v3_;
    v1_ = std::rotl(v1_, 17) ^ v2_;
    v3_ = std::rotl(v3_, 21) ^ v0_;
    v2_ = std::rotl(v2_, 32);
  }

  std::uint64_t v0_;
  std::uint64_t v1_;
  std::uint64_t v2_;
  std::uint64_t v3_;
};

}  // namespace leat::steering::internal
