// The engines for every machine: the definition itself, and a table for each byte of the input.

#include <bit>
#include <cstring>

#include "leat/steering/internal/toeplitz_engine.h"

namespace leat::steering::internal {
namespace {

// What an input shorter than this reads lies inside what PreparedToeplitzKey pads.
constexpr std::size_t kWordBytes = 8;

/// Bits `bit` to `bit` + 31 of the key, the first one highest.
std::uint32_t key_bits(const std::uint64_t* words, std::size_t bit) {
  const std::size_t word = bit / 64;
  const std::size_t shift = bit % 64;
  std::uint64_t bits = words[word] << shift;
  if (shift != 0) bits |= words[word + 1] >> (64 - shift);
  return static_cast<std::uint32_t>(bits >> 32U);
}

std::uint32_t hash_byte(const std::uint64_t* words, std::size_t position, std::uint8_t byte) {
  std::uint32_t hash = 0;
  for (std::size_t bit = 0; bit < 8; ++bit) {
    if ((byte & (0x80U >> bit)) != 0) hash ^= key_bits(words, 8 * position + bit);
  }
  return hash;
}

struct Bitwise {
  static std::uint32_t byte(ToeplitzKeyView key, std::size_t position, std::uint8_t value) {
    return hash_byte(key.words, position, value);
  }
};

struct Table {
  static std::uint32_t byte(ToeplitzKeyView key, std::size_t position, std::uint8_t value) {
    return key.tables[position][value];
  }
};

/// `position` is where in the whole input these bytes lie.
template <typename Way>
std::uint32_t hash_at(ToeplitzKeyView key, std::size_t position, const std::uint8_t* input,
                      std::size_t length) {
  std::uint32_t hash = 0;
  for (std::size_t i = 0; i < length; ++i) hash ^= Way::byte(key, position + i, input[i]);
  return hash;
}

template <typename Way>
std::uint32_t hash_bytes(ToeplitzKeyView key, const std::uint8_t* input, std::size_t length) {
  return hash_at<Way>(key, 0, input, length);
}

template <typename Way>
std::uint32_t hash_ipv4(ToeplitzKeyView key, std::uint64_t addresses, std::uint32_t ports) {
  std::uint8_t input[12];
  std::memcpy(input, &addresses, 8);
  std::memcpy(input + 8, &ports, 4);
  return hash_at<Way>(key, 0, input, sizeof input);
}

template <typename Way>
std::uint32_t hash_ipv6(ToeplitzKeyView key, const std::uint8_t* source,
                        const std::uint8_t* destination, std::uint32_t ports) {
  std::uint8_t port_bytes[4];
  std::memcpy(port_bytes, &ports, 4);
  return hash_at<Way>(key, 0, source, 16) ^ hash_at<Way>(key, 16, destination, 16) ^
         hash_at<Way>(key, 32, port_bytes, 4);
}

template <typename Way>
void hash_many(ToeplitzKeyView key, const std::uint8_t* const* inputs, std::size_t length,
               std::uint32_t* hashes, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) hashes[i] = hash_at<Way>(key, 0, inputs[i], length);
}

template <typename Way>
constexpr ToeplitzEngine kEngine = {hash_bytes<Way>, hash_ipv4<Way>, hash_ipv6<Way>,
                                    hash_many<Way>};

}  // namespace

PreparedToeplitzKey::PreparedToeplitzKey(const ToeplitzKey& key, bool with_tables) {
  // Whole blocks of 64 bytes, and one block more for who reads a word beyond.
  constexpr std::size_t kBlockWords = 8;
  const std::size_t blocks = (key.size() + 63) / 64 + 1;
  words_.resize(blocks * kBlockWords);
  for (std::size_t i = 0; i < key.size(); ++i) {
    words_[i / kWordBytes] |= std::uint64_t{key.bytes()[i]} << (56 - 8 * (i % kWordBytes));
  }
  if (!with_tables) return;
  tables_.resize(key.size() - 4);
  for (std::size_t position = 0; position < tables_.size(); ++position) {
    for (std::size_t value = 0; value < 256; ++value) {
      tables_[position][value] =
          hash_byte(words_.data(), position, static_cast<std::uint8_t>(value));
    }
  }
}

ToeplitzEngine bitwise_toeplitz_engine() {
  return kEngine<Bitwise>;
}
ToeplitzEngine table_toeplitz_engine() {
  return kEngine<Table>;
}

}  // namespace leat::steering::internal
