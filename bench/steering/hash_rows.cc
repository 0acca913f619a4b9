#include "hash_rows.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "leat/base/random.h"
#include "leat/steering/rss_hash.h"
#include "leat/steering/software_flow_hash.h"

#include "tuples.h"
#if LEAT_BENCH_DPDK
#include "dpdk_hash.h"
#endif

namespace leat::bench {
namespace {

using steering::RssHash;
using steering::SoftwareFlowHash;
using steering::ToeplitzHash;
using steering::ToeplitzKey;
using steering::ToeplitzMethod;

constexpr std::size_t kIpv4 = 12;
constexpr std::size_t kIpv6 = 36;

using Hashes = std::array<std::uint32_t, Tuples::kCount>;

std::shared_ptr<Tuples> make_tuples(std::size_t length) {
  auto tuples = std::make_shared<Tuples>(Tuples{length, {}, {}});
  tuples->slots.resize(Tuples::kCount);
  Random random(length);
  for (Tuples::Slot& slot : tuples->slots) {
    for (std::uint8_t& byte : slot.bytes) byte = static_cast<std::uint8_t>(random());
    tuples->pointers.push_back(slot.bytes.data());
  }
  return tuples;
}

/// The same flows as they come from a parser.
std::shared_ptr<std::vector<wire::FlowKey>> make_keys(const Tuples& tuples) {
  auto keys = std::make_shared<std::vector<wire::FlowKey>>();
  for (const Tuples::Slot& slot : tuples.slots) {
    wire::FlowKey& key = keys->emplace_back();
    const std::size_t address = (tuples.length - 4) / 2;
    key.version = address == 4 ? wire::IpVersion::kV4 : wire::IpVersion::kV6;
    key.protocol = 6;
    key.has_ports = true;
    std::memcpy(key.source.data(), slot.bytes.data(), address);
    std::memcpy(key.destination.data(), slot.bytes.data() + address, address);
    const std::uint8_t* ports = slot.bytes.data() + 2 * address;
    key.source_port = static_cast<std::uint16_t>(ports[0] << 8U | ports[1]);
    key.destination_port = static_cast<std::uint16_t>(ports[2] << 8U | ports[3]);
  }
  return keys;
}

/// Leat's hash of one tuple, with the length known while compiling, as where a packet is parsed.
template <std::size_t Length>
std::uint32_t hash_one(const ToeplitzHash& hash, const std::uint8_t* tuple) {
  return Length == kIpv4 ? hash.ipv4(tuple) : hash.ipv6(tuple);
}

template <std::size_t Length>
void each(const ToeplitzHash& hash, const Tuples& tuples, Hashes& hashes) {
  for (std::size_t i = 0; i < Tuples::kCount; ++i) {
    hashes[i] = hash_one<Length>(hash, tuples.slots[i].bytes.data());
  }
}

template <std::size_t Length>
std::uint32_t chain(const ToeplitzHash& hash, const Tuples& tuples) {
  std::uint32_t value = 0;
  for (std::size_t n = 0, i = 0; n < Tuples::kCount; ++n) {
    value = hash_one<Length>(hash, tuples.slots[i].bytes.data());
    i = Tuples::next(i, value);
  }
  return value;
}

void check(const char* who, const Hashes& hashes, const Hashes& expected) {
  if (hashes == expected) return;
  std::fprintf(stderr, "%s gives other hashes than Leat\n", who);
  std::exit(1);
}

std::string named(ToeplitzMethod method) {
  return "Leat " + std::string(to_string(method));
}

/// The three rows of one kind of tuple.
struct Rows {
  Row each;
  Row chain;
  Row bulk;
};

template <std::size_t Length>
void add_leat(Rows& rows, std::shared_ptr<Tuples> tuples, const std::string& name,
              ToeplitzMethod method) {
  const ToeplitzHash hash(ToeplitzKey::verification(), method);
  auto hashes = std::make_shared<Hashes>();
  rows.each.contenders.push_back({name, [=](std::size_t passes) {
                                    while (passes-- > 0) {
                                      each<Length>(hash, *tuples, *hashes);
                                      keep(hashes->data());
                                    }
                                  }});
  rows.chain.contenders.push_back({name, [=](std::size_t passes) {
                                     while (passes-- > 0) keep(chain<Length>(hash, *tuples));
                                   }});
  rows.bulk.contenders.push_back({name, [=](std::size_t passes) {
                                    while (passes-- > 0) {
                                      hash.hash_many(tuples->pointers, Length, *hashes);
                                      keep(hashes->data());
                                    }
                                  }});
}

#if LEAT_BENCH_DPDK
void add_dpdk(Rows& rows, std::shared_ptr<Tuples> tuples, const Hashes& expected,
              std::shared_ptr<DpdkHash> hash) {
  if (!hash) return;
  auto hashes = std::make_shared<Hashes>();
  hash->each(*tuples, *hashes);
  check(hash->name().c_str(), *hashes, expected);
  rows.each.contenders.push_back({hash->name(), [=](std::size_t passes) {
                                    while (passes-- > 0) {
                                      hash->each(*tuples, *hashes);
                                      keep(hashes->data());
                                    }
                                  }});
  rows.chain.contenders.push_back({hash->name(), [=](std::size_t passes) {
                                     while (passes-- > 0) keep(hash->chain(*tuples));
                                   }});
  if (!hash->bulk(*tuples, *hashes)) return;
  check(hash->name().c_str(), *hashes, expected);
  rows.bulk.contenders.push_back({hash->name(), [=](std::size_t passes) {
                                    while (passes-- > 0) {
                                      hash->bulk(*tuples, *hashes);
                                      keep(hashes->data());
                                    }
                                  }});
}
#endif

template <std::size_t Length>
void add_toeplitz(std::vector<Row>& all, const std::string& kind) {
  Rows rows{{kind + ", one by one", Tuples::kCount, {}},
            {kind + ", each after the last", Tuples::kCount, {}},
            {kind + ", 256 in bulk", Tuples::kCount, {}}};
  const auto tuples = make_tuples(Length);
  const ToeplitzMethod best = steering::best_toeplitz_method();
  Hashes expected;
  each<Length>(ToeplitzHash(ToeplitzKey::verification(), best), *tuples, expected);
  add_leat<Length>(rows, tuples, "Leat", best);
  add_leat<Length>(rows, tuples, "Leat again", best);
  for (const ToeplitzMethod method : steering::available_toeplitz_methods()) {
    if (method == best || method == ToeplitzMethod::kBitwise) continue;
    Hashes hashes;
    ToeplitzHash(ToeplitzKey::verification(), method).hash_many(tuples->pointers, Length, hashes);
    check(named(method).c_str(), hashes, expected);
    add_leat<Length>(rows, tuples, named(method), method);
  }
#if LEAT_BENCH_DPDK
  const ToeplitzKey key = ToeplitzKey::verification();
  add_dpdk(rows, tuples, expected, dpdk_gfni(key.bytes(), Length));
  add_dpdk(rows, tuples, expected, dpdk_softrss(key.bytes(), *tuples));
#endif
  all.insert(all.end(), {rows.each, rows.chain, rows.bulk});
}

/// From a parsed packet's flow to the card's hash and to the software's.
void add_flow_hashes(std::vector<Row>& all, const std::string& kind, std::size_t length) {
  const auto keys = make_keys(*make_tuples(length));
  const auto loop = [&](const char* name, auto hash) {
    return Contender{name, [keys, hash](std::size_t passes) {
                       while (passes-- > 0) {
                         for (const wire::FlowKey& key : *keys) keep(hash(key));
                       }
                     }};
  };
  const RssHash rss(ToeplitzKey::verification());
  const SoftwareFlowHash software({1, 2});
  all.push_back({kind + ", from a flow key",
                 Tuples::kCount,
                 {loop("Leat", rss), loop("Leat again", rss), loop("Leat's SipHash", software)}});
}

}  // namespace

std::vector<Row> hash_rows() {
  std::vector<Row> rows;
  add_toeplitz<kIpv4>(rows, "IPv4");
  add_toeplitz<kIpv6>(rows, "IPv6");
  add_flow_hashes(rows, "IPv4", kIpv4);
  add_flow_hashes(rows, "IPv6", kIpv6);
  return rows;
}

}  // namespace leat::bench
