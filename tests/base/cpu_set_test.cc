#include "leat/base/cpu_set.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "leat/base/random.h"

namespace leat {
namespace {

std::vector<int> members(const CpuSet& set) {
  return {set.begin(), set.end()};
}

CpuSet list(std::string_view text) {
  const auto set = CpuSet::parse_list(text);
  EXPECT_TRUE(set) << set.error().message();
  return set.value_or(CpuSet());
}

CpuSet mask(std::string_view text) {
  const auto set = CpuSet::parse_mask(text);
  EXPECT_TRUE(set) << set.error().message();
  return set.value_or(CpuSet());
}

TEST(CpuSet, IsEmptyAtFirst) {
  const CpuSet set;
  EXPECT_TRUE(set.empty());
  EXPECT_EQ(set.count(), 0u);
  EXPECT_EQ(set.begin(), set.end());
  EXPECT_EQ(set.to_list(), "");
  EXPECT_EQ(set.to_mask(), "0");
  EXPECT_FALSE(set.contains(0));
}

TEST(CpuSet, AddsAndRemoves) {
  CpuSet set = CpuSet::of({3, 64});
  set.add(4'096);
  EXPECT_EQ(members(set), (std::vector{3, 64, 4'096}));
  EXPECT_EQ(set.count(), 3u);
  EXPECT_EQ(set.first(), 3);
  EXPECT_TRUE(set.contains(4'096));
  EXPECT_FALSE(set.contains(4'095));
  EXPECT_FALSE(set.contains(-1));
  EXPECT_FALSE(set.contains(1'000'000));
  set.remove(3);
  set.remove(5);
  set.remove(-1);
  EXPECT_EQ(members(set), (std::vector{64, 4'096}));
  set.remove(4'096);
  EXPECT_EQ(set, CpuSet::of(64)) << "what was in the set before does not count";
  set.remove(64);
  EXPECT_TRUE(set.empty());
  EXPECT_EQ(set, CpuSet());
}

TEST(CpuSet, EqualSetsAreEqualWhateverTheyOnceHeld) {
  EXPECT_EQ(CpuSet::of({1, 100}) & CpuSet::of({1, 101}), CpuSet::of(1));
  EXPECT_TRUE((CpuSet::of(100) & CpuSet::of(101)).empty());
  EXPECT_EQ(CpuSet::of({1, 100}) - CpuSet::of({100, 200}), CpuSet::of(1));
  EXPECT_TRUE((CpuSet::of(100) - CpuSet::of(100)).empty());
}

TEST(CpuSet, ReadsAndWritesTheListForm) {
  EXPECT_EQ(members(list("0-3,8")), (std::vector{0, 1, 2, 3, 8}));
  EXPECT_EQ(list("0-3,8").to_list(), "0-3,8");
  EXPECT_EQ(list("8,0-1,1-3").to_list(), "0-3,8");
  EXPECT_EQ(list("5").to_list(), "5");
  EXPECT_EQ(list("5-5").to_list(), "5");
  EXPECT_EQ(list("62-65").to_list(), "62-65");
  EXPECT_EQ(list("0,2,4").to_list(), "0,2,4");
  EXPECT_EQ(list("0-65535").count(), 65'536u);
  EXPECT_EQ(list("65535").to_list(), "65535");
}

TEST(CpuSet, ReadsWhatSysfsWrites) {
  EXPECT_EQ(list("0-1\n"), CpuSet::of({0, 1}));
  EXPECT_TRUE(list("\n").empty());
  EXPECT_TRUE(list("").empty());
  EXPECT_EQ(mask("3\n"), CpuSet::of({0, 1}));
}

TEST(CpuSet, ReadsAndWritesTheMaskForm) {
  EXPECT_EQ(mask("ff,00000001").to_list(), "0,32-39");
  EXPECT_EQ(mask("ff,00000001").to_mask(), "ff,00000001");
  EXPECT_EQ(mask("00000000,0000000F").to_list(), "0-3");
  EXPECT_EQ(mask("0").to_mask(), "0");
  EXPECT_EQ(CpuSet::of(127).to_mask(), "80000000,00000000,00000000,00000000");
  EXPECT_EQ(CpuSet::of(96).to_mask(), "1,00000000,00000000,00000000");
  EXPECT_EQ(mask("1,0,0"), CpuSet::of(64));
}

TEST(CpuSet, SaysWhatIsWrongAndAtWhichColumn) {
  const struct {
    const char* text;
    const char* error;
  } kLists[] = {
      {"x", "CPU list \"x\": expected a CPU number at column 1"},
      {"0-", "CPU list \"0-\": expected a CPU number at column 3"},
      {"0,", "CPU list \"0,\": expected a CPU number at column 3"},
      {",0", "CPU list \",0\": expected a CPU number at column 1"},
      {"-1", "CPU list \"-1\": expected a CPU number at column 1"},
      {"4-2", "CPU list \"4-2\": the range ends before its begin at column 3"},
      {"0-3 8", "CPU list \"0-3 8\": expected ',' or '-' or the end at column 4"},
      {"1-2-3", "CPU list \"1-2-3\": expected ',' or '-' or the end at column 4"},
      {"65536", "CPU list \"65536\": a CPU number above 65535 at column 1"},
      {"0-4294967295", "CPU list \"0-4294967295\": a CPU number above 65535 at column 3"},
      {"0\n\n", "CPU list \"0?\": expected ',' or '-' or the end at column 2"},
  };
  for (const auto& c : kLists) {
    const auto set = CpuSet::parse_list(c.text);
    ASSERT_FALSE(set) << c.text;
    EXPECT_EQ(set.error().context(), c.error);
    EXPECT_EQ(set.error().number(), EINVAL);
  }
  const struct {
    const char* text;
    const char* error;
  } kMasks[] = {
      {"", "CPU mask \"\": expected a hexadecimal digit at column 1"},
      {"f,", "CPU mask \"f,\": expected a hexadecimal digit at column 3"},
      {"0x3", "CPU mask \"0x3\": expected ',' or a hexadecimal digit or the end at column 2"},
      {"123456789",
       "CPU mask \"123456789\": more than eight digits without ',', read at column 10"},
  };
  for (const auto& c : kMasks) {
    const auto set = CpuSet::parse_mask(c.text);
    ASSERT_FALSE(set) << c.text;
    EXPECT_EQ(set.error().context(), c.error);
  }
}

TEST(CpuSet, AMaskHasABound) {
  std::string text = "1";
  for (int i = 1; i < 2'048; ++i) text += ",00000000";
  EXPECT_EQ(mask(text), CpuSet::of(2'047 * 32));
  const auto beyond = CpuSet::parse_mask(text + ",0");
  ASSERT_FALSE(beyond);
  EXPECT_NE(beyond.error().context().find("more CPUs than 65536"), std::string::npos);
}

TEST(CpuSet, IteratesLikeAnyForwardRange) {
  static_assert(std::forward_iterator<CpuSet::Iterator>);
  const CpuSet set = CpuSet::of({1, 63, 64});
  auto it = set.begin();
  EXPECT_EQ(*it++, 1);
  EXPECT_EQ(*it, 63);
  EXPECT_EQ(*++it, 64);
  EXPECT_EQ(++it, set.end());
}

// Against std::set, over members that lie around the borders of words.
TEST(CpuSet, BehavesAsASetOfNumbers) {
  Random random(5);
  for (int round = 0; round < 2'000; ++round) {
    std::set<int> model_a;
    std::set<int> model_b;
    CpuSet a;
    CpuSet b;
    const std::uint64_t limit = random.uniform(1, 200);
    for (auto n = random.uniform(0, 40); n > 0; --n) {
      const auto cpu = static_cast<int>(random.uniform(0, limit));
      if (random.uniform(0, 3) != 0) {
        model_a.insert(cpu), a.add(cpu);
      } else {
        model_a.erase(cpu), a.remove(cpu);
      }
      const auto other = static_cast<int>(random.uniform(0, limit));
      model_b.insert(other), b.add(other);
    }
    ASSERT_EQ(members(a), std::vector<int>(model_a.begin(), model_a.end()));
    ASSERT_EQ(a.count(), model_a.size());
    std::vector<int> both;
    std::vector<int> either;
    std::vector<int> only_a;
    std::ranges::set_intersection(model_a, model_b, std::back_inserter(both));
    std::ranges::set_union(model_a, model_b, std::back_inserter(either));
    std::ranges::set_difference(model_a, model_b, std::back_inserter(only_a));
    ASSERT_EQ(members(a & b), both);
    ASSERT_EQ(members(a | b), either);
    ASSERT_EQ(members(a - b), only_a);
    ASSERT_EQ((a - b) | (a & b), a) << "equality does not depend on the way";
    ASSERT_EQ(list(a.to_list()), a);
    ASSERT_EQ(mask(a.to_mask()), a);
  }
}

TEST(CpuSet, RandomTextIsReadOrRefused) {
  static constexpr std::string_view kAlphabet = "0123456789,,--afF x\n\xff";
  Random random(6);
  int lists = 0;
  int masks = 0;
  for (int i = 0; i < 50'000; ++i) {
    std::string text(random.uniform(0, 12), ' ');
    for (char& c : text) c = kAlphabet[random.uniform(0, kAlphabet.size() - 1)];
    if (const auto set = CpuSet::parse_list(text)) {
      ++lists;
      ASSERT_EQ(list(set->to_list()), *set) << text;
    }
    if (const auto set = CpuSet::parse_mask(text)) {
      ++masks;
      ASSERT_EQ(mask(set->to_mask()), *set) << text;
    }
  }
  EXPECT_GT(lists, 1'000);
  EXPECT_GT(masks, 1'000);
}

TEST(CpuSet, PinsAThreadToOneOfTheAvailable) {
  const auto before = CpuSet::available();
  ASSERT_TRUE(before) << before.error().message();
  ASSERT_FALSE(before->empty());
  for (const int cpu : *before) {
    std::thread([cpu] {
      const auto pinned = CpuSet::of(cpu).pin_current_thread();
      ASSERT_TRUE(pinned) << pinned.error().message();
      const auto now = CpuSet::available();
      ASSERT_TRUE(now);
      EXPECT_EQ(*now, CpuSet::of(cpu));
    }).join();
  }
  EXPECT_EQ(*CpuSet::available(), *before) << "only the pinned thread changes";
}

TEST(CpuSet, RefusesToPinToNothing) {
  const auto empty = CpuSet().pin_current_thread();
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().message(), "pin a thread to an empty CPU set: Invalid argument");
  const auto missing = CpuSet::of(CpuSet::kMaxCpus - 1).pin_current_thread();
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message(),
            "pin a thread to CPUs 65535, none of which it may use: Invalid argument");
}

#if defined(LEAT_ASSERTIONS) && LEAT_ASSERTIONS
TEST(CpuSetDeathTest, PreconditionsAreChecked) {
  CpuSet set;
  EXPECT_DEATH(set.add(-1), "out of range");
  EXPECT_DEATH(set.add(CpuSet::kMaxCpus), "out of range");
  EXPECT_DEATH(static_cast<void>(set.first()), "empty CPU set");
}
#endif

}  // namespace
}  // namespace leat
