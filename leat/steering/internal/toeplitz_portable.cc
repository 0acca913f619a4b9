// The engines for every machine: the definition itself, and a table for each byte of the input.

#include <cstring>
#include <span>
#include <vector>

#include "leat/steering/internal/toeplitz_engine.h"

namespace leat::steering::internal {
namespace {

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

template <typename Way, std::size_t kLength>
std::uint32_t hash_tuple(ToeplitzKeyView key, const std::uint8_t* tuple) {
  return hash_at<Way>(key, 0, tuple, kLength);
}

template <typename Way>
std::uint32_t hash_ipv4_parts(ToeplitzKeyView key, std::uint64_t addresses, std::uint32_t ports) {
  std::uint8_t input[12];
  std::memcpy(input, &addresses, 8);
  std::memcpy(input + 8, &ports, 4);
  return hash_at<Way>(key, 0, input, sizeof input);
}

template <typename Way>
std::uint32_t hash_ipv6_parts(ToeplitzKeyView key, const std::uint8_t* addresses,
                              std::uint32_t ports) {
  std::uint8_t port_bytes[4];
  std::memcpy(port_bytes, &ports, 4);
  return hash_at<Way>(key, 0, addresses, 32) ^ hash_at<Way>(key, 32, port_bytes, 4);
}

template <typename Way>
void hash_many(ToeplitzKeyView key, const std::uint8_t* const* inputs, std::size_t length,
               std::uint32_t* hashes, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) hashes[i] = hash_at<Way>(key, 0, inputs[i], length);
}

template <typename Way>
constexpr ToeplitzEngine kEngine = {hash_bytes<Way>,      hash_tuple<Way, 12>,  hash_tuple<Way, 36>,
                                    hash_ipv4_parts<Way>, hash_ipv6_parts<Way>, hash_many<Way>};

struct alignas(64) Block {
  std::uint64_t words[8];
};
using Blocks = std::vector<Block>;
using Tables = std::vector<std::array<std::uint32_t, 256>>;

std::shared_ptr<Blocks> make_blocks(std::span<const std::uint8_t> key) {
  // One more than the key fills, for who reads a word beyond.
  auto blocks = std::make_shared<Blocks>((key.size() + sizeof(Block) - 1) / sizeof(Block) + 1);
  for (std::size_t i = 0; i < key.size(); ++i) {
    std::uint64_t& word = (*blocks)[i / sizeof(Block)].words[i % sizeof(Block) / 8];
    word |= std::uint64_t{key[i]} << (56 - 8 * (i % 8));
  }
  return blocks;
}

std::shared_ptr<Tables> make_tables(const std::uint64_t* words, std::size_t max_input) {
  auto tables = std::make_shared<Tables>(max_input);
  for (std::size_t position = 0; position < max_input; ++position) {
    for (std::size_t value = 0; value < 256; ++value) {
      (*tables)[position][value] = hash_byte(words, position, static_cast<std::uint8_t>(value));
    }
  }
  return tables;
}

}  // namespace

PreparedToeplitzKey::PreparedToeplitzKey(const ToeplitzKey& key, bool tables) {
  const auto blocks = make_blocks(key.bytes());
  view_.words = blocks->data()->words;
  memory_ = blocks;
  if (!tables) return;
  const auto made = make_tables(view_.words, key.size() - 4);
  view_.tables = made->data();
  memory_ = made;
}

ToeplitzEngine bitwise_toeplitz_engine() {
  return kEngine<Bitwise>;
}
ToeplitzEngine table_toeplitz_engine() {
  return kEngine<Table>;
}

}  // namespace leat::steering::internal
