// UdpSocket::choose_by_session_id(): who gets a datagram.

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "leat/net/udp_socket.h"
#include "leat/reactor/event_loop.h"

namespace leat {
namespace {

using namespace std::string_literals;

class SessionIdTest : public ::testing::Test {
 protected:
  SessionIdTest() {
    InetAddress address = InetAddress::loopback(0);
    for (std::size_t i = 0; i < 4; ++i) {
      group_.push_back(UdpSocket::bind(*loop_, address, {.reuse_port = true}).value());
      address = group_.front()->address().value();
      group_.back()->on_datagrams([this, i](std::span<const Datagram> datagrams) {
        for (const Datagram& one : datagrams) {
          EXPECT_EQ(one.payload, sent_);
          got_.push_back(i);
        }
        loop_->quit();
      });
      group_.back()->start().value();
    }
  }

  /// The places of the sockets that got `payload`, sent from so many peers.
  std::vector<std::size_t> send(const std::string& payload, int peers) {
    got_.clear();
    sent_ = payload;
    for (int i = 0; i < peers; ++i) {
      auto peer = UdpSocket::connect(*loop_, group_.front()->address().value()).value();
      EXPECT_TRUE(peer->send(payload));
      peer->flush();
      EXPECT_TRUE(loop_->loop());
    }
    return got_;
  }

  std::unique_ptr<EventLoop> loop_ = EventLoop::create().value();
  std::vector<std::unique_ptr<UdpSocket>> group_;
  std::vector<std::size_t> got_;
  std::string sent_;
};

TEST_F(SessionIdTest, TheNumberChoosesWhoeverSends) {
  ASSERT_TRUE(group_[2]->choose_by_session_id({.offset = 3, .length = 1}));
  for (std::size_t i = 0; i < 4; ++i) {
    const std::string payload = "abc"s + static_cast<char>(i) + "rest";
    EXPECT_EQ(send(payload, 8), std::vector<std::size_t>(8, i));
  }
}

TEST_F(SessionIdTest, NumbersOfTwoAndFourBytesAreBigEndian) {
  ASSERT_TRUE(group_[0]->choose_by_session_id({.offset = 0, .length = 2}));
  EXPECT_EQ(send("\0\3"s, 4), std::vector<std::size_t>(4, 3));
  ASSERT_TRUE(group_[0]->choose_by_session_id({.offset = 1, .length = 4}));
  EXPECT_EQ(send("\7\0\0\0\2"s, 4), std::vector<std::size_t>(4, 2));
}

TEST_F(SessionIdTest, WhatIsTooShortOrNamesNobodyGoesByTheHash) {
  ASSERT_TRUE(group_[0]->choose_by_session_id({.offset = 3, .length = 1}));
  for (const std::string& payload : {"abc"s, "abc\4"s, "abc\xFF"s, ""s}) {
    const std::vector<std::size_t> got = send(payload, 40);
    ASSERT_EQ(got.size(), 40u);
    // That 40 peers hash to one of four is no risk.
    EXPECT_NE(std::count(got.begin(), got.end(), got.front()), 40) << payload.size();
  }
}

TEST_F(SessionIdTest, TheLastTakesTheNumberOfOneThatCloses) {
  ASSERT_TRUE(group_[0]->choose_by_session_id({.offset = 0, .length = 1}));
  group_[1]->close();
  EXPECT_EQ(send("\1"s, 4), std::vector<std::size_t>(4, 3));
  EXPECT_EQ(send("\2"s, 4), std::vector<std::size_t>(4, 2));
}

TEST_F(SessionIdTest, TheChoiceStaysWithTheSocketsThatAnotherProcessTakesOver) {
  ASSERT_TRUE(group_[0]->choose_by_session_id({.offset = 0, .length = 1}));
  for (std::size_t i = 0; i < group_.size(); ++i) {
    auto taken = UdpSocket::adopt(*loop_, group_[i]->duplicate().value(), {}).value();
    group_[i]->close();
    group_[i] = std::move(taken);
    group_[i]->on_datagrams([this, i](std::span<const Datagram> datagrams) {
      for (std::size_t n = 0; n < datagrams.size(); ++n) got_.push_back(i);
      loop_->quit();
    });
    ASSERT_TRUE(group_[i]->start());
  }
  EXPECT_EQ(send("\3"s, 8), std::vector<std::size_t>(8, 3));
  EXPECT_EQ(send("\1"s, 8), std::vector<std::size_t>(8, 1));
}

TEST_F(SessionIdTest, WhatCannotBeIsRefused) {
  for (const std::size_t length : {0U, 3U, 8U}) {
    EXPECT_EQ(group_[0]->choose_by_session_id({.length = length}).error().number(), EINVAL);
  }
  EXPECT_EQ(group_[0]->choose_by_session_id({.offset = 65527}).error().number(), EINVAL);
  EXPECT_EQ(group_[0]->choose_by_session_id({.offset = SIZE_MAX}).error().number(), EINVAL);
  const auto alone = UdpSocket::bind(*loop_, InetAddress::loopback(0)).value();
  EXPECT_EQ(alone->choose_by_session_id({}).error().number(), EINVAL);
  group_[0]->close();
  EXPECT_EQ(group_[0]->choose_by_session_id({}).error().number(), EPIPE);
}

}  // namespace
}  // namespace leat
