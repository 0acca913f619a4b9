// A peer that writes anything into the shared block, before calls and during them. The rings are
// vectors of exactly their size: AddressSanitizer watches their ends.

#include <atomic>
#include <cstring>
#include <iostream>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "leat/base/random.h"
#include "leat/smc/receiver.h"
#include "leat/smc/sender.h"

namespace leat::smc {
namespace {

class HostilePeerTest : public testing::Test {
 protected:
  HostilePeerTest() { std::cout << "seed " << seed_ << "\n"; }

  void start() {
    std::memset(static_cast<void*>(blocks_.get()), 0, 2 * sizeof(EndControl));
    sender_.start(random_() % 100);
    receiver_.start(random_() % 100);
    blocks_[0].flags = blocks_[1].flags = kFlagInputReady;
  }

  /// One word somewhere, own lines of the victim included: near to what was there, small, or any.
  static void scribble(EndControl* blocks, Random& random) {
    constexpr std::uint64_t kWords = 2 * sizeof(EndControl) / sizeof(std::uint64_t);
    auto* words = reinterpret_cast<std::atomic<std::uint64_t>*>(blocks);
    std::atomic<std::uint64_t>& word = words[random() % kWords];
    switch (random() % 4) {
      case 0:
        word.store(word.load(std::memory_order_relaxed) + random() % 17 - 8);
        break;
      case 1:
        word.store(random() % 16);
        break;
      case 2:
        word.store(std::uint64_t{1} << (random() % 64));
        break;
      default:
        word.store(random());
        break;
    }
  }

  /// A call of the victim's on either half; all it may touch are its rings.
  void act() {
    const std::size_t size = 1 + random_() % 200;
    switch (random_() % 12) {
      case 0:
        sender_.to_ring(random_() % 1000);
        break;
      case 1:
        sender_.to_tcp(random_() % 1000);
        break;
      case 2:
        sender_.recover(random_() % 1000);
        break;
      case 3:
        receiver_.recover(random_() % 1000);
        break;
      case 4:
        static_cast<void>(sender_.start_resend(random_() % 1000));
        break;
      case 5:
        resend();
        break;
      case 6:
        receiver_.want_fold();
        break;
      case 7:
        receiver_.give_up_fold();
        break;
      case 8:
        touch(receiver_.rest());
        break;
      case 9:
      case 10:
        send(size);
        break;
      default:
        receive(size);
        break;
    }
    sum_ += sender_.unread() + receiver_.ring_bytes() + receiver_.position() +
            (receiver_.maybe_readable() ? 1 : 0) + (sender_.may_return() ? 1 : 0) +
            (sender_.may_leave() ? 1 : 0) + sender_.take_marks() + receiver_.resend_ends_at();
  }

  void send(std::size_t size) {
    const std::span<char> room = sender_.room(size);
    ASSERT_LE(room.size(), size);
    if (room.empty()) return;
    std::memset(room.data(), 'x', room.size());
    sender_.commit(room.size());
  }
  void resend() {
    // Who scribbles may keep it going; the victim sends as much as TCP takes, no more.
    for (int i = 0; i < 8; ++i) {
      const std::span<const char> chunk = sender_.resend_chunk();
      touch(chunk);
      if (chunk.empty()) return;
      sender_.resent(1 + random_() % chunk.size());
    }
  }
  void receive(std::size_t size) {
    const Input input = receiver_.look();
    touch(input.bytes);
    if (!input.bytes.empty()) {
      receiver_.consume(1 + random_() % input.bytes.size());
    } else if (input.kind == Input::Kind::kTcp) {
      receiver_.tcp_received(std::min<std::uint64_t>(size, input.tcp_limit));
    } else if (input.doorbells != 0) {
      receiver_.doorbells_eaten(std::min<std::uint64_t>(size, input.doorbells));
    }
  }
  void touch(std::span<const char> bytes) {
    for (const char c : bytes) sum_ += static_cast<unsigned char>(c);
  }

  const std::uint64_t seed_ = std::random_device()();
  Random random_{seed_};
  std::unique_ptr<EndControl[]> blocks_ = std::make_unique<EndControl[]>(2);
  std::vector<char> small_ = std::vector<char>(64);
  std::vector<char> big_ = std::vector<char>(256);
  std::array<RemoteRing, kRings> rings_{{{small_.data(), 64}, {big_.data(), 256}}};
  // One process is both victims: what it sends comes to itself.
  Sender<> sender_{blocks_[0], blocks_[1], rings_};
  Receiver<> receiver_{blocks_[1], blocks_[0], rings_};
  std::uint64_t sum_ = 0;
};

TEST_F(HostilePeerTest, GarbageBetweenCallsTouchesOnlyTheRings) {
  for (int round = 0; round < 3000; ++round) {
    start();
    for (int i = 0; i < 60; ++i) {
      if (random_() % 3 == 0) scribble(blocks_.get(), random_);
      act();
    }
  }
  EXPECT_NE(sum_, 0u);
}

TEST_F(HostilePeerTest, GarbageDuringCallsTouchesOnlyTheRings) {
  start();
  std::atomic<bool> stop{false};
  std::thread peer([this, &stop] {
    Random random(seed_ + 1);
    while (!stop.load(std::memory_order_relaxed)) {
      for (int i = 0; i < 100; ++i) scribble(blocks_.get(), random);
      std::this_thread::yield();
    }
  });
  for (int i = 0; i < 100'000; ++i) act();
  stop = true;
  peer.join();
  EXPECT_NE(sum_, 0u);
}

}  // namespace
}  // namespace leat::smc
