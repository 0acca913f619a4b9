#include "leat/steering/maglev_table.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "leat/steering/internal/siphash.h"

namespace leat::steering {
namespace {

constexpr std::uint32_t kFree = ~std::uint32_t{0};

bool is_prime(std::size_t number) {
  if (number < 2) return false;
  for (std::size_t divisor = 2; divisor * divisor <= number; ++divisor) {
    if (number % divisor == 0) return false;
  }
  return true;
}

/// A backend's own order of the entries: offset, offset + skip, offset + 2 * skip ... modulo the
/// size, which is prime, so it comes to every one.
struct Preference {
  std::uint64_t id;
  std::uint32_t place;  ///< In the list of backends.
  std::uint32_t weight;
  std::uint64_t credit;  ///< Of turns; each costs the greatest weight.
  std::size_t next;
  std::size_t skip;
};

std::uint64_t hash_id(std::uint64_t id, std::uint64_t which) {
  // A constant key: everyone must come to the same table. Who chooses ids is no stranger.
  internal::SipHash<2, 4> hash({0x6d61'676c'6576, which});
  hash.add(id);
  return hash.finish(0, 8);
}

Result<void> check(std::span<const MaglevBackend> backends, std::size_t size) {
  if (size > MaglevTable::kMaxSize || !is_prime(size)) {
    return Error::invalid_argument(fmt::format(
        "a Maglev table of {} entries: a prime of at most {}", size, MaglevTable::kMaxSize));
  }
  std::vector<std::uint64_t> ids;
  std::size_t with_weight = 0;
  for (const MaglevBackend& backend : backends) {
    ids.push_back(backend.id);
    if (backend.weight != 0) ++with_weight;
  }
  if (with_weight == 0) {
    return Error::invalid_argument("a Maglev table without a backend whose weight is above 0");
  }
  if (with_weight > size) {
    return Error::invalid_argument(
        fmt::format("a Maglev table of {} entries for {} backends", size, with_weight));
  }
  std::ranges::sort(ids);
  if (const auto twice = std::ranges::adjacent_find(ids); twice != ids.end()) {
    return Error::invalid_argument(
        fmt::format("a Maglev table with two backends of id {}", *twice));
  }
  return {};
}

std::vector<Preference> preferences(std::span<const MaglevBackend> backends, std::size_t size) {
  std::vector<Preference> result;
  for (std::size_t i = 0; i < backends.size(); ++i) {
    const auto [id, weight] = backends[i];
    if (weight == 0) continue;
    const std::size_t skip = hash_id(id, 1) % (size - 1) + 1;
    result.push_back({id, static_cast<std::uint32_t>(i), weight, 0, hash_id(id, 0) % size, skip});
  }
  // By id, so that the order of the list does not count.
  std::ranges::sort(result, {}, &Preference::id);
  return result;
}

}  // namespace

Result<MaglevTable> MaglevTable::create(std::span<const MaglevBackend> backends, std::size_t size) {
  if (auto possible = check(backends, size); !possible) return std::move(possible).error();
  std::vector<Preference> takers = preferences(backends, size);
  const std::uint64_t turn = std::ranges::max(takers, {}, &Preference::weight).weight;
  std::vector<std::uint32_t> entries(size, kFree);
  for (std::size_t taken = 0; taken < size;) {
    for (Preference& taker : takers) {
      taker.credit += taker.weight;
      if (taker.credit < turn) continue;
      taker.credit -= turn;
      while (entries[taker.next] != kFree) taker.next = (taker.next + taker.skip) % size;
      entries[taker.next] = taker.place;
      if (++taken == size) break;
    }
  }
  return MaglevTable(std::move(entries));
}

}  // namespace leat::steering
