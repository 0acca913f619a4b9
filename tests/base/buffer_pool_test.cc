#include "leat/base/buffer_pool.h"

#include <cstring>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "leat/base/random.h"

namespace leat {
namespace {

struct Numbers {
  std::uint64_t taken, allocated, outstanding, free;
  friend bool operator==(const Numbers&, const Numbers&) = default;
};
std::ostream& operator<<(std::ostream& out, const Numbers& n) {
  return out << n.taken << " taken, " << n.allocated << " allocated, " << n.outstanding
             << " outstanding, " << n.free << " free";
}
Numbers numbers(const BufferPool& pool) {
  const BufferPoolCounters& c = pool.counters();
  return {c.taken.load(), c.allocated.load(), c.outstanding.load(), c.free.load()};
}

TEST(BufferPool, GivesBlocksOfItsSize) {
  BufferPool pool(4'096, 1 << 20);
  EXPECT_EQ(pool.block_size(), 4'096u);
  PooledBuffer buffer = pool.take();
  EXPECT_TRUE(buffer);
  EXPECT_EQ(buffer.size(), 4'096u);
  std::memset(buffer.data(), 0x5a, buffer.size());
  EXPECT_EQ(numbers(pool), (Numbers{1, 1, 1, 0}));
  buffer.reset();
  EXPECT_FALSE(buffer);
  EXPECT_EQ(buffer.size(), 0u);
  EXPECT_EQ(buffer.data(), nullptr);
  buffer.reset();
  EXPECT_EQ(numbers(pool), (Numbers{1, 1, 0, 1}));
}

TEST(BufferPool, TheBlockGivenBackLastIsTakenFirst) {
  BufferPool pool(64, 1'024);
  PooledBuffer a = pool.take();
  PooledBuffer b = pool.take();
  const std::byte* first = a.data();
  const std::byte* second = b.data();
  a.reset();
  b.reset();
  const PooledBuffer c = pool.take();
  const PooledBuffer d = pool.take();
  EXPECT_EQ(c.data(), second);
  EXPECT_EQ(d.data(), first);
  EXPECT_EQ(numbers(pool), (Numbers{4, 2, 2, 0}));
  std::memset(c.data(), 1, c.size());
  std::memset(d.data(), 2, d.size());
}

TEST(BufferPool, KeepsNoMoreThanItsBound) {
  BufferPool pool(64, 3 * 64 + 63);
  std::vector<PooledBuffer> buffers;
  for (int i = 0; i < 10; ++i) buffers.push_back(pool.take());
  EXPECT_EQ(numbers(pool), (Numbers{10, 10, 10, 0}));
  buffers.clear();
  EXPECT_EQ(numbers(pool), (Numbers{10, 10, 0, 3}));
  BufferPool keeps_nothing(64, 0);
  keeps_nothing.take().reset();
  EXPECT_EQ(numbers(keeps_nothing), (Numbers{1, 1, 0, 0}));
}

TEST(BufferPool, ReleasesTheFreeOnes) {
  BufferPool pool(64, 1'024);
  PooledBuffer kept = pool.take();
  pool.take().reset();
  PooledBuffer(pool.take()).reset();
  EXPECT_EQ(numbers(pool), (Numbers{3, 2, 1, 1}));
  pool.release_free();
  EXPECT_EQ(numbers(pool), (Numbers{3, 2, 1, 0}));
  std::memset(kept.data(), 1, kept.size());
}

TEST(BufferPool, BuffersMove) {
  BufferPool pool(64, 1'024);
  PooledBuffer a = pool.take();
  const std::byte* data = a.data();
  PooledBuffer b(std::move(a));
  EXPECT_FALSE(a);  // NOLINT(bugprone-use-after-move): that it is empty is what is tested
  EXPECT_EQ(a.size(), 0u);
  EXPECT_EQ(b.data(), data);
  PooledBuffer c = pool.take();
  c = std::move(b);
  EXPECT_EQ(c.data(), data);
  EXPECT_EQ(numbers(pool), (Numbers{2, 2, 1, 1}));
  PooledBuffer& same = c;
  c = std::move(same);
  EXPECT_EQ(c.data(), data);
  c = PooledBuffer();
  EXPECT_EQ(numbers(pool), (Numbers{2, 2, 0, 2}));
}

// The sanitizer build checks that nothing leaks and nothing is freed twice.
TEST(BufferPool, BuffersMayOutliveThePool) {
  auto pool = std::make_unique<BufferPool>(64, 1'024);
  PooledBuffer a = pool->take();
  PooledBuffer b = pool->take();
  pool->take().reset();
  pool.reset();
  EXPECT_EQ(a.size(), 64u);
  std::memset(a.data(), 1, a.size());
  a.reset();
  std::memset(b.data(), 2, b.size());
  EXPECT_EQ(b.size(), 64u);
}

TEST(BufferPool, CountsWhatItDoes) {
  Random random(16);
  constexpr std::uint64_t kBound = 20;
  BufferPool pool(128, kBound * 128);
  std::vector<PooledBuffer> out;
  Numbers model{0, 0, 0, 0};
  for (int step = 0; step < 50'000; ++step) {
    if (out.empty() || random.uniform(0, 99) < (step / 1'000 % 2 == 0 ? 55u : 45u)) {
      ++model.taken;
      ++model.outstanding;
      if (model.free > 0) {
        --model.free;
      } else {
        ++model.allocated;
      }
      out.push_back(pool.take());
      std::memset(out.back().data(), step & 0xff, out.back().size());
    } else {
      std::swap(out[random.uniform(0, out.size() - 1)], out.back());
      out.pop_back();
      --model.outstanding;
      if (model.free < kBound) ++model.free;
    }
    ASSERT_EQ(numbers(pool), model) << "at step " << step;
  }
  std::set<const std::byte*> distinct;
  for (const PooledBuffer& buffer : out) distinct.insert(buffer.data());
  EXPECT_EQ(distinct.size(), out.size()) << "two owners of one block";
}

TEST(BufferPool, AnyThreadReadsTheCounters) {
  BufferPool pool(64, 1'024);
  std::thread reader([&pool] {
    while (pool.counters().taken.load() < 1'000) std::this_thread::yield();
  });
  for (int i = 0; i < 1'000; ++i) pool.take().reset();
  reader.join();
  EXPECT_EQ(numbers(pool), (Numbers{1'000, 1, 0, 1}));
}

#if defined(LEAT_ASSERTIONS) && LEAT_ASSERTIONS
TEST(BufferPoolDeathTest, AnotherThreadIsABrokenPrecondition) {
  EXPECT_DEATH(
      {
        BufferPool pool(64, 1'024);
        std::thread([&pool] { static_cast<void>(pool.take()); }).join();
      },
      "from another thread");
  EXPECT_DEATH(
      {
        BufferPool pool(64, 1'024);
        PooledBuffer buffer = pool.take();
        std::thread([&buffer] { buffer.reset(); }).join();
      },
      "from another thread");
}

TEST(BufferPoolDeathTest, ABlockMustHoldAPointer) {
  EXPECT_DEATH(BufferPool(4, 1'024), "blocks too small");
}
#endif

}  // namespace
}  // namespace leat
