// Internal: the Toeplitz hash as a product of polynomials over GF(2), for x86-64.
//
// Let x(i) be bit i of the input and k(j) bit j of the key. Bit r of the hash is the sum of
// x(i)*k(i+r). With x(i) as the coefficient of z^i in one 64-bit word of the input, and k(j) as
// that of z^(63-j) in one word of the key, the product has in z^(63-r) all pairs of the sum whose
// bits lie in these two words. The key's next word is 64 further on, so its product with the same
// word of the input has the rest in z^(127-r):
//
//     words of the input     q0      q1      q2 ...
//                            |  .     |  .     |  .
//     words of the key       K0  K1  K1  K2  K2  K3 ...
//
//     near = q0*K0 + q1*K1 + q2*K2 ...     its part of the hash is in bits 32 to 63
//     far  = q0*K1 + q1*K2 + q2*K3 ...     its part of the hash is in bits 96 to 127
//
// The hash is the sum of both. An IPv4 four-tuple, which is a word and a half, takes three
// carry-less multiplications, an IPv6 one nine: the far product of a last half word is 0.
//
// In a word of the input the first bit is the lowest: it is read little-endian, as it lies in
// memory, and the bits of each byte are turned around.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#define LEAT_TARGET_CARRYLESS __attribute__((target("ssse3,pclmul")))
#define LEAT_ALWAYS_INLINE __attribute__((always_inline)) inline

namespace leat::steering::internal {

/// Up to eight bytes as a little-endian number, zeroes behind them, without a loop and without
/// reading what is not there.
LEAT_ALWAYS_INLINE std::uint64_t load_word(const std::uint8_t* from, std::size_t length) {
  if (length >= 8) {
    std::uint64_t word;
    std::memcpy(&word, from, 8);
    return word;
  }
  if (length >= 4) {  // Two halves, which overlap.
    std::uint32_t low;
    std::uint32_t high;
    std::memcpy(&low, from, 4);
    std::memcpy(&high, from + length - 4, 4);
    return low | std::uint64_t{high} << (8 * (length - 4));
  }
  if (length == 0) return 0;
  const std::size_t middle = length / 2;
  const std::size_t last = length - 1;
  return std::uint64_t{from[0]} | std::uint64_t{from[middle]} << (8 * middle) |
         std::uint64_t{from[last]} << (8 * last);
}

/// Two words of the key, or of the input.
LEAT_TARGET_CARRYLESS LEAT_ALWAYS_INLINE __m128i load_words(const void* from) {
  return _mm_loadu_si128(static_cast<const __m128i*>(from));
}

/// Eight bytes, and four, in the first word; zeroes behind them.
LEAT_TARGET_CARRYLESS LEAT_ALWAYS_INLINE __m128i load_8(const std::uint8_t* from) {
  return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from));
}
LEAT_TARGET_CARRYLESS LEAT_ALWAYS_INLINE __m128i load_4(const std::uint8_t* from) {
  return _mm_loadu_si32(from);
}

LEAT_TARGET_CARRYLESS LEAT_ALWAYS_INLINE __m128i from_word(std::uint64_t word) {
  return _mm_cvtsi64_si128(static_cast<long long>(word));
}

LEAT_TARGET_CARRYLESS LEAT_ALWAYS_INLINE std::uint32_t sum_of(__m128i near, __m128i far) {
  const __m128i sum = _mm_xor_si128(near, _mm_unpackhi_epi64(far, far));
  return static_cast<std::uint32_t>(_mm_cvtsi128_si32(_mm_srli_epi64(sum, 32)));
}

}  // namespace leat::steering::internal
