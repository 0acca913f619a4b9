#include "apps/leat/body_hash.h"

#include <cstddef>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace leat::app {
namespace {

std::string some_bytes(std::size_t size) {
  std::string bytes;
  for (std::size_t i = 0; i < size; ++i) bytes.push_back(static_cast<char>(i * 37 + i / 251));
  return bytes;
}

BodyHash hash_of(std::string_view bytes) {
  BodyHash hash;
  hash.add(bytes);
  return hash;
}

TEST(BodyHash, DoesNotDependOnTheCuts) {
  const std::string bytes = some_bytes(100);
  const BodyHash whole = hash_of(bytes);
  for (std::size_t first = 0; first <= bytes.size(); ++first) {
    for (std::size_t second = first; second <= bytes.size(); second += 7) {
      BodyHash cut;
      cut.add(std::string_view(bytes).substr(0, first));
      cut.add(std::string_view(bytes).substr(first, second - first));
      cut.add(std::string_view(bytes).substr(second));
      ASSERT_EQ(cut.value(), whole.value()) << first << ' ' << second;
      ASSERT_EQ(cut.size(), bytes.size());
    }
  }
}

TEST(BodyHash, SeesEveryBit) {
  for (const std::size_t size : {1u, 7u, 8u, 9u, 64u, 65u}) {
    std::string bytes = some_bytes(size);
    const BodyHash right = hash_of(bytes);
    for (std::size_t bit = 0; bit < size * 8; ++bit) {
      std::string wrong = bytes;
      wrong[bit / 8] = static_cast<char>(wrong[bit / 8] ^ (1 << (bit % 8)));
      EXPECT_NE(hash_of(wrong).value(), right.value()) << size << ' ' << bit;
    }
  }
}

TEST(BodyHash, SeesTheLengthAndTheOrder) {
  EXPECT_NE(hash_of("").value(), hash_of(std::string_view("\0", 1)).value());
  EXPECT_NE(hash_of(std::string(8, '\0')).value(), hash_of(std::string(16, '\0')).value());
  EXPECT_NE(hash_of("aaaaaaaabbbbbbbb").value(), hash_of("bbbbbbbbaaaaaaaa").value());
}

TEST(BodyHash, StartsAnewAfterReset) {
  BodyHash hash = hash_of("something");
  hash.reset();
  hash.add("abc");
  EXPECT_EQ(hash.value(), hash_of("abc").value());
}

}  // namespace
}  // namespace leat::app
