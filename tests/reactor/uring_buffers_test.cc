// Memory that the kernel receives into: what comes lies where it is looked for.
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "leat/reactor/internal/uring.h"

#include "tests/reactor/loop_test.h"

namespace leat::internal {
namespace {

using test::Ends;

/// One end that receives for ever, and what has come.
class Receiver final : public UringOperation {
 public:
  Receiver(Uring& ring, std::size_t number) : ring_(ring), number_(number) { submit(); }

  void complete(int result, std::uint32_t flags) override {
    if (result == -ENOBUFS) {
      ++starved;
      ring_.buffers().starved();
    }
    if ((flags & IORING_CQE_F_BUFFER) != 0) {
      if (joins && ring_.next_receives(*this) && ring_.buffers().keep_for_next(result, flags)) {
        return;
      }
      ++pieces;
      // Only given back, as for a connection that was closed.
      if (result > 0 && !deaf) got += ring_.buffers().bytes(result, flags);
      ring_.buffers().give_back(result, flags);
    }
    if (in_flight() || result == 0 || result == -ECANCELED) return;
    submit();
  }
  /// Byte `i` of its stream.
  [[nodiscard]] char byte(std::size_t i) const {
    return static_cast<char>((i * 131 + i / 251 + number_ * 7) & 0xff);
  }
  /// As much as goes.
  void write_some(std::size_t most) {
    std::string text(most, '\0');
    for (std::size_t i = 0; i < most; ++i) text[i] = byte(sent + i);
    const ssize_t count = ::send(ends.b.get(), text.data(), text.size(), MSG_DONTWAIT);
    if (count > 0) sent += static_cast<std::size_t>(count);
  }
  void check() const {
    ASSERT_EQ(got.size(), sent);
    for (std::size_t i = 0; i < got.size(); ++i) {
      ASSERT_EQ(got[i], byte(i)) << "byte " << i << " of receiver " << number_;
    }
  }

  Ends ends = Ends::socket_pair();
  std::string got;
  std::size_t sent = 0;
  int starved = 0;
  int pieces = 0;
  bool deaf = false;
  bool joins = false;

 private:
  void submit() {
    io_uring_sqe& entry = ring_.entry();
    io_uring_prep_recv_multishot(&entry, ends.a.get(), nullptr, 0, 0);
    entry.flags |= IOSQE_BUFFER_SELECT;
    entry.buf_group = UringBuffers::kGroup;
    ring_.submit(entry, *this);
  }

  Uring& ring_;
  const std::size_t number_;
};

class UringBuffersTest : public testing::Test {
 protected:
  void SetUp() override {
    Result<std::unique_ptr<Uring>> made = Uring::create();
    if (!made) GTEST_SKIP() << made.error().message();
    ring = std::move(*made);
  }
  void make_receivers(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      receivers.push_back(std::make_unique<Receiver>(*ring, i));
    }
  }
  void serve() {
    ASSERT_TRUE(ring->poll(Duration::zero()));
    ring->dispatch();
  }
  void TearDown() override { ring.reset(); }

  std::vector<std::unique_ptr<Receiver>> receivers;
  std::unique_ptr<Uring> ring;
};

TEST_F(UringBuffersTest, PiecesOfAllSizesLieWhereTheyAreLookedFor) {
  make_receivers(7);
  for (std::size_t i = 0; i < receivers.size(); i += 2) receivers[i]->joins = true;
  std::size_t size = 1;
  for (int round = 0; round < 400; ++round) {
    for (const auto& receiver : receivers) {
      receiver->write_some(size);
      size = size * 31 % 70'001 + 1;
    }
    serve();
  }
  for (int i = 0; i < 100; ++i) serve();
  for (const auto& receiver : receivers) {
    EXPECT_GT(receiver->sent, UringBuffers::kMemory) << "each buffer should have come round";
    receiver->check();
  }
}

TEST_F(UringBuffersTest, WhatNobodyLooksAtIsAccountedForAsWell) {
  make_receivers(4);
  for (int round = 0; round < 300; ++round) {
    for (std::size_t i = 0; i < receivers.size(); ++i) {
      receivers[i]->deaf = i % 2 == 1;
      receivers[i]->joins = i >= 2;
      receivers[i]->write_some(static_cast<std::size_t>(round) * 37 + i * 1001 + 1);
    }
    serve();
  }
  for (int i = 0; i < 20; ++i) serve();
  receivers[0]->check();
  receivers[2]->check();
  EXPECT_EQ(receivers[1]->got, "");
}

/// Or it would be answered in two.
TEST_F(UringBuffersTest, AMessageOverTheEndOfABufferIsOnePiece) {
  make_receivers(2);
  receivers[0]->joins = true;
  serve();
  constexpr int kMessages = 300;
  for (int i = 0; i < kMessages; ++i) {
    for (const auto& receiver : receivers) receiver->write_some(10'007);
    serve();
  }
  for (const auto& receiver : receivers) {
    ASSERT_EQ(receiver->sent, kMessages * 10'007u);
    receiver->check();
  }
  EXPECT_EQ(receivers[0]->pieces, kMessages);
  EXPECT_GT(receivers[1]->pieces, kMessages) << "no message was at the end of a buffer";
}

TEST_F(UringBuffersTest, AnEmptyRingLeavesTheBytesInTheirSockets) {
  make_receivers(40);
  serve();
  for (int round = 0; round < 5; ++round) {
    std::size_t waiting = 0;
    for (const auto& receiver : receivers) {
      const std::size_t before = receiver->sent;
      receiver->write_some(150'000);
      waiting += receiver->sent - before;
    }
    ASSERT_GT(waiting, 2 * UringBuffers::kMemory);
    for (int i = 0; i < 200; ++i) serve();
    for (const auto& receiver : receivers) receiver->check();
  }
  int starved = 0;
  for (const auto& receiver : receivers) starved += receiver->starved;
  EXPECT_GT(starved, 0) << "the ring was never empty";
}

/// Memory that the kernel is not lent stays out of the cache's way.
TEST_F(UringBuffersTest, AsManyAreLentAsAreNeeded) {
  make_receivers(40);
  serve();
  const unsigned fewest = ring->buffers().lent();
  Receiver& one = *receivers[0];
  for (int round = 0; round < 300; ++round) {
    one.write_some(16'384);
    serve();
  }
  EXPECT_EQ(ring->buffers().lent(), fewest) << "they sufficed";
  for (const auto& receiver : receivers) receiver->write_some(150'000);
  for (int i = 0; i < 200; ++i) serve();
  const unsigned most = ring->buffers().lent();
  EXPECT_GE(most, 2 * fewest);
  for (const auto& receiver : receivers) receiver->check();
  one.deaf = true;
  const std::size_t enough = most * UringBuffers::kCalm * (UringBuffers::kMemory / fewest);
  for (const std::size_t begin = one.sent; ring->buffers().lent() > fewest;) {
    ASSERT_LT(one.sent - begin, enough)
        << "fewer after a long calm, but " << ring->buffers().lent();
    one.write_some(40'000);
    serve();
  }
  one.got.clear();
  for (std::size_t i = 1; i < receivers.size(); ++i) receivers[i]->check();
}

}  // namespace
}  // namespace leat::internal
