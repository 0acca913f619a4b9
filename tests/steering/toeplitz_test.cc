#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "leat/base/random.h"
#include "leat/steering/toeplitz_hash.h"

#include "rss_vectors.h"

namespace leat::steering {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes random_bytes(Random& random, std::size_t count) {
  Bytes bytes(count);
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
  return bytes;
}

ToeplitzKey random_key(Random& random, std::size_t size) {
  return *ToeplitzKey::from_bytes(random_bytes(random, size));
}

/// The input as a card reads it from a packet.
Bytes input_of(const wire::FlowKey& key, bool with_ports) {
  const std::size_t address = key.version == wire::IpVersion::kV4 ? 4 : 16;
  Bytes input(key.source.begin(), key.source.begin() + static_cast<long>(address));
  input.insert(input.end(), key.destination.begin(),
               key.destination.begin() + static_cast<long>(address));
  for (const unsigned port : {key.source_port, key.destination_port}) {
    if (!with_ports) break;
    input.push_back(static_cast<std::uint8_t>(port >> 8U));
    input.push_back(static_cast<std::uint8_t>(port));
  }
  return input;
}

/// The definition, word for word: for each bit that is set XOR the leftmost 32 bits of the key,
/// then shift the key left by one.
std::uint32_t by_definition(Bytes key, const Bytes& input) {
  std::uint32_t hash = 0;
  for (std::size_t bit = 0; bit < 8 * input.size(); ++bit) {
    if ((unsigned{input[bit / 8]} >> (7 - bit % 8) & 1U) != 0) {
      hash ^= std::uint32_t{key[0]} << 24U | std::uint32_t{key[1]} << 16U |
              std::uint32_t{key[2]} << 8U | key[3];
    }
    for (std::size_t i = 0; i < key.size(); ++i) {
      const unsigned next = i + 1 < key.size() ? unsigned{key[i + 1]} >> 7U : 0U;
      key[i] = static_cast<std::uint8_t>(unsigned{key[i]} << 1U | next);
    }
  }
  return hash;
}

class ToeplitzHashBy : public testing::TestWithParam<ToeplitzMethod> {};

TEST_P(ToeplitzHashBy, GivesThePublishedHashes) {
  const ToeplitzHash hash(ToeplitzKey::verification(), GetParam());
  for (const RssVector& v : kRssVectors) {
    EXPECT_EQ(hash(input_of(flow_key(v), false)), v.addresses) << v.source;
    EXPECT_EQ(hash(input_of(flow_key(v), true)), v.addresses_and_ports) << v.source;
  }
}

TEST_P(ToeplitzHashBy, ASymmetricKeyGivesBothDirectionsOneHash) {
  const ToeplitzHash hash(ToeplitzKey::symmetric(), GetParam());
  for (const RssVector& v : kRssVectors) {
    EXPECT_EQ(hash(input_of(flow_key(v), true)), v.symmetric_key) << v.source;
    EXPECT_EQ(hash(input_of(reversed(flow_key(v)), true)), v.symmetric_key) << v.source;
  }
}

TEST_P(ToeplitzHashBy, FollowsTheDefinitionForEveryLengthAndKey) {
  const std::uint64_t seed = 7;
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  for (const std::size_t size :
       std::initializer_list<std::size_t>{40, 41, 47, 48, 52, 63, 64, 65, 67, 68, 127, 132, 256}) {
    const ToeplitzKey key = random_key(random, size);
    const ToeplitzHash hash(key, GetParam());
    ASSERT_EQ(hash.max_input(), size - 4);
    // All lengths of a usual key; of the long ones some, for the definition takes its time.
    const std::size_t step = size < 70 ? 1 : 13;
    for (std::size_t length = hash.max_input() % step; length <= size - 4; length += step) {
      // Without anything behind it, so that a sanitizer sees each byte read too many.
      const auto input = std::make_unique<std::uint8_t[]>(length);
      const Bytes bytes = random_bytes(random, length);
      std::ranges::copy(bytes, input.get());
      ASSERT_EQ(hash({input.get(), length}),
                by_definition({key.bytes().begin(), key.bytes().end()}, bytes))
          << size << ' ' << length;
    }
  }
}

TEST_P(ToeplitzHashBy, TuplesAreTheirBytes) {
  Random random(8);
  for (int i = 0; i < 2'000; ++i) {
    const ToeplitzKey key = random_key(random, random.uniform(40, 60));
    const ToeplitzHash hash(key, GetParam());
    const Bytes input = random_bytes(random, 36);
    std::uint64_t addresses;
    std::uint32_t ports;
    std::memcpy(&addresses, input.data(), 8);
    std::memcpy(&ports, input.data() + 8, 4);
    ASSERT_EQ(hash.ipv4(input.data()), hash(std::span(input).first(12)));
    ASSERT_EQ(hash.ipv6(input.data()), hash(input));
    ASSERT_EQ(hash.ipv4(addresses, ports), hash(std::span(input).first(12)));
    ASSERT_EQ(hash.ipv4(addresses, 0), hash(std::span(input).first(8)));
    std::memcpy(&ports, input.data() + 32, 4);
    ASSERT_EQ(hash.ipv6(input.data(), ports), hash(input));
    ASSERT_EQ(hash.ipv6(input.data(), 0), hash(std::span(input).first(32)));
  }
}

TEST_P(ToeplitzHashBy, ManyAreEachOfThem) {
  Random random(9);
  for (int round = 0; round < 500; ++round) {
    const ToeplitzHash hash(random_key(random, random.uniform(40, 140)), GetParam());
    const std::size_t length = random.uniform(0, hash.max_input());
    const std::size_t count = random.uniform(0, 11);
    std::vector<std::unique_ptr<std::uint8_t[]>> inputs;
    std::vector<const std::uint8_t*> pointers;
    for (std::size_t i = 0; i < count; ++i) {
      inputs.push_back(std::make_unique<std::uint8_t[]>(length));
      std::ranges::copy(random_bytes(random, length), inputs.back().get());
      pointers.push_back(inputs.back().get());
    }
    std::vector<std::uint32_t> hashes(count + 1, 0xabcdef01);
    hash.hash_many(pointers, length, std::span(hashes).first(count));
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_EQ(hashes[i], hash({pointers[i], length})) << "input " << i << " of " << count;
    }
    ASSERT_EQ(hashes[count], 0xabcdef01) << "written behind the end";
  }
}

TEST_P(ToeplitzHashBy, ACopyStandsForItself) {
  auto first = std::make_unique<ToeplitzHash>(ToeplitzKey::verification(), GetParam());
  const ToeplitzHash second = *first;
  first.reset();
  EXPECT_EQ(second(input_of(flow_key(kRssVectors[0]), true)), kRssVectors[0].addresses_and_ports);
  EXPECT_EQ(second.method(), GetParam());
}

INSTANTIATE_TEST_SUITE_P(EachMethod, ToeplitzHashBy,
                         testing::ValuesIn(available_toeplitz_methods().begin(),
                                           available_toeplitz_methods().end()),
                         [](const auto& method) { return std::string(to_string(method.param)); });

TEST(ToeplitzMethod, PortableOnesAreAlwaysThere) {
  EXPECT_TRUE(is_available(ToeplitzMethod::kBitwise));
  EXPECT_TRUE(is_available(ToeplitzMethod::kTable));
  EXPECT_TRUE(is_available(best_toeplitz_method()));
  EXPECT_GE(best_toeplitz_method(), ToeplitzMethod::kTable);
}

TEST(ToeplitzKey, MustServeAnIpv6FourTuple) {
  EXPECT_TRUE(ToeplitzKey::from_bytes(Bytes(40)));
  EXPECT_TRUE(ToeplitzKey::from_bytes(Bytes(256)));
  const auto small = ToeplitzKey::from_bytes(Bytes(39));
  ASSERT_FALSE(small);
  EXPECT_EQ(small.error().message(),
            "a Toeplitz key of 39 bytes: it must have 40 (for an IPv6 four-tuple) to 256: Invalid "
            "argument");
  EXPECT_FALSE(ToeplitzKey::from_bytes(Bytes(257)));
  EXPECT_FALSE(ToeplitzKey::from_bytes({}));
}

TEST(ToeplitzKey, ReadsWhatItWrites) {
  const ToeplitzKey key = ToeplitzKey::verification();
  EXPECT_EQ(key.to_string().substr(0, 12), "6d:5a:56:da:");
  EXPECT_EQ(*ToeplitzKey::parse(key.to_string()), key);
  std::string plain = key.to_string();
  std::erase(plain, ':');
  EXPECT_EQ(*ToeplitzKey::parse(plain), key);
  std::ranges::transform(plain, plain.begin(), [](char c) { return std::toupper(c); });
  EXPECT_EQ(*ToeplitzKey::parse(plain), key);
}

TEST(ToeplitzKey, SaysWhatIsWrongWithAText) {
  const std::string key = ToeplitzKey::verification().to_string();
  const auto error = [](const std::string& text) {
    const auto result = ToeplitzKey::parse(text);
    return result ? "none" : result.error().context();
  };
  EXPECT_EQ(error(""),
            "a Toeplitz key of 0 bytes: it must have 40 (for an IPv6 four-tuple) to 256");
  EXPECT_EQ(error("6d:5a"),
            "a Toeplitz key of 2 bytes: it must have 40 (for an IPv6 four-tuple) to 256");
  EXPECT_EQ(error(key + ":"), "Toeplitz key: expected a hexadecimal digit at column 121");
  EXPECT_EQ(error(key + "\n"), "Toeplitz key: expected a hexadecimal digit at column 120");
  EXPECT_EQ(error(key + "f"), "Toeplitz key: expected a hexadecimal digit at column 121");
  EXPECT_EQ(error(":" + key), "Toeplitz key: expected a hexadecimal digit at column 1");
  EXPECT_EQ(error("6d::5a"), "Toeplitz key: expected a hexadecimal digit at column 4");
  EXPECT_EQ(error("0x6d5a"), "Toeplitz key: expected a hexadecimal digit at column 2");
  EXPECT_EQ(error(std::string(514, '0')), "Toeplitz key: more than 256 bytes at column 513");
}

TEST(ToeplitzKey, KnowsASymmetricOne) {
  EXPECT_TRUE(ToeplitzKey::symmetric().is_symmetric());
  EXPECT_TRUE(ToeplitzKey::symmetric(52).is_symmetric());
  EXPECT_FALSE(ToeplitzKey::verification().is_symmetric());
  Bytes bytes(40, 0x5a);
  EXPECT_TRUE(ToeplitzKey::from_bytes(bytes)->is_symmetric());
  bytes[39] = 0;
  EXPECT_FALSE(ToeplitzKey::from_bytes(bytes)->is_symmetric());
}

}  // namespace
}  // namespace leat::steering
