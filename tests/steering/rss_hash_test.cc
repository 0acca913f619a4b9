#include "leat/steering/rss_hash.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "leat/base/random.h"
#include "leat/steering/indirection_table.h"

#include "rss_vectors.h"

namespace leat::steering {
namespace {

constexpr std::array kAllTypes = {FlowType::kTcp4, FlowType::kUdp4, FlowType::kTcp6,
                                  FlowType::kUdp6, FlowType::kOther};

HashFields fields(std::string_view letters) {
  const auto result = HashFields::parse(letters);
  EXPECT_TRUE(result) << letters;
  return result.value_or(HashFields());
}

wire::FlowKey random_flow(Random& random) {
  wire::FlowKey key;
  key.version = random.uniform(0, 1) == 0 ? wire::IpVersion::kV4 : wire::IpVersion::kV6;
  key.protocol = random.uniform(0, 1) == 0 ? 6 : 17;
  key.has_ports = true;
  key.source_port = static_cast<std::uint16_t>(random());
  key.destination_port = static_cast<std::uint16_t>(random());
  const std::size_t size = key.version == wire::IpVersion::kV4 ? 4 : 16;
  for (std::size_t i = 0; i < size; ++i) {
    key.source[i] = static_cast<std::uint8_t>(random());
    key.destination[i] = static_cast<std::uint8_t>(random());
  }
  return key;
}

TEST(RssHash, GivesThePublishedHashesAndEntries) {
  const RssHash with_ports(ToeplitzKey::verification());
  RssHash without(ToeplitzKey::verification());
  ASSERT_TRUE(without.set_fields(FlowType::kTcp4, HashFields::addresses()));
  ASSERT_TRUE(without.set_fields(FlowType::kTcp6, HashFields::addresses()));
  const auto table = *IndirectionTable::standard(128, 128);
  for (const RssVector& v : kRssVectors) {
    EXPECT_EQ(with_ports(flow_key(v)), v.addresses_and_ports) << v.source;
    EXPECT_EQ(without(flow_key(v)), v.addresses) << v.source;
    EXPECT_EQ(table.index(with_ports(flow_key(v))), v.entry_of_128) << v.source;
  }
}

TEST(RssHash, GivesTheDerivedSymmetricHashesInBothDirections) {
  RssHash by_xor(ToeplitzKey::verification());
  RssHash by_or_xor(ToeplitzKey::verification());
  ASSERT_TRUE(by_xor.set_transform(InputTransform::kSymmetricXor));
  ASSERT_TRUE(by_or_xor.set_transform(InputTransform::kSymmetricOrXor));
  const RssHash by_key(ToeplitzKey::symmetric());
  for (const RssVector& v : kRssVectors) {
    for (const wire::FlowKey& key : {flow_key(v), reversed(flow_key(v))}) {
      EXPECT_EQ(by_xor(key), v.symmetric_xor) << v.source;
      EXPECT_EQ(by_or_xor(key), v.symmetric_or_xor) << v.source;
      EXPECT_EQ(by_key(key), v.symmetric_key) << v.source;
    }
  }
}

TEST(RssHash, SymmetricTransformsServeEachPairOfFields) {
  Random random(11);
  for (const auto transform : {InputTransform::kSymmetricXor, InputTransform::kSymmetricOrXor}) {
    for (const char* letters : {"sd", "fn", "sdfn"}) {
      RssHash rss(ToeplitzKey::verification());
      for (const FlowType type : kAllTypes) {
        if (type != FlowType::kOther) {
          ASSERT_TRUE(rss.set_fields(type, fields(letters)));
        }
      }
      ASSERT_TRUE(rss.set_transform(transform));
      for (int i = 0; i < 200; ++i) {
        const wire::FlowKey key = random_flow(random);
        ASSERT_EQ(rss(key), rss(reversed(key))) << letters;
        wire::FlowKey other_port = key;
        other_port.source_port ^= 1;
        ASSERT_EQ(rss(other_port) == rss(key), std::string_view(letters) == "sd") << letters;
        wire::FlowKey other_address = key;
        other_address.source[3] ^= 1;
        ASSERT_EQ(rss(other_address) == rss(key), std::string_view(letters) == "fn") << letters;
      }
    }
  }
}

TEST(RssHash, HashesTheChosenFieldsOneBehindTheOther) {
  const ToeplitzKey key = ToeplitzKey::verification();
  const ToeplitzHash toeplitz(key);
  Random random(12);
  for (unsigned bits = 1; bits < 16; ++bits) {
    RssHash rss(key);
    const HashFields chosen(static_cast<std::uint8_t>(bits));
    for (const FlowType type : kAllTypes) {
      if (type != FlowType::kOther) {
        ASSERT_TRUE(rss.set_fields(type, chosen));
      }
    }
    for (int i = 0; i < 100; ++i) {
      const wire::FlowKey flow = random_flow(random);
      const long size = flow.version == wire::IpVersion::kV4 ? 4 : 16;
      std::vector<std::uint8_t> input;
      const auto add_port = [&](unsigned port) {
        input.push_back(static_cast<std::uint8_t>(port >> 8U));
        input.push_back(static_cast<std::uint8_t>(port));
      };
      if (bits & 1U) input.insert(input.end(), flow.source.begin(), flow.source.begin() + size);
      if (bits & 2U) {
        input.insert(input.end(), flow.destination.begin(), flow.destination.begin() + size);
      }
      if (bits & 4U) add_port(flow.source_port);
      if (bits & 8U) add_port(flow.destination_port);
      ASSERT_EQ(rss(flow), toeplitz(input)) << chosen.to_string();
    }
  }
}

TEST(RssHash, EachKindOfFlowHasFieldsOfItsOwn) {
  RssHash rss(ToeplitzKey::verification());
  ASSERT_TRUE(rss.set_fields(FlowType::kUdp4, HashFields::addresses()));
  wire::FlowKey key = flow_key(kRssVectors[0]);
  EXPECT_EQ(rss(key), kRssVectors[0].addresses_and_ports);
  key.protocol = 17;
  EXPECT_EQ(rss(key), kRssVectors[0].addresses);
  key.protocol = 132;
  EXPECT_EQ(rss(key), kRssVectors[0].addresses) << "others have no ports that count";
  key.protocol = 6;
  key.has_ports = false;
  EXPECT_EQ(rss(key), kRssVectors[0].addresses) << "a fragment";
  EXPECT_EQ(rss.fields(FlowType::kUdp4).to_string(), "sd");
  EXPECT_EQ(rss.fields(FlowType::kUdp6).to_string(), "sdfn");
}

TEST(RssHash, RefusesWhatNoCardDoes) {
  RssHash rss(ToeplitzKey::verification());
  const auto error = [](const Result<void>& result) {
    return result ? "none" : result.error().context();
  };
  EXPECT_EQ(error(rss.set_fields(FlowType::kOther, fields("sdfn"))),
            "hash fields sdfn for other: these have no ports");
  EXPECT_EQ(error(rss.set_fields(FlowType::kTcp4, HashFields())),
            "hash fields  for tcp4: none, so that all packets would have one hash");
  ASSERT_TRUE(rss.set_fields(FlowType::kUdp6, fields("sdf")));
  EXPECT_EQ(error(rss.set_transform(InputTransform::kSymmetricXor)),
            "symmetric-xor needs both addresses or none, and both ports or none; udp6 has the "
            "fields sdf");
  EXPECT_EQ(rss.transform(), InputTransform::kNone);
  ASSERT_TRUE(rss.set_fields(FlowType::kUdp6, fields("fn")));
  ASSERT_TRUE(rss.set_transform(InputTransform::kSymmetricOrXor));
  EXPECT_EQ(error(rss.set_fields(FlowType::kTcp4, fields("sfn"))),
            "hash fields sfn for tcp4: symmetric-or-xor needs both addresses or none, and both "
            "ports or none");
  EXPECT_EQ(rss.fields(FlowType::kTcp4), HashFields::addresses_and_ports());
  EXPECT_TRUE(rss.set_transform(InputTransform::kNone));
  EXPECT_TRUE(rss.set_fields(FlowType::kTcp4, fields("sfn")));
}

TEST(HashFields, ReadsEthtoolsLetters) {
  EXPECT_EQ(fields("sdfn"), HashFields::addresses_and_ports());
  EXPECT_EQ(fields("nfds").to_string(), "sdfn");
  EXPECT_EQ(fields("ss").to_string(), "s");
  const auto error = [](std::string_view text) {
    const auto result = HashFields::parse(text);
    return result ? "none" : result.error().context();
  };
  EXPECT_EQ(error(""), "hash fields: none, so that all packets would have one hash");
  EXPECT_EQ(error("sdx"), "hash fields \"sdx\": expected s, d, f or n at column 3");
  EXPECT_EQ(error("vsd"),
            "hash fields \"vsd\": a field of ethtool's that is not hashed here at column 1");
  EXPECT_EQ(error("SD"), "hash fields \"SD\": expected s, d, f or n at column 1");
}

}  // namespace
}  // namespace leat::steering
