// The members of an epoll set: found by descriptor, connection and data, through growth and reuse.

#include "apps/preload/member_table.h"

#include <algorithm>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace leat::preload {
namespace {

Connection* connection(int number) {
  return reinterpret_cast<Connection*>(static_cast<std::uintptr_t>(number) * 64);
}

TEST(MemberTable, FindsByDescriptorAndByData) {
  MemberTable table;
  EXPECT_EQ(table.find(nullptr, 3), kNoMember);
  EXPECT_EQ(table.first_with(0), kNoMember);
  const std::uint32_t one = table.add(nullptr, 3, 77);
  const std::uint32_t two = table.add(connection(1), 4, 77);
  EXPECT_EQ(table.find(nullptr, 3), one);
  EXPECT_EQ(table.find(connection(1), 4), two);
  EXPECT_EQ(table.find(connection(1), 5), kNoMember);
  const std::uint32_t first = table.first_with(77);
  const std::uint32_t second = table.next_with(first);
  EXPECT_EQ(first + second, one + two);
  EXPECT_EQ(table.next_with(second), kNoMember);
  table.set_data(two, 78);
  EXPECT_EQ(table.first_with(77), one);
  EXPECT_EQ(table.first_with(78), two);
  table.clear();
}

TEST(MemberTable, ConnectionHasAllItsDescriptors) {
  MemberTable table;
  table.add(connection(1), 4, 0);
  table.add(connection(1), 9, 0);
  table.add(connection(2), 5, 0);
  std::vector<int> fds;
  for (std::uint32_t i = table.first_of(connection(1), -1); i != kNoMember; i = table.next_of(i)) {
    fds.push_back(table[i].fd);
  }
  std::ranges::sort(fds);
  EXPECT_EQ(fds, (std::vector<int>{4, 9}));
  table.clear();
}

TEST(MemberTable, DescriptorThatBecomesAConnection) {
  MemberTable table;
  const std::uint32_t index = table.add(nullptr, 6, 0);
  EXPECT_EQ(table.find(connection(3), 6), index) << "added before it was known";
  table.set_connection(index, connection(3));
  EXPECT_EQ(table.first_of(connection(3), 6), index);
  EXPECT_EQ(table.first_of(nullptr, 6), kNoMember);
  table.clear();
}

TEST(MemberTable, KeepsEverythingThroughGrowthRemovalAndReuse) {
  MemberTable table;
  struct Known {
    int fd;
    std::uint64_t data;
    std::uint32_t index;
  };
  std::vector<Known> known;
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  int next_fd = 0;
  for (int step = 0; step < 20'000; ++step) {
    if (known.empty() || random() % 5 < 3) {
      const int fd = next_fd++;
      const std::uint64_t data = random() % 500;
      const std::uint32_t index = table.add(fd % 2 == 0 ? nullptr : connection(fd), fd, data);
      ASSERT_NE(index, kNoMember);
      if (random() % 2 == 0) table.scan(index);
      known.push_back({fd, data, index});
    } else {
      const std::size_t at = random() % known.size();
      table.remove(known[at].index);
      known[at] = known.back();
      known.pop_back();
    }
  }
  ASSERT_EQ(table.count(), known.size());
  std::size_t scanned = 0;
  for (const Known& it : known) {
    EXPECT_EQ(table.find(it.fd % 2 == 0 ? nullptr : connection(it.fd), it.fd), it.index);
    EXPECT_EQ(table[it.index].data, it.data);
    bool found = false;
    for (std::uint32_t i = table.first_with(it.data); i != kNoMember; i = table.next_with(i)) {
      found |= i == it.index;
    }
    EXPECT_TRUE(found);
    const std::uint32_t place = table[it.index].scan_place;
    if (place == kNoMember) continue;
    EXPECT_EQ(table.scanned_at(place), it.index);
    ++scanned;
  }
  EXPECT_EQ(table.scanned(), scanned);
  table.clear();
}

}  // namespace
}  // namespace leat::preload
