// The spans of one direction, step by step: cut-over, the big ring, the spill to TCP, the way back.

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "leat/smc/receiver.h"
#include "leat/smc/sender.h"

namespace leat::smc {
namespace {

constexpr std::uint32_t kBig = 256 << 10;

/// End 0 sends to end 1; TCP is a string.
class LanesTest : public testing::Test {
 protected:
  LanesTest() {
    for (Sender<>* sender : {&sender_}) sender->start(0);
    receiver_.start(0);
    ends_[1].flags = kFlagInputReady;
  }

  void send_ring(std::string_view bytes) {
    while (!bytes.empty()) {
      const std::span<char> room = sender_.room(bytes.size());
      ASSERT_FALSE(room.empty());
      std::memcpy(room.data(), bytes.data(), room.size());
      sender_.commit(room.size());
      bytes.remove_prefix(room.size());
    }
  }
  void send_tcp(std::string_view bytes) {
    tcp_ += bytes;
    tcp_written_ += bytes.size();
  }
  void doorbell() { send_tcp("!"); }

  /// All there is now.
  std::string receive() {
    std::string got;
    for (;;) {
      const Input input = receiver_.look();
      if (input.kind == Input::Kind::kBroken) return got + "<broken>";
      if (input.kind == Input::Kind::kTcp) {
        const std::size_t n = std::min<std::uint64_t>(input.tcp_limit, tcp_.size());
        if (n == 0) return got;
        got += tcp_.substr(0, n);
        tcp_.erase(0, n);
        receiver_.tcp_received(n);
      } else if (!input.bytes.empty()) {
        got.append(input.bytes.data(), input.bytes.size());
        receiver_.consume(input.bytes.size());
      } else {
        const std::size_t n = std::min<std::uint64_t>(input.doorbells, tcp_.size());
        if (n == 0) return got;
        tcp_.erase(0, n);
        receiver_.doorbells_eaten(n);
      }
    }
  }

  std::unique_ptr<EndControl[]> blocks_ = std::make_unique<EndControl[]>(2);
  EndControl* ends_ = blocks_.get();
  std::vector<char> small_ = std::vector<char>(kSmallRing);
  std::vector<char> big_ = std::vector<char>(kBig);
  std::array<RemoteRing, kRings> rings_{{{small_.data(), kSmallRing}, {big_.data(), kBig}}};
  Sender<> sender_{ends_[0], ends_[1], rings_};
  Receiver<> receiver_{ends_[1], ends_[0], rings_};
  std::string tcp_;
  std::uint64_t tcp_written_ = 0;
};

TEST_F(LanesTest, CutsOverBehindWhatIsStillInTcp) {
  send_tcp("abc");
  ASSERT_TRUE(sender_.may_return());
  sender_.to_ring(tcp_written_);
  send_ring("def");
  EXPECT_EQ(receive(), "abcdef");
  EXPECT_EQ(receiver_.lane(), Lane::kSmall);
}

TEST_F(LanesTest, DoorbellsAreNoData) {
  sender_.to_ring(tcp_written_);
  send_ring("a");
  doorbell();
  EXPECT_EQ(receive(), "a");
  doorbell();
  send_ring("b");
  sender_.to_tcp(tcp_written_);
  send_tcp("c");
  EXPECT_EQ(receive(), "bc");
  EXPECT_EQ(tcp_, "");
}

TEST_F(LanesTest, AFullRingSpillsToTcpAndComesBack) {
  sender_.to_ring(tcp_written_);
  const std::string small(kSmallRing, 's');
  const std::string big(kBig, 'b');
  send_ring(small);
  send_ring(big);
  EXPECT_EQ(sender_.lane(), Lane::kBig);
  EXPECT_TRUE(sender_.room(1).empty());
  sender_.to_tcp(tcp_written_);
  send_tcp("tcp");
  EXPECT_FALSE(sender_.may_return());
  EXPECT_TRUE(receive() == small + big + "tcp");
  ASSERT_TRUE(sender_.may_return());
  sender_.to_ring(tcp_written_);
  send_ring("again");
  EXPECT_EQ(receive(), "again");
}

TEST_F(LanesTest, TellsAllThatCanBeReadOverAllSpans) {
  EXPECT_EQ(receiver_.readable(0), 0U);
  send_tcp("abc");
  EXPECT_EQ(receiver_.readable(3), 3U);
  sender_.to_ring(tcp_written_);
  send_ring("def");
  EXPECT_EQ(receiver_.readable(2), 2U);  // The rest of TCP's is on its way.
  EXPECT_EQ(receiver_.readable(3), 6U);
  doorbell();
  EXPECT_EQ(receiver_.readable(4), 6U);
  const std::string small(kSmallRing - 3, 's');
  send_ring(small);
  send_ring("big");
  sender_.to_tcp(tcp_written_);
  EXPECT_EQ(receiver_.readable(3), 6 + small.size() + 3);
  send_tcp("ghi");
  EXPECT_EQ(receiver_.readable(7), 6 + small.size() + 3 + 3);
  EXPECT_TRUE(receive() == "abcdef" + small + "big" + "ghi");
  EXPECT_EQ(receiver_.readable(0), 0U);
}

TEST_F(LanesTest, AMessageIsNotCutWhereTheRingEnds) {
  sender_.to_ring(tcp_written_);
  send_ring(std::string(kSmallRing - 3, 's'));
  EXPECT_EQ(receive().size(), kSmallRing - 3);
  const std::span<char> room = sender_.room(10);
  ASSERT_EQ(room.size(), 3U);
  std::memcpy(room.data(), "012", 3);
  const std::span<char> behind = sender_.room_behind(3, 7);
  ASSERT_EQ(behind.size(), 7U);
  EXPECT_EQ(receive(), "");
  std::memcpy(behind.data(), "3456789", 7);
  sender_.commit(10);
  EXPECT_EQ(receive(), "0123456789");
}

TEST_F(LanesTest, FoldingResendsWhatIsUnreadInOrder) {
  sender_.to_ring(tcp_written_);
  send_ring("read");
  EXPECT_EQ(receive(), "read");
  const std::string small(kSmallRing, 's');
  send_ring(small);
  send_ring("big");
  doorbell();
  receiver_.want_fold();
  ASSERT_TRUE(sender_.fold_wanted());
  ASSERT_TRUE(sender_.start_resend(tcp_written_));
  for (std::span<const char> chunk; !(chunk = sender_.resend_chunk()).empty();) {
    const std::size_t n = std::min<std::size_t>(chunk.size(), 1000);
    send_tcp({chunk.data(), n});
    sender_.resent(n);
  }
  send_tcp("after");
  EXPECT_TRUE(receive() == small + "bigafter");
  EXPECT_FALSE(sender_.may_return());
}

TEST_F(LanesTest, AFoldBehindSpilledBytesReadsTheRingsFirst) {
  sender_.to_ring(tcp_written_);
  send_ring("ring");
  sender_.to_tcp(tcp_written_);
  send_tcp("spilled");
  receiver_.want_fold();
  EXPECT_FALSE(sender_.fold_wanted());
  EXPECT_EQ(receive(), "ringspilled");
  EXPECT_FALSE(sender_.may_return());
}

TEST_F(LanesTest, ASenderThatMeetsAFoldOnItsWayStaysOnTcp) {
  send_tcp("abc");
  ASSERT_TRUE(sender_.may_return());
  receiver_.want_fold();
  EXPECT_EQ(receive(), "abc");
  sender_.to_ring(tcp_written_);
  EXPECT_EQ(sender_.lane(), Lane::kTcp);
  EXPECT_FALSE(sender_.fold_wanted());
  send_tcp("def");
  EXPECT_EQ(receive(), "def");
}

TEST_F(LanesTest, AFoldBetweenTheLanesLeavesTheSocketAsItIs) {
  send_tcp("abc");
  sender_.to_ring(tcp_written_);
  receiver_.want_fold();
  ASSERT_TRUE(sender_.fold_wanted());
  ASSERT_TRUE(sender_.start_resend(tcp_written_));
  EXPECT_FALSE(sender_.fold_wanted());
  const Input input = receiver_.look();
  EXPECT_EQ(input.kind, Input::Kind::kTcp);
  EXPECT_EQ(input.tcp_limit, kNoLimit);
  send_tcp("def");
  EXPECT_EQ(receive(), "abcdef");
}

TEST_F(LanesTest, NonsenseOfThePeerIsNoticed) {
  sender_.to_ring(tcp_written_);
  EXPECT_EQ(receive(), "");
  ends_[1].produced[0] = kSmallRing + 1;
  EXPECT_EQ(receive(), "<broken>");
}

}  // namespace
}  // namespace leat::smc
