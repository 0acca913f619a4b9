#include "leat/net/internal/destination_order.h"

#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <utility>

namespace leat::internal {

namespace {

using Bytes = std::array<std::uint8_t, 16>;

/// As IPv6; IPv4 as ::ffff:a.b.c.d, which is how the policy table names it.
Bytes bytes_of(const InetAddress& address) {
  Bytes bytes{};
  if (address.family() == InetAddress::Family::kIpv6) {
    sockaddr_in6 in6;
    std::memcpy(&in6, address.get(), sizeof in6);
    std::memcpy(bytes.data(), &in6.sin6_addr, 16);
  } else {
    sockaddr_in in;
    std::memcpy(&in, address.get(), sizeof in);
    bytes[10] = bytes[11] = 0xff;
    std::memcpy(&bytes[12], &in.sin_addr, 4);
  }
  return bytes;
}

int common_prefix(const Bytes& a, const Bytes& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto difference = static_cast<std::uint8_t>(a[i] ^ b[i]);
    if (difference != 0) return static_cast<int>(i) * 8 + std::countl_zero(difference);
  }
  return 128;
}

struct Policy {
  Bytes prefix;
  int length;
  int precedence;
  int label;
};

/// RFC 6724, section 2.1, the longest prefixes first.
constexpr Policy kPolicies[] = {
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128, 50, 0},  // ::1
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96, 35, 4},         // IPv4
    {{}, 96, 1, 3},                                                  // ::/96, IPv4-compatible
    {{0x20, 0x01}, 32, 5, 5},                                        // Teredo
    {{0x20, 0x02}, 16, 30, 2},                                       // 6to4
    {{0x3f, 0xfe}, 16, 1, 12},                                       // 6bone
    {{0xfe, 0xc0}, 10, 1, 11},                                       // site-local
    {{0xfc}, 7, 3, 13},                                              // unique local
    {{}, 0, 40, 1},
};

const Policy& policy_of(const Bytes& bytes) {
  return *std::find_if(std::begin(kPolicies), std::end(kPolicies), [&](const Policy& policy) {
    return common_prefix(bytes, policy.prefix) >= policy.length;
  });
}

constexpr int kLinkLocal = 2;
constexpr int kSiteLocal = 5;
constexpr int kGlobal = 14;

/// Section 3.1 and, for IPv4, 3.2.
int scope_of(const Bytes& bytes) {
  const bool v4 = common_prefix(bytes, kPolicies[1].prefix) >= 96;
  if (v4) {
    const bool local = bytes[12] == 127 || (bytes[12] == 169 && bytes[13] == 254);
    return local ? kLinkLocal : kGlobal;
  }
  if (bytes[0] == 0xff) return bytes[1] & 0x0f;
  if (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80) return kLinkLocal;
  if (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0xc0) return kSiteLocal;
  return bytes == kPolicies[0].prefix ? kLinkLocal : kGlobal;
}

/// What the rules compare, the most important first; larger is better.
struct Rank {
  bool usable = false;         // rule 1
  bool same_scope = false;     // rule 2
  bool same_label = false;     // rule 5
  int precedence = 0;          // rule 6
  int scope = 0;               // rule 8, negative: the smaller is the better
  int prefix = 0;              // rule 9
  bool compare_prefix = true;  // with another IPv6 address only
};

Rank rank(const Destination& destination) {
  const Bytes bytes = bytes_of(destination.address);
  const Policy& policy = policy_of(bytes);
  Rank rank;
  rank.precedence = policy.precedence;
  rank.scope = -scope_of(bytes);
  rank.compare_prefix = destination.address.family() == InetAddress::Family::kIpv6;
  if (destination.source) {
    const Bytes source = bytes_of(*destination.source);
    rank.usable = true;
    rank.same_scope = scope_of(source) == -rank.scope;
    rank.same_label = policy_of(source).label == policy.label;
    // Of networks, not of hosts: 64 bits, as RFC 6724, section 2.2 has it.
    rank.prefix = std::min(common_prefix(bytes, source), 64);
  }
  return rank;
}

/// -1: `a` goes first, 1: `b` does.
int compare(const Rank& a, const Rank& b) {
  if (a.usable != b.usable) return a.usable ? -1 : 1;
  if (a.same_scope != b.same_scope) return a.same_scope ? -1 : 1;
  if (a.same_label != b.same_label) return a.same_label ? -1 : 1;
  if (a.precedence != b.precedence) return a.precedence > b.precedence ? -1 : 1;
  if (a.scope != b.scope) return a.scope > b.scope ? -1 : 1;
  const bool comparable = a.compare_prefix && b.compare_prefix;
  if (comparable && a.prefix != b.prefix) return a.prefix > b.prefix ? -1 : 1;
  return 0;
}

}  // namespace

void order_destinations(std::vector<Destination>& destinations) {
  struct Ranked {
    Rank rank;
    std::size_t place;
  };
  std::vector<Ranked> ranked;
  ranked.reserve(destinations.size());
  for (const Destination& destination : destinations) {
    ranked.push_back({rank(destination), ranked.size()});
  }
  std::sort(ranked.begin(), ranked.end(), [](const Ranked& a, const Ranked& b) {
    const int order = compare(a.rank, b.rank);
    return order != 0 ? order < 0 : a.place < b.place;
  });
  std::vector<Destination> ordered;
  ordered.reserve(destinations.size());
  for (const Ranked& one : ranked) ordered.push_back(std::move(destinations[one.place]));
  destinations = std::move(ordered);
}

}  // namespace leat::internal
