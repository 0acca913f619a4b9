// The engine for x86-64 with GFNI, VPCLMULQDQ and AVX-512: what toeplitz_carryless.h describes,
// with up to eight words in a register, or two words of each of four inputs.

#if defined(__x86_64__)

#include <bit>

#include "leat/steering/internal/toeplitz_carryless.h"
#include "leat/steering/internal/toeplitz_engine.h"

#define LEAT_TARGET_AVX512 \
  __attribute__((target("ssse3,pclmul,avx2,gfni,vpclmulqdq,avx512f,avx512bw,avx512vl")))

namespace leat::steering::internal {
namespace {

constexpr std::size_t kBlock = 64;
/// The matrix over GF(2) that turns the bits of a byte around.
constexpr long long kReversal = static_cast<long long>(0x8040201008040201);

LEAT_TARGET_AVX512 LEAT_ALWAYS_INLINE __m128i reverse(__m128i bytes) {
  return _mm_gf2p8affine_epi64_epi8(bytes, _mm_set1_epi64x(kReversal), 0);
}
LEAT_TARGET_AVX512 LEAT_ALWAYS_INLINE __m256i reverse(__m256i bytes) {
  return _mm256_gf2p8affine_epi64_epi8(bytes, _mm256_set1_epi64x(kReversal), 0);
}
LEAT_TARGET_AVX512 LEAT_ALWAYS_INLINE __m512i reverse(__m512i bytes) {
  return _mm512_gf2p8affine_epi64_epi8(bytes, _mm512_set1_epi64(kReversal), 0);
}

/// The sum of the two halves.
LEAT_TARGET_AVX512 LEAT_ALWAYS_INLINE __m128i fold(__m256i wide) {
  return _mm_xor_si128(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
}
LEAT_TARGET_AVX512 LEAT_ALWAYS_INLINE __m256i fold(__m512i wide) {
  return _mm256_xor_si256(_mm512_castsi512_si256(wide), _mm512_extracti64x4_epi64(wide, 1));
}

/// `near` with the far parts added where its own parts of the hash are.
LEAT_TARGET_AVX512 LEAT_ALWAYS_INLINE __m256i align(__m256i near, __m256i far) {
  return _mm256_xor_si256(near, _mm256_unpackhi_epi64(far, far));
}
LEAT_TARGET_AVX512 LEAT_ALWAYS_INLINE __m512i align(__m512i near, __m512i far) {
  return _mm512_xor_si512(near, _mm512_unpackhi_epi64(far, far));
}

LEAT_TARGET_AVX512 LEAT_ALWAYS_INLINE std::uint32_t hash_of(__m128i sum) {
  return static_cast<std::uint32_t>(_mm_cvtsi128_si32(_mm_srli_epi64(sum, 32)));
}

/// The first `count` bytes (at most 64); nothing behind them is touched.
LEAT_TARGET_AVX512 LEAT_ALWAYS_INLINE __m512i load_some(const std::uint8_t* from,
                                                        std::size_t count) {
  const std::uint64_t mask = count >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
  return _mm512_maskz_loadu_epi8(mask, from);
}

LEAT_TARGET_AVX512 LEAT_ALWAYS_INLINE std::uint32_t multiply_ipv4(const std::uint64_t* key,
                                                                  __m128i addresses,
                                                                  __m128i ports) {
  const __m128i k = load_words(key);
  const __m128i a = reverse(addresses);
  const __m128i near = _mm_xor_si128(_mm_clmulepi64_si128(a, k, 0x00),
                                     _mm_clmulepi64_si128(reverse(ports), k, 0x10));
  return sum_of(near, _mm_clmulepi64_si128(a, k, 0x10));
}

LEAT_TARGET_AVX512 LEAT_ALWAYS_INLINE std::uint32_t multiply_ipv6(const std::uint64_t* key,
                                                                  const std::uint8_t* addresses,
                                                                  __m128i ports) {
  const __m256i input = reverse(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(addresses)));
  const __m256i k0 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(key));
  const __m256i k1 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(key + 1));
  const __m256i near = _mm256_xor_si256(_mm256_clmulepi64_epi128(input, k0, 0x00),
                                        _mm256_clmulepi64_epi128(input, k0, 0x11));
  const __m256i far = _mm256_xor_si256(_mm256_clmulepi64_epi128(input, k1, 0x00),
                                       _mm256_clmulepi64_epi128(input, k1, 0x11));
  const __m128i last = _mm_clmulepi64_si128(reverse(ports), load_words(key + 4), 0x00);
  return hash_of(_mm_xor_si128(fold(align(near, far)), last));
}

LEAT_TARGET_AVX512 std::uint32_t hash_ipv4(ToeplitzKeyView key, const std::uint8_t* tuple) {
  return multiply_ipv4(key.words, load_8(tuple), load_4(tuple + 8));
}
LEAT_TARGET_AVX512 std::uint32_t hash_ipv6(ToeplitzKeyView key, const std::uint8_t* tuple) {
  return multiply_ipv6(key.words, tuple, load_4(tuple + 32));
}
LEAT_TARGET_AVX512 std::uint32_t hash_ipv4_parts(ToeplitzKeyView key, std::uint64_t addresses,
                                                 std::uint32_t ports) {
  return multiply_ipv4(key.words, from_word(addresses), from_word(ports));
}
LEAT_TARGET_AVX512 std::uint32_t hash_ipv6_parts(ToeplitzKeyView key, const std::uint8_t* addresses,
                                                 std::uint32_t ports) {
  return multiply_ipv6(key.words, addresses, from_word(ports));
}

LEAT_TARGET_AVX512 std::uint32_t hash_short(ToeplitzKeyView key, const std::uint8_t* input,
                                            std::size_t length) {
  const auto mask = static_cast<__mmask16>((1U << length) - 1);
  const __m128i words = reverse(_mm_maskz_loadu_epi8(mask, input));
  const __m128i k0 = load_words(key.words);
  const __m128i k1 = load_words(key.words + 1);
  const __m128i near =
      _mm_xor_si128(_mm_clmulepi64_si128(words, k0, 0x00), _mm_clmulepi64_si128(words, k0, 0x11));
  const __m128i far =
      _mm_xor_si128(_mm_clmulepi64_si128(words, k1, 0x00), _mm_clmulepi64_si128(words, k1, 0x11));
  return sum_of(near, far);
}

LEAT_TARGET_AVX512 std::uint32_t hash_bytes(ToeplitzKeyView key, const std::uint8_t* input,
                                            std::size_t length) {
  if (length <= 16) return hash_short(key, input, length);
  const std::uint64_t* words = key.words;
  __m512i near = _mm512_setzero_si512();
  __m512i far = _mm512_setzero_si512();
  for (;;) {
    const __m512i block = reverse(load_some(input, length));
    const __m512i k0 = _mm512_loadu_si512(words);
    const __m512i k1 = _mm512_loadu_si512(words + 1);
    near = _mm512_xor_si512(near, _mm512_clmulepi64_epi128(block, k0, 0x00));
    near = _mm512_xor_si512(near, _mm512_clmulepi64_epi128(block, k0, 0x11));
    far = _mm512_xor_si512(far, _mm512_clmulepi64_epi128(block, k1, 0x00));
    far = _mm512_xor_si512(far, _mm512_clmulepi64_epi128(block, k1, 0x11));
    if (length <= kBlock) return hash_of(fold(fold(align(near, far))));
    length -= kBlock;
    input += kBlock;
    words += 8;
  }
}

/// 16 bytes from each of four inputs, side by side. Taken from memory into their places, not put
/// together afterwards: that would take the port that multiplies.
LEAT_TARGET_AVX512 LEAT_ALWAYS_INLINE __m512i load_four(const std::uint8_t* const* inputs,
                                                        std::size_t offset) {
  __m512i four = _mm512_castsi128_si512(load_words(inputs[0] + offset));
  four = _mm512_inserti32x4(four, load_words(inputs[1] + offset), 1);
  four = _mm512_inserti32x4(four, load_words(inputs[2] + offset), 2);
  return _mm512_inserti32x4(four, load_words(inputs[3] + offset), 3);
}

/// The last `count` bytes (1 to 15) of inputs of `length`, zeroes behind them.
LEAT_TARGET_AVX512 LEAT_ALWAYS_INLINE __m512i load_four_tails(const std::uint8_t* const* inputs,
                                                              std::size_t length,
                                                              std::size_t count) {
  if (length >= 16) {  // The last 16, and what was there before is shifted out.
    static constexpr std::int8_t kPlaces[32] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                                                11, 12, 13, 14, 15, -1, -1, -1, -1, -1, -1,
                                                -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
    const __m128i places = load_words(kPlaces + 16 - count);
    return _mm512_shuffle_epi8(load_four(inputs, length - 16), _mm512_broadcast_i32x4(places));
  }
  const auto mask = static_cast<__mmask16>((1U << count) - 1);
  const __m256i low =
      _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_maskz_loadu_epi8(mask, inputs[0])),
                              _mm_maskz_loadu_epi8(mask, inputs[1]), 1);
  const __m256i high =
      _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_maskz_loadu_epi8(mask, inputs[2])),
                              _mm_maskz_loadu_epi8(mask, inputs[3]), 1);
  return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

/// Both words of the key for each of the four.
LEAT_TARGET_AVX512 LEAT_ALWAYS_INLINE __m512i broadcast_words(const std::uint64_t* words) {
  return _mm512_broadcast_i32x4(load_words(words));
}

LEAT_TARGET_AVX512 LEAT_ALWAYS_INLINE void hash_four(const std::uint64_t* words,
                                                     const std::uint8_t* const* inputs,
                                                     std::size_t length, std::uint32_t* hashes) {
  __m512i near = _mm512_setzero_si512();
  __m512i far = _mm512_setzero_si512();
  for (std::size_t at = 0; at < length; at += 16, words += 2) {
    const std::size_t count = length - at;
    const __m512i block =
        reverse(count >= 16 ? load_four(inputs, at) : load_four_tails(inputs, length, count));
    const __m512i k0 = broadcast_words(words);
    near = _mm512_xor_si512(near, _mm512_clmulepi64_epi128(block, k0, 0x00));
    if (count <= 4) break;  // The rest are products with zeroes.
    far = _mm512_xor_si512(far, _mm512_clmulepi64_epi128(block, k0, 0x10));
    if (count <= 8) break;
    near = _mm512_xor_si512(near, _mm512_clmulepi64_epi128(block, k0, 0x11));
    if (count <= 12) break;
    far = _mm512_xor_si512(far, _mm512_clmulepi64_epi128(block, broadcast_words(words + 1), 0x11));
  }
  const __m512i places = _mm512_setr_epi32(1, 5, 9, 13, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  const __m512i sums = _mm512_permutexvar_epi32(places, align(near, far));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(hashes), _mm512_castsi512_si128(sums));
}

LEAT_TARGET_AVX512 void hash_many(ToeplitzKeyView key, const std::uint8_t* const* inputs,
                                  std::size_t length, std::uint32_t* hashes, std::size_t count) {
  std::size_t i = 0;
  for (; i + 4 <= count; i += 4) hash_four(key.words, inputs + i, length, hashes + i);
  for (; i < count; ++i) hashes[i] = hash_bytes(key, inputs[i], length);
}

}  // namespace

ToeplitzEngine avx512_toeplitz_engine() {
  return {hash_bytes, hash_ipv4, hash_ipv6, hash_ipv4_parts, hash_ipv6_parts, hash_many};
}

}  // namespace leat::steering::internal

#endif
