#include "leat/net/internal/send_queue.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "leat/base/random.h"

namespace leat::internal {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::size_t kBlock = 4096;

class SendQueueTest : public ::testing::Test {
 protected:
  static std::shared_ptr<const UniqueFd> file_with(const std::string& content) {
    UniqueFd fd(::memfd_create("leat-send-queue-test", MFD_CLOEXEC));
    EXPECT_EQ(::write(fd.get(), content.data(), content.size()),
              static_cast<ssize_t>(content.size()));
    return std::make_shared<const UniqueFd>(std::move(fd));
  }
  /// What a writer would send next, with so many vectors, and as one string.
  std::string head(std::size_t vectors = 64) const {
    if (queue.file_is_next()) {
      const SendQueue::FileRange range = queue.file();
      std::string bytes(range.length, '\0');
      EXPECT_EQ(::pread(range.fd, bytes.data(), bytes.size(), static_cast<off_t>(range.offset)),
                static_cast<ssize_t>(bytes.size()));
      return bytes;
    }
    std::vector<iovec> filled(vectors);
    filled.resize(queue.gather(filled));
    std::string bytes;
    for (const iovec& vector : filled) {
      EXPECT_GT(vector.iov_len, 0u);
      bytes.append(static_cast<const char*>(vector.iov_base), vector.iov_len);
    }
    return bytes;
  }
  std::string send_all() {
    std::string sent;
    while (!queue.empty()) {
      const std::string bytes = head();
      EXPECT_FALSE(bytes.empty());
      if (bytes.empty()) break;
      sent += bytes;
      queue.consume(bytes.size());
    }
    return sent;
  }
  std::uint64_t blocks() const { return pool.counters().outstanding.load(); }

  BufferPool pool{kBlock, 1 << 20};
  SendQueue queue{pool};
};

TEST_F(SendQueueTest, BeginsEmpty) {
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(head(), "");
  EXPECT_FALSE(queue.file_is_next());
  EXPECT_FALSE(queue.has_file());
  queue.append(""sv);
  queue.append(std::string());
  queue.append(std::make_shared<int>(1), "");
  queue.append_file(file_with(""), 0, 0);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(blocks(), 0u);
}

TEST_F(SendQueueTest, CopiesSmallPiecesIntoOneBlock) {
  queue.append("ab"sv);
  queue.append(std::string("cd"));
  queue.append("ef"sv);
  EXPECT_EQ(blocks(), 1u);
  EXPECT_EQ(queue.only_block(), "abcdef");
  std::array<iovec, 4> vectors;
  EXPECT_EQ(queue.gather(vectors), 1u);
  queue.consume(3);
  EXPECT_EQ(queue.memory_bytes(), 3u);
  EXPECT_EQ(head(), "def");
  queue.consume(3);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(blocks(), 0u);
}

TEST_F(SendQueueTest, SpreadsOverBlocks) {
  std::string bytes(3 * kBlock + 1, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i % 251);
  queue.append(std::string_view(bytes));
  EXPECT_EQ(blocks(), 4u);
  EXPECT_EQ(queue.only_block(), "");
  EXPECT_EQ(head(2), bytes.substr(0, 2 * kBlock));
  queue.consume(kBlock + 1);
  EXPECT_EQ(blocks(), 3u);
  EXPECT_EQ(send_all(), bytes.substr(kBlock + 1));
  EXPECT_EQ(blocks(), 0u);
}

TEST_F(SendQueueTest, KeepsLargeStringsWhereTheyAre) {
  std::string large(SendQueue::kSmallestKept, 'x');
  const void* data = large.data();
  queue.append("small"sv);
  queue.append(std::move(large));
  queue.append("tail"sv);
  std::array<iovec, 4> vectors;
  ASSERT_EQ(queue.gather(vectors), 3u);
  EXPECT_EQ(vectors[1].iov_base, data);
  EXPECT_EQ(send_all(), "small" + std::string(SendQueue::kSmallestKept, 'x') + "tail");
}

TEST_F(SendQueueTest, HoldsAnOwnerUntilItsBytesAreSent) {
  auto owner = std::make_shared<std::string>("shared");
  queue.append(owner, *owner);
  queue.append("x"sv);
  EXPECT_EQ(owner.use_count(), 2);
  queue.consume(5);
  EXPECT_EQ(owner.use_count(), 2);
  queue.consume(1);
  EXPECT_EQ(owner.use_count(), 1);
  queue.append(owner, *owner);
  queue.clear();
  EXPECT_EQ(owner.use_count(), 1);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(blocks(), 0u);
}

TEST_F(SendQueueTest, ADeleterMayAppendAndEvenSend) {
  int deleted = 0;
  const std::shared_ptr<const void> other = std::make_shared<int>(0);
  std::shared_ptr<const void> replying(&deleted, [&](const void*) {
    ++deleted;
    // What was sent together with this owner's bytes is not at the head any more.
    EXPECT_EQ(head(), "deftail");
    // More pieces than the list has room for.
    for (int i = 0; i < 12; ++i) queue.append(other, "x");
    queue.consume(1);
  });
  queue.append(std::move(replying), "ab");
  queue.append(other, "cdef");
  queue.append("tail"sv);
  queue.consume(3);
  EXPECT_EQ(deleted, 1);
  EXPECT_EQ(queue.total_bytes(), 18u);
  EXPECT_EQ(send_all(), "eftailxxxxxxxxxxxx");
  EXPECT_EQ(other.use_count(), 1);
}

TEST_F(SendQueueTest, StopsGatheringAtAFile) {
  const auto file = file_with("0123456789");
  queue.append("head "sv);
  queue.append_file(file, 2, 5);
  queue.append(" tail"sv);
  EXPECT_TRUE(queue.has_file());
  EXPECT_FALSE(queue.file_is_next());
  EXPECT_EQ(queue.memory_bytes(), 10u);
  EXPECT_EQ(queue.total_bytes(), 15u);
  EXPECT_EQ(queue.only_block(), "");
  EXPECT_EQ(head(), "head ");
  queue.consume(5);
  ASSERT_TRUE(queue.file_is_next());
  EXPECT_EQ(queue.file().offset, 2u);
  EXPECT_EQ(queue.file().length, 5u);
  queue.consume(2);
  EXPECT_EQ(queue.file().offset, 4u);
  EXPECT_EQ(queue.file().length, 3u);
  EXPECT_EQ(file.use_count(), 2);
  queue.consume(3);
  EXPECT_EQ(file.use_count(), 1);
  EXPECT_FALSE(queue.has_file());
  EXPECT_EQ(send_all(), " tail");
}

TEST_F(SendQueueTest, ClearForgetsEverything) {
  queue.append("abc"sv);
  queue.append(std::string(5000, 'y'));
  queue.append_file(file_with("z"), 0, 1);
  queue.clear();
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.total_bytes(), 0u);
  EXPECT_EQ(blocks(), 0u);
  queue.append("again"sv);
  EXPECT_EQ(send_all(), "again");
}

TEST_F(SendQueueTest, DoesWhatAStringDoes) {
  Random random(11);
  std::string content(10'000, '\0');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i % 253);
  const auto file = file_with(content);
  std::string model;
  char next = 0;
  const auto fresh_bytes = [&](std::size_t count) {
    std::string bytes(count, '\0');
    for (char& c : bytes) c = next++;
    return bytes;
  };
  for (int step = 0; step < 6'000; ++step) {
    // Two of three steps send, so that the queue is often empty, and yet grows at times.
    const bool growing = step / 100 % 4 == 0;
    const std::uint64_t what = random.uniform(0, growing ? 4 : 11);
    if (what == 0) {
      const std::string bytes = fresh_bytes(random.uniform(0, 6000));
      queue.append(std::string_view(bytes));
      model += bytes;
    } else if (what == 1) {
      std::string bytes = fresh_bytes(random.uniform(0, 6000));
      model += bytes;
      queue.append(std::move(bytes));
    } else if (what == 2) {
      auto owner = std::make_shared<std::string>(fresh_bytes(random.uniform(0, 6000)));
      model += *owner;
      queue.append(owner, *owner);
    } else if (what == 3) {
      const std::size_t offset = random.uniform(0, content.size());
      const std::size_t length = random.uniform(0, content.size() - offset);
      queue.append_file(file, offset, length);
      model += content.substr(offset, length);
    } else {
      const std::string bytes = head(random.uniform(1, 8));
      ASSERT_EQ(bytes.empty(), model.empty());
      ASSERT_EQ(bytes, model.substr(0, bytes.size())) << "step " << step;
      const std::size_t count =
          random.uniform(0, 1) == 0 ? bytes.size() : random.uniform(0, bytes.size());
      queue.consume(count);
      model.erase(0, count);
    }
    ASSERT_EQ(queue.total_bytes(), model.size());
    ASSERT_EQ(queue.empty(), model.empty());
    if (model.empty()) {
      ASSERT_EQ(blocks(), 0u);
      ASSERT_EQ(file.use_count(), 1);
    }
  }
  ASSERT_EQ(send_all(), model);
}

}  // namespace
}  // namespace leat::internal
