// Sender and receiver on two threads of real processors; ThreadSanitizer looks on.

#include <atomic>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "leat/base/random.h"
#include "leat/smc/receiver.h"
#include "leat/smc/sender.h"

namespace leat::smc {
namespace {

constexpr std::uint32_t kRing = 4096;
constexpr std::uint64_t kBytes = 4U << 20U;

char byte_at(std::uint64_t position) {
  return static_cast<char>(position * 31 + (position >> 8U));
}

/// One direction, rings only; both rings are small, so that spans come often.
class ThreadsTest : public testing::Test {
 protected:
  ThreadsTest() {
    sender_.start(0);
    receiver_.start(0);
    blocks_[1].flags = kFlagInputReady;
    sender_.to_ring(0);
  }

  void put(std::uint64_t position, std::span<char> room) {
    for (std::size_t i = 0; i < room.size(); ++i) room[i] = byte_at(position + i);
    sender_.commit(room.size());
  }

  /// Reads what there is; returns how much.
  std::uint64_t take(std::uint64_t position) {
    std::uint64_t count = 0;
    for (;;) {
      const Input input = receiver_.look();
      if (input.kind == Input::Kind::kBroken) {
        ADD_FAILURE() << "broken at " << position + count;
        return kBytes;
      }
      if (input.bytes.empty()) return count;
      for (const char c : input.bytes) wrong_ += c != byte_at(position + count++) ? 1U : 0U;
      receiver_.consume(input.bytes.size());
    }
  }

  std::unique_ptr<EndControl[]> blocks_ = std::make_unique<EndControl[]>(2);
  std::vector<char> small_ = std::vector<char>(kRing);
  std::vector<char> big_ = std::vector<char>(2 * kRing);
  std::array<RemoteRing, kRings> rings_{{{small_.data(), kRing}, {big_.data(), 2 * kRing}}};
  Sender<> sender_{blocks_[0], blocks_[1], rings_};
  Receiver<> receiver_{blocks_[1], blocks_[0], rings_};
  std::uint64_t wrong_ = 0;
};

TEST_F(ThreadsTest, EveryByteThroughBothRings) {
  std::thread writer([this] {
    Random random(1);
    for (std::uint64_t sent = 0; sent < kBytes;) {
      const std::span<char> room = sender_.room(1 + random() % (3 * kRing));
      if (room.empty()) {
        std::this_thread::yield();
        continue;
      }
      const std::size_t count = std::min<std::uint64_t>(room.size(), kBytes - sent);
      put(sent, room.first(count));
      sent += count;
    }
  });
  std::uint64_t received = 0;
  while (received < kBytes) {
    const std::uint64_t count = take(received);
    if (count == 0) std::this_thread::yield();
    received += count;
  }
  writer.join();
  EXPECT_EQ(received, kBytes);
  EXPECT_EQ(wrong_, 0u);
  EXPECT_GT(blocks_[0].tx_spans, 2u);
}

// One byte at a time, and a sleep on each side after each: a wake-up that is lost leaves the
// receiver asleep.
TEST_F(ThreadsTest, NoWakeUpIsLost) {
  constexpr std::uint64_t kRounds = 3000;
  std::atomic<std::uint32_t> woken{0};
  std::atomic<std::uint64_t> read{0};
  std::thread writer([&] {
    for (std::uint64_t i = 0; i < kRounds; ++i) {
      std::span<char> room;
      while ((room = sender_.room(1)).empty()) std::this_thread::yield();
      put(i, room);
      if (sender_.take_marks() != 0) {
        woken.fetch_add(1, std::memory_order_release);
        woken.notify_all();
      }
      // Mostly at the receiver's own pace, so that its sleeps and these stores meet.
      while (i % 4 != 0 && read.load(std::memory_order_acquire) < i) std::this_thread::yield();
    }
  });
  for (std::uint64_t received = 0; received < kRounds;) {
    received += take(received);
    read.store(received, std::memory_order_release);
    const std::uint32_t before = woken.load(std::memory_order_acquire);
    blocks_[1].wait.fetch_or(kWaitFutex, std::memory_order_acq_rel);
    if (received == kRounds || receiver_.maybe_readable()) continue;
    woken.wait(before, std::memory_order_acquire);
  }
  writer.join();
  EXPECT_EQ(wrong_, 0u);
}

}  // namespace
}  // namespace leat::smc
