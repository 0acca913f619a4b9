#include "leat/base/slot_table.h"

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "leat/base/random.h"

namespace leat {
namespace {

using Key = SlotTable<int>::Key;

TEST(SlotTable, FindsWhatWasInserted) {
  SlotTable<std::string> table;
  EXPECT_TRUE(table.empty());
  const auto a = table.insert("a");
  const auto b = table.emplace(3u, 'b');
  EXPECT_EQ(table.size(), 2u);
  ASSERT_NE(table.find(a), nullptr);
  EXPECT_EQ(*table.find(a), "a");
  const auto& read_only = table;
  EXPECT_EQ(*read_only.find(b), "bbb");
  EXPECT_NE(a, b);
}

TEST(SlotTable, KeysThatWereNeverGivenFindNothing) {
  SlotTable<int> table;
  EXPECT_EQ(table.find(0), nullptr);
  EXPECT_FALSE(table.erase(0));
  const Key key = table.insert(1);
  EXPECT_NE(key, 0u);
  EXPECT_EQ(table.find(0), nullptr);
  EXPECT_EQ(table.find(key + 1), nullptr) << "another index";
  EXPECT_EQ(table.find(key + (Key{1} << 32)), nullptr) << "another generation";
  EXPECT_EQ(table.find(key | 0xffff'ffffu), nullptr);
  EXPECT_TRUE(table.erase(key));
  EXPECT_EQ(table.find(key + (Key{1} << 32)), nullptr) << "the generation of the free slot";
}

TEST(SlotTable, AnErasedKeyIsStaleForGood) {
  SlotTable<int> table;
  const Key first = table.insert(1);
  EXPECT_TRUE(table.erase(first));
  EXPECT_FALSE(table.erase(first));
  EXPECT_EQ(table.find(first), nullptr);
  const Key second = table.insert(2);
  EXPECT_EQ(static_cast<std::uint32_t>(second), static_cast<std::uint32_t>(first))
      << "the slot is used again";
  EXPECT_EQ(table.find(first), nullptr);
  EXPECT_EQ(*table.find(second), 2);
}

TEST(SlotTable, TheSlotErasedLastIsUsedFirst) {
  SlotTable<int> table;
  std::vector<Key> keys;
  for (int i = 0; i < 10; ++i) keys.push_back(table.insert(i));
  table.erase(keys[3]);
  table.erase(keys[7]);
  EXPECT_EQ(static_cast<std::uint32_t>(table.insert(0)), static_cast<std::uint32_t>(keys[7]));
  EXPECT_EQ(static_cast<std::uint32_t>(table.insert(0)), static_cast<std::uint32_t>(keys[3]));
  EXPECT_EQ(static_cast<std::uint32_t>(table.insert(0)), 10u);
}

TEST(SlotTable, ElementsNeverMove) {
  SlotTable<int> table;
  std::map<Key, const int*> addresses;
  for (int i = 0; i < 5'000; ++i) {
    const Key key = table.insert(i);
    addresses[key] = table.find(key);
  }
  for (const auto& [key, address] : addresses) ASSERT_EQ(table.find(key), address);
  std::set<const int*> distinct;
  for (const auto& [key, address] : addresses) distinct.insert(address);
  EXPECT_EQ(distinct.size(), 5'000u);
}

TEST(SlotTable, KeepsTheAlignmentOfItsElements) {
  struct alignas(64) Line {
    char bytes[64];
  };
  SlotTable<Line> table;
  for (int i = 0; i < 300; ++i) {
    const auto key = table.emplace();
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(table.find(key)) % 64, 0u);
  }
}

TEST(SlotTable, AUsedUpSlotIsGivenUp) {
  SlotTable<int, 5> table;  // generations 1, 3 and 5: three elements a slot
  std::set<Key> keys;
  for (int i = 0; i < 9; ++i) {
    const Key key = table.insert(i);
    ASSERT_TRUE(keys.insert(key).second) << "a key came a second time";
    ASSERT_EQ(*table.find(key), i);
    ASSERT_TRUE(table.erase(key));
    for (const Key old : keys) ASSERT_EQ(table.find(old), nullptr);
  }
  EXPECT_EQ(static_cast<std::uint32_t>(*keys.rbegin()), 2u) << "the third slot by now";
  EXPECT_TRUE(table.empty());
  int visited = 0;
  table.for_each([&visited](Key, int&) { ++visited; });
  EXPECT_EQ(visited, 0);
}

TEST(SlotTable, DestroysEachElementOnce) {
  auto shared = std::make_shared<int>(0);
  {
    SlotTable<std::shared_ptr<int>> table;
    std::vector<Key> keys;
    for (int i = 0; i < 1'000; ++i) keys.push_back(table.insert(shared));
    EXPECT_EQ(shared.use_count(), 1'001);
    for (std::size_t i = 0; i < keys.size(); i += 2) table.erase(keys[i]);
    EXPECT_EQ(shared.use_count(), 501);
    table.clear();
    EXPECT_EQ(shared.use_count(), 1);
    EXPECT_TRUE(table.empty());
    EXPECT_EQ(table.find(keys[1]), nullptr);
    table.insert(shared);
  }
  EXPECT_EQ(shared.use_count(), 1);
}

TEST(SlotTable, AThrowingConstructorChangesNothing) {
  struct Throws {
    explicit Throws(bool now) {
      if (now) throw std::runtime_error("constructor");
    }
  };
  SlotTable<Throws> table;
  EXPECT_THROW(table.emplace(true), std::runtime_error);
  EXPECT_TRUE(table.empty());
  const auto first = table.emplace(false);
  EXPECT_EQ(static_cast<std::uint32_t>(first), 0u);
  table.erase(first);
  EXPECT_THROW(table.emplace(true), std::runtime_error);
  const auto second = table.emplace(false);
  EXPECT_EQ(static_cast<std::uint32_t>(second), 0u) << "the free slot is not lost";
  EXPECT_EQ(table.size(), 1u);
}

TEST(SlotTable, ADestructorMayUseTheTable) {
  struct Chained {
    ~Chained() {
      if (table == nullptr) return;
      EXPECT_EQ(table->find(self), nullptr) << "its own key is stale";
      EXPECT_FALSE(table->erase(self));
      EXPECT_TRUE(next == 0 || table->erase(next));
      if (inserts) table->emplace();
    }
    SlotTable<Chained>* table = nullptr;
    Key self = 0;
    Key next = 0;
    bool inserts = false;
  };
  SlotTable<Chained> table;
  const Key a = table.emplace();
  const Key b = table.emplace();
  const Key c = table.emplace();
  for (const Key key : {a, b, c}) {
    table.find(key)->table = &table;
    table.find(key)->self = key;
  }
  table.find(a)->next = b;
  table.find(b)->next = c;
  table.find(b)->inserts = true;
  EXPECT_TRUE(table.erase(a));
  EXPECT_EQ(table.size(), 1u) << "the one that b inserted";
  for (int i = 0; i < 5; ++i) table.emplace();
  EXPECT_EQ(table.size(), 6u);
  int visited = 0;
  table.for_each([&visited](Key, Chained&) { ++visited; });
  EXPECT_EQ(visited, 6);
}

TEST(SlotTable, ForEachMayEraseWhatItVisits) {
  SlotTable<int> table;
  for (int i = 0; i < 600; ++i) table.insert(i);
  int sum = 0;
  table.for_each([&](Key key, int& value) {
    sum += value;
    if (value % 2 == 0) table.erase(key);
  });
  EXPECT_EQ(sum, 600 * 599 / 2);
  EXPECT_EQ(table.size(), 300u);
  table.for_each([](Key, int& value) { ASSERT_EQ(value % 2, 1); });
}

// Against std::map, through growth and shrinking, with stale keys tried all the time.
TEST(SlotTable, BehavesAsAMap) {
  Random random(15);
  SlotTable<std::uint64_t> table;
  std::map<Key, std::uint64_t> model;
  std::vector<Key> given;
  for (int step = 0; step < 200'000; ++step) {
    const bool growing = step / 20'000 % 2 == 0;
    if (given.empty() || random.uniform(0, 9) < (growing ? 6u : 3u)) {
      const std::uint64_t value = random();
      const Key key = table.insert(value);
      ASSERT_TRUE(model.emplace(key, value).second);
      given.push_back(key);
      continue;
    }
    const Key key = given[random.uniform(0, given.size() - 1)];
    const auto in_model = model.find(key);
    const std::uint64_t* found = table.find(key);
    ASSERT_EQ(found != nullptr, in_model != model.end());
    if (found != nullptr) {
      ASSERT_EQ(*found, in_model->second);
    }
    if (random.uniform(0, 1) == 0) {
      ASSERT_EQ(table.erase(key), model.erase(key) == 1);
    }
    ASSERT_EQ(table.size(), model.size());
  }
  std::map<Key, std::uint64_t> visited;
  table.for_each([&](Key key, std::uint64_t value) { visited.emplace(key, value); });
  EXPECT_EQ(visited, model);
}

}  // namespace
}  // namespace leat
