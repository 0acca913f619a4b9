// What the kernel says of a socket agrees with what went through it, on both ends.

#include "leat/smc/socket_counts.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "leat/base/unique_fd.h"

#include "tests/smc/tcp_pair.h"

namespace leat::smc {
namespace {

class SocketCountsTest : public testing::Test {
 protected:
  static void send(const UniqueFd& from, std::size_t count) {
    const std::string bytes(count, 'x');
    ASSERT_EQ(::send(from.get(), bytes.data(), count, 0), static_cast<ssize_t>(count));
  }
  static void receive(const UniqueFd& at, std::size_t count) {
    std::string bytes(count, '\0');
    ASSERT_EQ(::recv(at.get(), bytes.data(), count, MSG_WAITALL), static_cast<ssize_t>(count));
  }

  TcpPair pair_;
  UniqueFd& client_ = pair_.client;
  UniqueFd& server_ = pair_.server;
};

TEST_F(SocketCountsTest, CountsWhatWasWrittenAndRead) {
  EXPECT_EQ(tcp_written(client_.get(), true), 0U);
  EXPECT_EQ(tcp_written(server_.get(), false), 0U);
  send(client_, 1000);
  send(server_, 70'000);
  EXPECT_EQ(tcp_written(client_.get(), true), 1000U);
  EXPECT_EQ(tcp_written(server_.get(), false), 70'000U);
  EXPECT_EQ(tcp_consumed(server_.get()), 0U);
  receive(server_, 400);
  EXPECT_EQ(tcp_consumed(server_.get()), 400U);
  receive(client_, 70'000);
  EXPECT_EQ(tcp_consumed(client_.get()), 70'000U);
}

TEST_F(SocketCountsTest, CountsWhatThePeerHasNotAcknowledged) {
  std::size_t sent = 0;
  const std::string bytes(100'000, 'x');
  for (;;) {
    const ssize_t count = ::send(client_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (count < 0) break;
    sent += static_cast<std::size_t>(count);
  }
  EXPECT_EQ(tcp_written(client_.get(), true), sent);
}

TEST_F(SocketCountsTest, HasNoCountOnceAFinHasCome) {
  send(server_, 5);
  ::shutdown(client_.get(), SHUT_WR);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(tcp_consumed(server_.get()), kNoCount);
  EXPECT_EQ(tcp_written(server_.get(), false), 5U);
  EXPECT_EQ(tcp_written(client_.get(), true), kNoCount);
}

TEST_F(SocketCountsTest, TheNamesOfTheTwoEndsMirrorEachOther) {
  Offer client;
  Offer server;
  ASSERT_EQ(identify(client_.get(), client), FallbackReason::kNone);
  ASSERT_EQ(identify(server_.get(), server), FallbackReason::kNone);
  EXPECT_EQ(client.names, server.names.mirrored());
  EXPECT_EQ(client.netns, server.netns);
  EXPECT_NE(client.cookie, server.cookie);
  EXPECT_TRUE(is_still(client_.get(), client));
  EXPECT_FALSE(is_still(client_.get(), server));
}

TEST_F(SocketCountsTest, WhatIsNoTcpIsTold) {
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  const UniqueFd first(pair[0]);
  const UniqueFd second(pair[1]);
  Offer offer;
  EXPECT_EQ(identify(first.get(), offer), FallbackReason::kNotEarned);
  EXPECT_EQ(tcp_written(first.get(), false), kNoCount);
  ::shutdown(client_.get(), SHUT_WR);
  EXPECT_EQ(identify(client_.get(), offer), FallbackReason::kNotEstablished);
}

}  // namespace
}  // namespace leat::smc
