#include "leat/steering/maglev_table.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

namespace leat::steering {
namespace {

using Backends = std::vector<MaglevBackend>;

Backends numbered(std::uint64_t count) {
  Backends backends;
  for (std::uint64_t id = 1; id <= count; ++id) backends.push_back({.id = id});
  return backends;
}

std::vector<std::size_t> shares(const MaglevTable& table, std::size_t backends) {
  std::vector<std::size_t> counts(backends);
  for (const std::uint32_t place : table.entries()) ++counts[place];
  return counts;
}

struct Moved {
  std::size_t forced = 0;      ///< Entries of who left, or taken by who came.
  std::size_t collateral = 0;  ///< Entries that went from one who stays to another.
};

/// Compares by id, whatever the places in the lists.
Moved moved(const Backends& before, const Backends& after, std::size_t size) {
  const auto from = *MaglevTable::create(before, size);
  const auto to = *MaglevTable::create(after, size);
  const auto has = [](const Backends& backends, std::uint64_t id) {
    return std::ranges::count(backends, id, &MaglevBackend::id) != 0;
  };
  Moved result;
  for (std::size_t i = 0; i < size; ++i) {
    const std::uint64_t old_id = before[from.entries()[i]].id;
    const std::uint64_t new_id = after[to.entries()[i]].id;
    if (old_id == new_id) continue;
    ++(has(after, old_id) && has(before, new_id) ? result.collateral : result.forced);
  }
  return result;
}

TEST(MaglevTable, SharesAreEvenToOneEntry) {
  for (const std::size_t count : {1u, 2u, 3u, 7u, 100u}) {
    const auto table = *MaglevTable::create(numbered(count), 65'537);
    const auto counts = shares(table, count);
    EXPECT_EQ(std::ranges::min(counts), 65'537 / count);
    EXPECT_EQ(std::ranges::max(counts), (65'537 + count - 1) / count);
  }
}

TEST(MaglevTable, SharesFollowWeights) {
  const Backends backends = {{.id = 5, .weight = 6},
                             {.id = 6, .weight = 2},
                             {.id = 7, .weight = 0},
                             {.id = 8, .weight = 1}};
  const auto counts = shares(*MaglevTable::create(backends, 9'001), 4);
  EXPECT_NEAR(static_cast<double>(counts[0]), 6'000, 6);
  EXPECT_NEAR(static_cast<double>(counts[1]), 2'000, 6);
  EXPECT_EQ(counts[2], 0u);
  EXPECT_NEAR(static_cast<double>(counts[3]), 1'000, 6);
  const Backends uneven = {{.id = 5, .weight = 5}, {.id = 6, .weight = 3}};
  EXPECT_NEAR(static_cast<double>(shares(*MaglevTable::create(uneven, 8'009), 2)[1]), 3'003, 6);
}

TEST(MaglevTable, TheOrderOfTheListDoesNotCount) {
  Backends reversed = numbered(9);
  std::ranges::reverse(reversed);
  const Moved none = moved(numbered(9), reversed, 1'009);
  EXPECT_EQ(none.forced + none.collateral, 0u);
}

// The numbers are those of these ids, exact, for the table hangs on nothing else: whoever changes
// it moves the flows of everyone in the middle of an upgrade.
TEST(MaglevTable, AChangeMovesLittleMoreThanItMust) {
  Backends without = numbered(10);
  without.erase(without.begin() + 3);
  const Moved removed = moved(numbered(10), without, 65'537);
  EXPECT_EQ(removed.forced, 6'554u);
  EXPECT_EQ(removed.collateral, 110u);
  const Moved added = moved(numbered(10), numbered(11), 65'537);
  EXPECT_EQ(added.forced, 5'957u);
  EXPECT_EQ(added.collateral, 419u);
  const Moved small = moved(numbered(10), without, 1'009);
  EXPECT_EQ(small.forced, 101u);
  EXPECT_EQ(small.collateral, 36u);
  const Moved last = moved(numbered(4), numbered(3), 65'537);
  EXPECT_EQ(last.forced, 16'384u);
  EXPECT_EQ(last.collateral, 33u);
}

TEST(MaglevTable, ServesItsSmallestSizes) {
  EXPECT_EQ(shares(*MaglevTable::create(numbered(2), 2), 2), (std::vector<std::size_t>{1, 1}));
  EXPECT_EQ(shares(*MaglevTable::create(numbered(1), 3), 1), (std::vector<std::size_t>{3}));
  const auto largest = MaglevTable::create(numbered(3), MaglevTable::kMaxSize);
  ASSERT_TRUE(largest);
  EXPECT_LT(largest->choose(0xffff'ffff), 3u);
}

TEST(MaglevTable, ChoosesTheEntryOfTheHash) {
  const auto table = *MaglevTable::create(numbered(5), 13);
  for (const std::uint32_t hash : {0u, 12u, 13u, 0x51ccc178u, 0xffff'ffffu}) {
    EXPECT_EQ(table.choose(hash), table.entries()[hash % 13]);
  }
}

TEST(MaglevTable, SaysWhatIsImpossible) {
  const auto error = [](const Backends& backends, std::size_t size) {
    const auto table = MaglevTable::create(backends, size);
    return table ? "none" : table.error().context();
  };
  EXPECT_EQ(error(numbered(2), 65'536),
            "a Maglev table of 65536 entries: a prime of at most 1048573");
  EXPECT_EQ(error(numbered(2), 0), "a Maglev table of 0 entries: a prime of at most 1048573");
  EXPECT_EQ(error(numbered(2), 1), "a Maglev table of 1 entries: a prime of at most 1048573");
  EXPECT_EQ(error(numbered(2), 9), "a Maglev table of 9 entries: a prime of at most 1048573");
  EXPECT_EQ(error(numbered(2), 1'048'583),
            "a Maglev table of 1048583 entries: a prime of at most 1048573");
  EXPECT_EQ(error({}, 7), "a Maglev table without a backend whose weight is above 0");
  EXPECT_EQ(error({{.id = 1, .weight = 0}}, 7),
            "a Maglev table without a backend whose weight is above 0");
  EXPECT_EQ(error(numbered(8), 7), "a Maglev table of 7 entries for 8 backends");
  EXPECT_EQ(error({{.id = 4}, {.id = 2}, {.id = 4}}, 7),
            "a Maglev table with two backends of id 4");
}

}  // namespace
}  // namespace leat::steering
