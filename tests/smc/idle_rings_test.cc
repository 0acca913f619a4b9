// What the broker gives back: the pages of a big ring that is empty and unused, and no others.

#include "leat/smc/internal/idle_rings.h"

#include <sys/mman.h>

#include <cstring>

#include <gtest/gtest.h>

#include "leat/smc/direction_lock.h"
#include "leat/smc/segment.h"

namespace leat::smc::internal {
namespace {

constexpr std::array<std::uint32_t, 2> kBig = {kDefaultBigRing, kDefaultBigRing};

/// End 0 has sent 100,000 bytes by its peer's big ring, and gone back to the small one.
class IdleRingsTest : public ::testing::Test {
 protected:
  IdleRingsTest()
      : file_(std::move(
            *MemoryFile::create("test", SegmentLayout::size(kDefaultBigRing, kDefaultBigRing)))) {
    void* const at = ::mmap(nullptr, SegmentLayout::size(kBig[0], kBig[1]), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_NORESERVE, file_.fd(), 0);
    base_ = static_cast<char*>(at);
    sender().tx_span[0].lane = static_cast<std::uint64_t>(Lane::kSmall);
    sender().tx_produced[1] = 100'000;
    sender().consumed[1] = 100'000;
    std::memset(base_ + kBegin, 'x', 100'000);
  }
  ~IdleRingsTest() override { ::munmap(base_, SegmentLayout::size(kBig[0], kBig[1])); }

  EndControl& sender() { return *reinterpret_cast<EndControl*>(base_ + SegmentLayout::control(0)); }
  [[nodiscard]] bool has_memory() const {
    return file_.next_data(kBegin, kBegin + kBig[1]) < kBegin + kBig[1];
  }
  unsigned look() { return rings_.look(file_, kBig); }

  static constexpr std::uint64_t kBegin = SegmentLayout::big_ring(1, kDefaultBigRing);
  MemoryFile file_;
  char* base_ = nullptr;
  IdleRings rings_;
};

TEST_F(IdleRingsTest, GivesBackWhatWasIdleAtTwoLooks) {
  EXPECT_EQ(look(), 0U);
  EXPECT_TRUE(has_memory());
  EXPECT_EQ(look(), 1U);
  EXPECT_FALSE(has_memory());
  EXPECT_EQ(look(), 0U) << "nothing is there any more";
}

TEST_F(IdleRingsTest, RingThatWasUsedBetweenStays) {
  look();
  sender().tx_produced[1] += 10;
  sender().consumed[1] += 10;
  EXPECT_EQ(look(), 0U);
  EXPECT_EQ(look(), 1U);
}

TEST_F(IdleRingsTest, UnreadBytesStay) {
  sender().consumed[1] -= 1;
  look();
  EXPECT_EQ(look(), 0U);
  EXPECT_EQ(base_[kBegin + 99'999], 'x');
}

TEST_F(IdleRingsTest, RingInUseStays) {
  sender().tx_span[0].lane = static_cast<std::uint64_t>(Lane::kBig);
  look();
  EXPECT_EQ(look(), 0U);
  EXPECT_TRUE(has_memory());
}

TEST_F(IdleRingsTest, RingWhoseSenderIsAtWorkStays) {
  DirectionLock lock(sender().tx_lock);
  ASSERT_EQ(lock.lock(DirectionLock::this_thread()), LockResult::kTaken);
  look();
  EXPECT_EQ(look(), 0U);
  EXPECT_TRUE(has_memory());
  lock.unlock();
  EXPECT_EQ(look(), 1U);
}

}  // namespace
}  // namespace leat::smc::internal
