#include "leat/net/receive_buffer.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "leat/base/random.h"

namespace leat {
namespace {

TEST(ReceiveBuffer, BeginsEmptyAndWithoutMemory) {
  ReceiveBuffer buffer;
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(buffer.view(), "");
  EXPECT_EQ(buffer.capacity(), 0u);
  EXPECT_EQ(buffer.take_all(), "");
  buffer.consume(0);
  buffer.keep();
  buffer.append("");
  EXPECT_EQ(buffer.capacity(), 0u);
}

TEST(ReceiveBuffer, ShowsBorrowedBytesWithoutACopy) {
  const std::string scratch = "hello world";
  ReceiveBuffer buffer;
  buffer.borrow(scratch);
  EXPECT_EQ(buffer.view().data(), scratch.data());
  buffer.consume(6);
  EXPECT_EQ(buffer.view(), "world");
  EXPECT_EQ(buffer.take(2), "wo");
  buffer.consume_all();
  EXPECT_TRUE(buffer.empty());
  buffer.keep();
  EXPECT_EQ(buffer.capacity(), 0u);
}

TEST(ReceiveBuffer, KeepsTheRestInMemoryOfItsOwn) {
  std::string scratch = "hello world";
  ReceiveBuffer buffer;
  buffer.borrow(scratch);
  buffer.consume(6);
  buffer.keep();
  scratch.assign(scratch.size(), 'x');
  EXPECT_EQ(buffer.view(), "world");
  EXPECT_GE(buffer.capacity(), 5u);
  const char* kept = buffer.view().data();
  buffer.keep();
  EXPECT_EQ(buffer.view().data(), kept);
}

TEST(ReceiveBuffer, GivesItsMemoryBackWhenEmpty) {
  ReceiveBuffer buffer;
  buffer.append(std::string(100'000, 'a'));
  EXPECT_GE(buffer.capacity(), 100'000u);
  buffer.consume(99'999);
  EXPECT_GE(buffer.capacity(), 100'000u);
  buffer.consume(1);
  EXPECT_EQ(buffer.capacity(), 0u);
}

TEST(ReceiveBuffer, PreparesRoomBehindTheBytes) {
  ReceiveBuffer buffer;
  buffer.append("abc");
  const std::span<char> room = buffer.prepare(1000);
  ASSERT_GE(room.size(), 1000u);
  EXPECT_EQ(buffer.view(), "abc");
  EXPECT_EQ(room.data(), buffer.view().data() + 3);
  std::memcpy(room.data(), "def", 3);
  buffer.commit(3);
  EXPECT_EQ(buffer.view(), "abcdef");
}

TEST(ReceiveBuffer, UsesTheConsumedFrontAgain) {
  ReceiveBuffer buffer;
  buffer.append(std::string(4096, 'a'));
  const std::size_t capacity = buffer.capacity();
  // A steady stream that is never consumed to its end must not grow.
  for (int i = 0; i < 10'000; ++i) {
    buffer.consume(buffer.size() - 1);
    buffer.append(std::string(500, static_cast<char>('a' + i % 26)));
    ASSERT_LE(buffer.capacity(), capacity);
  }
}

TEST(ReceiveBuffer, DoesWhatAStringDoes) {
  Random random(7);
  ReceiveBuffer buffer;
  std::string model;
  char next = 0;
  const auto fresh_bytes = [&](std::size_t count) {
    std::string bytes(count, '\0');
    for (char& c : bytes) c = next++;
    return bytes;
  };
  for (int step = 0; step < 20'000; ++step) {
    switch (random.uniform(0, 5)) {
      case 0: {
        const std::string bytes = fresh_bytes(random.uniform(0, 3000));
        buffer.append(bytes);
        model += bytes;
        break;
      }
      case 1: {
        const std::size_t minimum = random.uniform(1, 3000);
        const std::span<char> room = buffer.prepare(minimum);
        ASSERT_GE(room.size(), minimum);
        const std::string bytes = fresh_bytes(random.uniform(0, minimum));
        std::copy(bytes.begin(), bytes.end(), room.begin());
        buffer.commit(bytes.size());
        model += bytes;
        break;
      }
      case 2: {
        if (!buffer.empty()) break;
        std::string scratch = fresh_bytes(random.uniform(0, 3000));
        buffer.borrow(scratch);
        const std::size_t consumed = random.uniform(0, scratch.size());
        buffer.consume(consumed);
        buffer.keep();
        model = scratch.substr(consumed);
        scratch.assign(scratch.size(), '?');
        break;
      }
      case 3: {
        const std::size_t count = random.uniform(0, model.size());
        ASSERT_EQ(buffer.take(count), model.substr(0, count));
        model.erase(0, count);
        break;
      }
      case 4: {
        const std::size_t count = random.uniform(0, model.size());
        buffer.consume(count);
        model.erase(0, count);
        break;
      }
      default:
        if (random.uniform(0, 9) != 0) break;
        buffer.consume_all();
        model.clear();
        break;
    }
    ASSERT_EQ(buffer.view(), model) << "step " << step;
    ASSERT_EQ(buffer.empty(), model.empty());
  }
}

}  // namespace
}  // namespace leat
