#include "leat/net/internal/udp_send_queue.h"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "leat/base/random.h"

namespace leat::internal {
namespace {

constexpr UdpSendQueue::Joining kJoining{
    .smallest_refused = 9000, .most_bytes = 65507, .most_segments = 64};

class UdpSendQueueTest : public testing::Test {
 protected:
  void append(std::string_view payload, int to = 1, std::uint16_t segment_size = 0,
              Ecn ecn = Ecn::kNotCapable) {
    queue.append(payload, {.to = peer(to), .ecn = ecn, .segment_size = segment_size}, kJoining);
  }
  static InetAddress peer(int port) { return InetAddress::loopback(static_cast<uint16_t>(port)); }
  /// What gather() gives: "PORT payload/datagrams".
  std::vector<std::string> gather(bool gso = true) {
    queue.gather(*batch, {.gso = gso, .peer = nullptr});
    std::vector<std::string> messages;
    for (std::size_t i = 0; i < batch->count; ++i) {
      const auto* to = static_cast<const sockaddr*>(batch->headers[i].msg_hdr.msg_name);
      const auto address = InetAddress::from_sockaddr(to, batch->headers[i].msg_hdr.msg_namelen);
      const iovec& bytes = batch->vectors[i];
      messages.push_back(std::to_string(address.value().port()) + " " +
                         std::string(static_cast<const char*>(bytes.iov_base), bytes.iov_len) +
                         "/" + std::to_string(batch->datagrams[i]));
    }
    return messages;
  }

  using Messages = std::vector<std::string>;
  UdpSendQueue queue;
  std::unique_ptr<UdpSendBatch> batch = std::make_unique<UdpSendBatch>();
};

TEST_F(UdpSendQueueTest, EqualOnesInARowJoin) {
  append("aaa");
  append("bbb");
  append("c");
  append("ddd");
  EXPECT_EQ(gather(), (Messages{"1 aaabbbc/3", "1 ddd/1"}));
  EXPECT_EQ(gather(false), (Messages{"1 aaa/1", "1 bbb/1", "1 c/1", "1 ddd/1"}));
  EXPECT_EQ(queue.datagrams(), 4u);
  EXPECT_EQ(queue.runs(), 2u);
  EXPECT_EQ(queue.bytes(), 10u);
}

TEST_F(UdpSendQueueTest, OthersDoNot) {
  append("aaa", 1);
  append("bbb", 2);
  append("ccc", 1);
  append("ddd", 1, 0, Ecn::kEct0);
  append("", 1);
  append("", 1);
  append("longer", 1);
  append("longest", 1);
  EXPECT_EQ(gather(), (Messages{"1 aaa/1", "2 bbb/1", "1 ccc/1", "1 ddd/1", "1 /1", "1 /1",
                                "1 longer/1", "1 longest/1"}));
}

TEST_F(UdpSendQueueTest, CutOnesJoinToo) {
  append("aabbcc", 1, 2);
  append("dd", 1);
  append("eeff", 1, 2);
  append("ggh", 1, 2);
  append("ii", 1);
  EXPECT_EQ(gather(), (Messages{"1 aabbccddeeffggh/8", "1 ii/1"}));
  EXPECT_EQ(gather(false).size(), 9u);
}

TEST_F(UdpSendQueueTest, ARunEndsAtItsBounds) {
  for (int i = 0; i < 65; ++i) append("x");
  EXPECT_EQ(queue.runs(), 2u);
  queue.clear();
  const std::string large(8000, 'x');
  for (int i = 0; i < 9; ++i) append(large);
  EXPECT_EQ(queue.runs(), 2u);
  gather();
  EXPECT_EQ(batch->datagrams[0], 8u);
  queue.clear();
  const std::string refused(9000, 'x');
  append(refused);
  append(refused);
  EXPECT_EQ(queue.runs(), 2u);
}

TEST_F(UdpSendQueueTest, WhatIsTakenIsGone) {
  append("aaa");
  append("bbb");
  append("x", 2);
  append("y", 3);
  gather();
  const auto taken = queue.take(*batch, 2);
  EXPECT_EQ(taken.datagrams, 3u);
  EXPECT_EQ(taken.bytes, 7u);
  EXPECT_EQ(taken.pieces_of_many, 1u);
  append("z", 3);
  EXPECT_EQ(gather(), (Messages{"3 yz/2"}));
  queue.take(*batch, 1);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.bytes(), 0u);
  EXPECT_EQ(queue.datagrams(), 0u);
}

TEST_F(UdpSendQueueTest, ASplitHeadGoesOneByOneAndTakesNoMore) {
  append("aaa");
  append("bbb");
  queue.split_head();
  append("ccc");
  append("ddd");
  EXPECT_EQ(gather(), (Messages{"1 aaa/1", "1 bbb/1", "1 cccddd/2"}));
  queue.take(*batch, 1);
  EXPECT_EQ(gather(), (Messages{"1 bbb/1", "1 cccddd/2"}));
  const auto lost = queue.drop(*batch);
  EXPECT_EQ(lost.datagrams, 1u);
  EXPECT_EQ(lost.bytes, 3u);
  EXPECT_EQ(lost.to, peer(1));
  EXPECT_EQ(gather(), (Messages{"1 cccddd/2"}));
}

TEST_F(UdpSendQueueTest, MoreThanABatchComesInTurn) {
  for (int i = 0; i < 100; ++i) append("x", i + 1);
  EXPECT_EQ(gather().size(), 64u);
  queue.take(*batch, 64);
  EXPECT_EQ(gather().size(), 36u);
  EXPECT_EQ(gather().front(), "65 x/1");
}

/// Against the simplest queue there is: whatever is joined, split and taken, the datagrams come
/// out as they went in.
TEST_F(UdpSendQueueTest, KeepsEveryDatagramAndTheOrder) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const auto below = [&](std::size_t bound) {
      return static_cast<std::size_t>(random() % bound);
    };
    std::vector<std::pair<int, std::string>> model;
    std::size_t next = 0;
    for (int step = 0; step < 2000; ++step) {
      const auto choice = below(10);
      if (choice < 6) {
        const int to = 1 + static_cast<int>(below(3));
        const auto size = below(2) == 0 ? 10 : below(30);
        const auto cut = below(3) == 0 ? static_cast<std::uint16_t>(1 + below(10)) : 0;
        std::string payload(size, static_cast<char>('a' + below(26)));
        append(payload, to, static_cast<std::uint16_t>(cut));
        for (const auto piece : DatagramSegments(payload, static_cast<std::size_t>(cut))) {
          model.emplace_back(to, piece);
        }
      } else if (!queue.empty()) {
        if (choice == 9) queue.split_head();
        queue.gather(*batch, {.gso = below(4) != 0, .peer = nullptr});
        const std::size_t messages = below(batch->count + 1);
        for (std::size_t i = 0; i < messages; ++i) {
          const iovec& bytes = batch->vectors[i];
          const std::string_view all(static_cast<const char*>(bytes.iov_base), bytes.iov_len);
          const std::size_t size = batch->datagrams[i] > 1 ? model[next].second.size() : all.size();
          std::size_t count = 0;
          for (const auto piece : DatagramSegments(all, size)) {
            ASSERT_LT(next, model.size());
            ASSERT_EQ(model[next++].second, piece);
            ++count;
          }
          ASSERT_EQ(count, batch->datagrams[i]);
        }
        queue.take(*batch, messages);
      }
      ASSERT_EQ(queue.datagrams(), model.size() - next);
    }
    queue.clear();
  }
}

}  // namespace
}  // namespace leat::internal
