// The engine for x86-64 with SSSE3 and PCLMULQDQ. Each function names the instructions that it
// uses, so the library is built without -march.

#if defined(__x86_64__)

#include "leat/steering/internal/toeplitz_carryless.h"

#include "leat/steering/internal/toeplitz_engine.h"

namespace leat::steering::internal {
namespace {

constexpr std::size_t kBlock = 16;

/// Turns the bits of each byte around, by a look-up for each half of it.
LEAT_TARGET_CARRYLESS LEAT_ALWAYS_INLINE __m128i reverse(__m128i bytes) {
  const __m128i of_low = _mm_set_epi64x(static_cast<long long>(0xf070b030d0509010),
                                        static_cast<long long>(0xe060a020c0408000));
  const __m128i of_high = _mm_set_epi64x(0x0f070b030d050901, 0x0e060a020c040800);
  const __m128i nibble = _mm_set1_epi8(15);
  const __m128i low = _mm_and_si128(bytes, nibble);
  const __m128i high = _mm_and_si128(_mm_srli_epi16(bytes, 4), nibble);
  return _mm_or_si128(_mm_shuffle_epi8(of_low, low), _mm_shuffle_epi8(of_high, high));
}

/// The sums of the words so far.
struct Sums {
  __m128i near;
  __m128i far;
};

/// Adds the products of two words of the input, which begin at the key's first word here.
LEAT_TARGET_CARRYLESS LEAT_ALWAYS_INLINE Sums add(Sums sums, const std::uint64_t* key,
                                                  __m128i input) {
  const __m128i words = reverse(input);
  const __m128i k01 = load_words(key);
  const __m128i k12 = load_words(key + 1);
  sums.near = _mm_xor_si128(sums.near, _mm_clmulepi64_si128(words, k01, 0x00));
  sums.near = _mm_xor_si128(sums.near, _mm_clmulepi64_si128(words, k01, 0x11));
  sums.far = _mm_xor_si128(sums.far, _mm_clmulepi64_si128(words, k12, 0x00));
  sums.far = _mm_xor_si128(sums.far, _mm_clmulepi64_si128(words, k12, 0x11));
  return sums;
}

LEAT_TARGET_CARRYLESS std::uint32_t hash_bytes(ToeplitzKeyView key, const std::uint8_t* input,
                                               std::size_t length) {
  const std::uint64_t* words = key.words;
  Sums sums = {_mm_setzero_si128(), _mm_setzero_si128()};
  for (; length >= kBlock; length -= kBlock, input += kBlock, words += 2) {
    sums = add(sums, words, load_words(input));
  }
  if (length > 8) {
    const __m128i second = from_word(load_word(input + 8, length - 8));
    sums = add(sums, words, _mm_unpacklo_epi64(from_word(load_word(input, 8)), second));
  } else if (length > 0) {
    sums = add(sums, words, from_word(load_word(input, length)));
  }
  return sum_of(sums.near, sums.far);
}

LEAT_TARGET_CARRYLESS LEAT_ALWAYS_INLINE std::uint32_t multiply_ipv4(const std::uint64_t* key,
                                                                     __m128i addresses,
                                                                     __m128i ports) {
  const __m128i input = reverse(_mm_unpacklo_epi64(addresses, ports));
  const __m128i k = load_words(key);
  const __m128i near =
      _mm_xor_si128(_mm_clmulepi64_si128(input, k, 0x00), _mm_clmulepi64_si128(input, k, 0x11));
  return sum_of(near, _mm_clmulepi64_si128(input, k, 0x10));
}

LEAT_TARGET_CARRYLESS LEAT_ALWAYS_INLINE std::uint32_t multiply_ipv6(const std::uint64_t* key,
                                                                     const std::uint8_t* addresses,
                                                                     __m128i ports) {
  Sums sums = {_mm_clmulepi64_si128(reverse(ports), from_word(key[4]), 0x00), _mm_setzero_si128()};
  sums = add(sums, key, load_words(addresses));
  sums = add(sums, key + 2, load_words(addresses + 16));
  return sum_of(sums.near, sums.far);
}

LEAT_TARGET_CARRYLESS std::uint32_t hash_ipv4(ToeplitzKeyView key, const std::uint8_t* tuple) {
  return multiply_ipv4(key.words, load_8(tuple), load_4(tuple + 8));
}
LEAT_TARGET_CARRYLESS std::uint32_t hash_ipv6(ToeplitzKeyView key, const std::uint8_t* tuple) {
  return multiply_ipv6(key.words, tuple, load_4(tuple + 32));
}
LEAT_TARGET_CARRYLESS std::uint32_t hash_ipv4_parts(ToeplitzKeyView key, std::uint64_t addresses,
                                                    std::uint32_t ports) {
  return multiply_ipv4(key.words, from_word(addresses), from_word(ports));
}
LEAT_TARGET_CARRYLESS std::uint32_t hash_ipv6_parts(ToeplitzKeyView key,
                                                    const std::uint8_t* addresses,
                                                    std::uint32_t ports) {
  return multiply_ipv6(key.words, addresses, from_word(ports));
}

void hash_many(ToeplitzKeyView key, const std::uint8_t* const* inputs, std::size_t length,
               std::uint32_t* hashes, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) hashes[i] = hash_bytes(key, inputs[i], length);
}

}  // namespace

ToeplitzEngine carryless_toeplitz_engine() {
  return {hash_bytes, hash_ipv4, hash_ipv6, hash_ipv4_parts, hash_ipv6_parts, hash_many};
}

}  // namespace leat::steering::internal

#endif
