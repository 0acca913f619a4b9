#include "leat/steering/indirection_table.h"

#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "leat/base/random.h"

namespace leat::steering {
namespace {

using Counts = std::vector<std::size_t>;
using Queues = std::vector<std::uint16_t>;
using Weights = std::vector<std::uint32_t>;

Queues queues(const IndirectionTable& table) {
  return {table.entries().begin(), table.entries().end()};
}

std::string error(const Result<IndirectionTable>& table) {
  return table ? "none" : table.error().context();
}

TEST(IndirectionTable, TheStandardOneGoesRound) {
  EXPECT_EQ(queues(*IndirectionTable::standard(8, 3)), (Queues{0, 1, 2, 0, 1, 2, 0, 1}));
  EXPECT_EQ(queues(*IndirectionTable::standard(4, 9)), (Queues{0, 1, 2, 3}))
      << "as drivers leave it with more queues than entries";
  EXPECT_EQ(queues(*IndirectionTable::standard(1, 1)), (Queues{0}));
}

TEST(IndirectionTable, EqualInterleaves) {
  EXPECT_EQ(queues(*IndirectionTable::equal(7, 3, 2)), (Queues{2, 3, 4, 2, 3, 4, 2}));
  EXPECT_EQ(IndirectionTable::equal(128, 3)->spread(), (Counts{43, 43, 42}));
  EXPECT_EQ(IndirectionTable::equal(128, 2, 3)->spread(), (Counts{0, 0, 0, 64, 64}));
}

TEST(IndirectionTable, WeightsMakeBlocks) {
  const auto weighted = [](std::size_t size, Weights weights, std::uint32_t start = 0) {
    return *IndirectionTable::weighted(size, weights, start);
  };
  EXPECT_EQ(weighted(128, {6, 2}).spread(), (Counts{96, 32}));
  EXPECT_EQ(weighted(128, {3, 1, 1}).spread(), (Counts{76, 26, 26}));
  EXPECT_EQ(weighted(128, {1, 0, 2, 5}).spread(), (Counts{16, 0, 32, 80}));
  EXPECT_EQ(queues(weighted(16, {3, 1, 1})),
            (Queues{0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2}));
  EXPECT_EQ(queues(weighted(4, {0, 1, 0, 1, 0}, 7)), (Queues{8, 8, 10, 10}));
}

// The rule of ethtool's own loop, which walks the entries and not the weights.
TEST(IndirectionTable, WeightsAreEthtoolsForEverySize) {
  Random random(13);
  for (int round = 0; round < 500; ++round) {
    const std::size_t size = random.uniform(1, 300);
    Weights weights(random.uniform(1, 9));
    for (auto& weight : weights) weight = static_cast<std::uint32_t>(random.uniform(0, 20));
    const std::size_t sum = std::accumulate(weights.begin(), weights.end(), std::size_t{0});
    const auto table = IndirectionTable::weighted(size, weights);
    ASSERT_EQ(table.has_value(), sum > 0 && sum <= size);
    if (!table) continue;
    std::size_t queue = 0;
    std::size_t partial = weights[0];
    Counts counts(weights.size());
    for (std::size_t i = 0; i < size; ++i) {
      while (i >= size * partial / sum) partial += weights[++queue];
      ASSERT_EQ(table->entries()[i], queue);
      ++counts[queue];
    }
    for (std::size_t i = 0; i < weights.size(); ++i) {
      ASSERT_EQ(counts[i] == 0, weights[i] == 0) << "every weight gets an entry";
      ASSERT_NEAR(static_cast<double>(counts[i]),
                  static_cast<double>(size * weights[i]) / static_cast<double>(sum), 1);
    }
  }
}

TEST(IndirectionTable, EqualIsAsEvenAsItCanBe) {
  for (std::size_t size = 1; size <= 140; ++size) {
    for (std::uint32_t count = 1; count <= size; ++count) {
      const Counts spread = IndirectionTable::equal(size, count)->spread();
      ASSERT_EQ(spread.size(), count);
      for (std::size_t i = 0; i < count; ++i) {
        ASSERT_EQ(spread[i], size / count + (i < size % count ? 1 : 0)) << size << ' ' << count;
      }
    }
  }
}

TEST(IndirectionTable, TakesTheHashModuloTheSize) {
  const auto power = *IndirectionTable::equal(128, 128);
  EXPECT_EQ(power.queue(0x51ccc178), 120u);
  EXPECT_EQ(power.queue(0xffffffff), 127u);
  const auto other = *IndirectionTable::equal(48, 48);
  EXPECT_EQ(other.queue(0x51ccc178), 0x51ccc178u % 48);
  EXPECT_EQ(other.queue(0xffffffff), 0xffffffffu % 48);
  EXPECT_EQ(IndirectionTable::equal(1, 1)->queue(0xffffffff), 0u);
}

// Over hashes that come to each entry equally often, queues get exactly their entries' share.
TEST(IndirectionTable, SpreadsHashesAsItsEntries) {
  for (const std::size_t size : {128u, 48u, 512u}) {
    const auto table = *IndirectionTable::weighted(size, Weights{5, 1, 0, 2});
    Counts seen(4);
    for (std::uint32_t hash = 0; hash < size * 1'000; ++hash) ++seen[table.queue(hash)];
    Counts expected = table.spread();
    for (auto& count : expected) count *= 1'000;
    EXPECT_EQ(seen, expected);
  }
}

TEST(IndirectionTable, SaysWhatIsImpossible) {
  EXPECT_EQ(error(IndirectionTable::equal(0, 1)),
            "an indirection table of 0 entries: it has 1 to 65536");
  EXPECT_EQ(error(IndirectionTable::standard(65'537, 1)),
            "an indirection table of 65537 entries: it has 1 to 65536");
  EXPECT_EQ(error(IndirectionTable::standard(128, 0)), "an indirection table over no queue");
  EXPECT_EQ(error(IndirectionTable::equal(128, 0)), "equal 0: an indirection table over no queue");
  EXPECT_EQ(error(IndirectionTable::equal(128, 129)),
            "equal 129: more queues than the 128 entries of the indirection table");
  EXPECT_EQ(error(IndirectionTable::equal(128, 2, 65'535)),
            "an indirection table that names queue 65536: at most 65535");
  EXPECT_EQ(error(IndirectionTable::equal(128, 2, 0xffff'ffff)),
            "an indirection table that names queue 4294967296: at most 65535");
  EXPECT_EQ(error(IndirectionTable::weighted(128, {})),
            "weight: at least one weight must be above 0");
  EXPECT_EQ(error(IndirectionTable::weighted(128, Weights{0, 0})),
            "weight: at least one weight must be above 0");
  EXPECT_EQ(error(IndirectionTable::weighted(128, Weights{100, 29})),
            "weight: the sum 129 is above the 128 entries of the indirection table");
  EXPECT_EQ(error(IndirectionTable::weighted(128, Weights{0xffff'ffff, 1})),
            "weight: the sum 4294967296 is above the 128 entries of the indirection table");
  EXPECT_EQ(error(IndirectionTable::from_entries({})),
            "an indirection table of 0 entries: it has 1 to 65536");
  EXPECT_EQ(error(IndirectionTable::from_entries(Weights{3, 65'536})),
            "an indirection table that names queue 65536: at most 65535");
  EXPECT_EQ(IndirectionTable::from_entries(Weights{3, 1})->highest_queue(), 3u);
}

}  // namespace
}  // namespace leat::steering
