#include <array>
#include <cmath>
#include <cstring>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "leat/base/random.h"
#include "leat/steering/internal/siphash.h"
#include "leat/steering/software_flow_hash.h"

#include "rss_vectors.h"

namespace leat::steering {
namespace {

template <int C, int D>
std::uint64_t siphash(std::array<std::uint64_t, 2> key, const std::vector<std::uint8_t>& input) {
  internal::SipHash<C, D> hash(key);
  std::size_t at = 0;
  std::uint64_t word = 0;
  for (; at + 8 <= input.size(); at += 8) {
    std::memcpy(&word, &input[at], 8);
    hash.add(word);
  }
  word = 0;
  if (at < input.size()) std::memcpy(&word, &input[at], input.size() - at);
  return hash.finish(word, input.size());
}

std::vector<std::uint8_t> counting(std::size_t length) {
  std::vector<std::uint8_t> bytes(length);
  for (std::size_t i = 0; i < length; ++i) bytes[i] = static_cast<std::uint8_t>(i);
  return bytes;
}

// Appendix A of the paper, and the first of the authors' own vectors.
TEST(SipHash, GivesThePublishedHashes) {
  constexpr std::array<std::uint64_t, 17> kPublished = {
      0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d,
      0xcf2794e0277187b7, 0x18765564cd99a68d, 0xcbc9466e58fee3ce, 0xab0200f58b01d137,
      0x93f5f5799a932462, 0x9e0082df0ba9e4b0, 0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7,
      0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee, 0xa129ca6149be45e5,
      0x3f2acc7f57c29bdb};
  for (std::size_t length = 0; length < kPublished.size(); ++length) {
    EXPECT_EQ((siphash<2, 4>({0x0706050403020100, 0x0f0e0d0c0b0a0908}, counting(length))),
              kPublished[length])
        << length;
  }
}

// What Python 3.11 answers for hash(bytes(range(n))) with PYTHONHASHSEED=0: SipHash-1-3.
TEST(SipHash, WithFewerRoundsAgreesWithPython) {
  EXPECT_EQ((siphash<1, 3>({0, 0}, counting(1))), 0x68a914128e01e473u);
  EXPECT_EQ((siphash<1, 3>({0, 0}, counting(7))), 0x2f098ab0c751325au);
  EXPECT_EQ((siphash<1, 3>({0, 0}, counting(8))), 0xead411e67ebe2eeau);
  EXPECT_EQ((siphash<1, 3>({0, 0}, counting(15))), 0xf30eb725bb91c9eau);
  EXPECT_EQ((siphash<1, 3>({0, 0}, counting(63))), 0x385d3e39e5f37359u);
}

TEST(SoftwareFlowHash, IsSymmetric) {
  const SoftwareFlowHash hash({1, 2});
  for (const RssVector& v : kRssVectors) {
    const wire::FlowKey key = flow_key(v);
    EXPECT_EQ(hash(key), hash(reversed(key))) << v.source;
    // Each pair is ordered by itself, as in the kernel: this flow has the same hash, too.
    wire::FlowKey crossed = key;
    std::swap(crossed.source_port, crossed.destination_port);
    EXPECT_EQ(hash(crossed), hash(key)) << v.source;
  }
}

TEST(SoftwareFlowHash, EveryFieldCounts) {
  const SoftwareFlowHash hash({1, 2});
  for (const RssVector& v : kRssVectors) {
    const wire::FlowKey key = flow_key(v);
    std::set<std::uint32_t> seen = {hash(key)};
    const auto changed = [&](auto change) {
      wire::FlowKey other = key;
      change(other);
      EXPECT_TRUE(seen.insert(hash(other)).second) << v.source;
    };
    const std::size_t size = key.version == wire::IpVersion::kV4 ? 4 : 16;
    for (std::size_t i = 0; i < size; ++i) {
      changed([i](auto& other) { other.source[i] ^= 1; });
      changed([i](auto& other) { other.destination[i] ^= 1; });
    }
    changed([](auto& other) { other.source_port ^= 1; });
    changed([](auto& other) { other.destination_port ^= 1; });
    changed([](auto& other) { other.protocol = 17; });
    changed([](auto& other) { other.has_ports = false; });
  }
}

TEST(SoftwareFlowHash, PortsThatAreNotThereDoNotCount) {
  const SoftwareFlowHash hash({1, 2});
  wire::FlowKey key = flow_key(kRssVectors[0]);
  key.has_ports = false;
  wire::FlowKey other = key;
  other.source_port = 0;
  EXPECT_EQ(hash(key), hash(other));
}

TEST(SoftwareFlowHash, ItsSecretCounts) {
  const wire::FlowKey key = flow_key(kRssVectors[0]);
  const std::set<std::uint32_t> hashes = {
      SoftwareFlowHash({1, 2})(key), SoftwareFlowHash({1, 3})(key), SoftwareFlowHash({0, 2})(key)};
  EXPECT_EQ(hashes.size(), 3u);
}

// One of the 2^32: its SipHash ends in 32 zeroes.
TEST(SoftwareFlowHash, IsNeverZero) {
  const wire::FlowKey key = flow_key("10.0.156.62", 14489, "11.0.0.0", 80);
  internal::SipHash<1, 3> bare({1, 2});
  bare.add(0x0a00'9c3e'0b00'0000);
  ASSERT_EQ(static_cast<std::uint32_t>(bare.finish(0x0406'0000'0000 | 80U << 16U | 14489U, 14)),
            0u);
  EXPECT_EQ(SoftwareFlowHash({1, 2})(key), 1u);
}

TEST(SoftwareFlowHash, SpreadsNeighbouringFlowsEvenly) {
  const SoftwareFlowHash hash({3, 4});
  std::array<int, 64> low{};
  std::array<int, 64> high{};
  constexpr int kFlows = 64'000;
  wire::FlowKey key = flow_key("10.0.0.1", 0, "10.0.0.2", 80);
  for (int i = 0; i < kFlows; ++i) {
    key.source_port = static_cast<std::uint16_t>(1024 + i);
    const std::uint32_t value = hash(key);
    ++low[value % 64];
    ++high[value >> 26U];
  }
  for (const auto& counts : {low, high}) {
    for (const int count : counts) EXPECT_NEAR(count, 1'000, 5 * std::sqrt(1'000.0));
  }
}

TEST(FlowHash, PrefersTheDevicesIfPortsWentIntoIt) {
  const SoftwareFlowHash software({1, 2});
  const wire::FlowKey key = flow_key(kRssVectors[0]);
  const DeviceHash with_ports = {.value = 77, .present = true, .covers_ports = true};
  const DeviceHash without = {.value = 77, .present = true, .covers_ports = false};
  const DeviceHash absent = {.value = 77, .present = false, .covers_ports = true};
  EXPECT_EQ(flow_hash(with_ports, key, software), 77u);
  EXPECT_EQ(flow_hash(without, key, software), software(key));
  EXPECT_EQ(flow_hash(absent, key, software), software(key));
}

}  // namespace
}  // namespace leat::steering
