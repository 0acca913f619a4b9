// A hand-over that fails: the old server serves on, and the next takeover works.
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "leat/net/internal/takeover_message.h"

#include "support/child_process.h"
#include "support/raw_sockets.h"
#include "support/takeover_fixture.h"

namespace leat {
namespace {

using internal::TakeoverMessage;
using testing::ChildProcess;
using testing::echoes;
using testing::kLimit;
using testing::NewServer;
using testing::OldServer;
using testing::plain_peer;
using testing::request_error;
using testing::takeover_name;
using testing::wait_until;

class TakeoverFailure : public ::testing::Test {
 protected:
  void expect_serving(OldServer& old) {
    EXPECT_TRUE(echoes(old.address()));
    EXPECT_FALSE(old.handed_over);
    NewServer successor(Takeover::request(old.path(), kLimit).value(), old.address());
    EXPECT_EQ(successor.ready(), 0);
    EXPECT_TRUE(old.handed_over);
  }
};

TEST_F(TakeoverFailure, OfOneThatEndsBeforeItIsReady) {
  OldServer old;
  {
    NewServer crashing(Takeover::request(old.path(), kLimit).value(), old.address());
  }
  ASSERT_TRUE(wait_until([&] { return old.failures == 1; }));
  EXPECT_EQ(old.last_failure, ECONNRESET);
  expect_serving(old);
}

TEST_F(TakeoverFailure, OfASecondOneDuringTheFirst) {
  OldServer old;
  NewServer first(Takeover::request(old.path(), kLimit).value(), old.address());
  const Result<Takeover> second = Takeover::request(old.path(), kLimit);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().number(), EBUSY);
  EXPECT_NE(second.error().message().find("another process is taking over"), std::string::npos);
  EXPECT_FALSE(old.handed_over);
  EXPECT_EQ(first.ready(), 0);
  EXPECT_TRUE(old.handed_over) << "to the first, which the second has not pushed out";
}

TEST_F(TakeoverFailure, OfOneThatAsksForNothing) {
  OldServer old({.loops = 2}, {.request_time = std::chrono::milliseconds(30)});
  const UniqueFd silent = plain_peer(old.path());
  ASSERT_TRUE(silent);
  ASSERT_TRUE(wait_until([&] { return old.failures == 1; }));
  EXPECT_EQ(old.last_failure, ETIMEDOUT);
  expect_serving(old);
}

TEST_F(TakeoverFailure, OfGarbageAndOfAnotherVersion) {
  OldServer old;
  const std::string bad_version("LEAT\x02\0\x01\0\0\0\0\0\0\0\0\0", 16);
  const std::vector<std::string> packets{"x", std::string(16, 'x'), std::string(4096, 'L'),
                                         bad_version};
  int failures = 0;
  for (const std::string& packet : packets) {
    const UniqueFd peer = plain_peer(old.path());
    ASSERT_EQ(::send(peer.get(), packet.data(), packet.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(packet.size()));
    ++failures;
    ASSERT_TRUE(wait_until([&] { return old.failures == failures; }));
    EXPECT_EQ(old.last_failure, EPROTO);
  }
  expect_serving(old);
}

TEST_F(TakeoverFailure, OfAnotherVersionIsNamedOnBothSides) {
  // A request as a process of version 2 would send it, and such a process's answer.
  const std::string other("LEAT\x02\0\x01\0\0\0\0\0\0\0\0\0", 16);
  OldServer old;
  const UniqueFd peer = plain_peer(old.path());
  ASSERT_EQ(::send(peer.get(), other.data(), other.size(), MSG_NOSIGNAL), 16);
  ASSERT_TRUE(wait_until([&] { return old.failures == 1; }));
  auto refused = internal::receive_message(peer.get(), true);
  ASSERT_TRUE(refused && *refused) << "the reason comes before the end";
  EXPECT_EQ((*refused)->kind, TakeoverMessage::Kind::kRefused);
  EXPECT_NE((*refused)->text.find("speaks version 2, this one 1"), std::string::npos)
      << (*refused)->text;

  const InetAddress path = takeover_name();
  const UniqueFd later(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(later.get(), path.get(), path.size()), 0);
  ASSERT_EQ(::listen(later.get(), 4), 0);
  std::thread answering([&] {
    const UniqueFd asking(::accept4(later.get(), nullptr, nullptr, SOCK_CLOEXEC));
    char request[64];
    EXPECT_GT(::recv(asking.get(), request, sizeof request, 0), 0);
    EXPECT_EQ(::send(asking.get(), other.data(), other.size(), MSG_NOSIGNAL), 16);
  });
  const Result<Takeover> takeover = Takeover::request(path, kLimit);
  answering.join();
  ASSERT_FALSE(takeover);
  EXPECT_EQ(takeover.error().number(), EPROTO);
  EXPECT_NE(takeover.error().message().find("speaks version 2, this one 1"), std::string::npos)
      << takeover.error().message();
  expect_serving(old);
}

TEST_F(TakeoverFailure, OfReadyOutOfTurn) {
  OldServer old;
  const UniqueFd peer = plain_peer(old.path());
  TakeoverMessage ready;
  ready.kind = TakeoverMessage::Kind::kReady;
  ASSERT_TRUE(internal::send_message(peer.get(), ready));
  ASSERT_TRUE(wait_until([&] { return old.failures == 1; }));
  expect_serving(old);
}

TEST_F(TakeoverFailure, OfOneThatTakesTooLong) {
  // Longer than any wait: it is ready_time that ends it.
  OldServer old({.loops = 2}, {.request_time = std::chrono::hours(1),
                               .ready_time = std::chrono::milliseconds(30)});
  {
    NewServer late(Takeover::request(old.path(), kLimit).value(), old.address());
    ASSERT_TRUE(wait_until([&] { return old.failures == 1; }));
    EXPECT_EQ(late.ready(), ETIMEDOUT);
  }
  EXPECT_TRUE(echoes(old.address()));
  EXPECT_FALSE(old.handed_over);
}

TEST_F(TakeoverFailure, IsNotToTakeLongerThanARequestMay) {
  OldServer old({.loops = 2}, {.request_time = std::chrono::milliseconds(30),
                               .ready_time = std::chrono::hours(1)});
  NewServer slow(Takeover::request(old.path(), kLimit).value(), old.address());
  std::this_thread::sleep_for(std::chrono::milliseconds(150));
  EXPECT_EQ(old.failures, 0);
  EXPECT_EQ(slow.ready(), 0);
  EXPECT_TRUE(old.handed_over);
}

TEST_F(TakeoverFailure, OfTheOldOneMakesTheNewOneTheOnlyOne) {
  OldServer old;
  const InetAddress address = old.address();
  NewServer successor(Takeover::request(old.path(), kLimit).value(), address);
  old.end();
  EXPECT_EQ(successor.ready(), 0);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(echoes(address));
}

TEST_F(TakeoverFailure, WhereNobodyWaits) {
  EXPECT_EQ(request_error(takeover_name()), ECONNREFUSED);
  EXPECT_EQ(request_error(InetAddress::unix_path("/tmp/leat-no-such-socket").value()), ENOENT);
  EXPECT_EQ(request_error(InetAddress::loopback(80)), EINVAL);
}

TEST_F(TakeoverFailure, OfAListenerThatNeverAnswers) {
  const InetAddress path = takeover_name();
  const UniqueFd deaf(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(deaf.get(), path.get(), path.size()), 0);
  ASSERT_EQ(::listen(deaf.get(), 4), 0);
  EXPECT_EQ(request_error(path, std::chrono::milliseconds(30)), ETIMEDOUT);
  const std::string name = "/tmp/leat-takeover-stream-" + std::to_string(::getpid());
  const InetAddress other_kind = InetAddress::unix_path(name).value();
  const UniqueFd stream = testing::plain_listener(4, other_kind);
  EXPECT_EQ(request_error(other_kind), EPROTOTYPE);
  std::filesystem::remove(name);
}

TEST_F(TakeoverFailure, OfAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs to become another user";
  OldServer old;
  const ChildProcess other([&](UniqueFd&) -> std::string {
    if (::setuid(65534) != 0) return "setuid";
    const Result<Takeover> takeover = Takeover::request(old.path(), kLimit);
    return takeover ? "taken over" : std::to_string(takeover.error().number());
  });
  EXPECT_EQ(other.output(), std::to_string(EPERM));
  expect_serving(old);
}

TEST_F(TakeoverFailure, OfAnotherUserIsFoundByTheOldOneToo) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs to become another user";
  OldServer old;
  // One that does not look whom it talks to.
  const ChildProcess other([&](UniqueFd&) -> std::string {
    if (::setuid(65534) != 0) return "setuid";
    const UniqueFd peer = plain_peer(old.path());
    (void)internal::send_message(peer.get(), TakeoverMessage());
    while (true) {
      auto answer = internal::receive_message(peer.get(), true);
      if (!answer) return answer.error().message();
      if (*answer) return (*answer)->text;
      ::usleep(1000);
    }
  });
  EXPECT_NE(other.output().find("belongs to uid 65534"), std::string::npos) << other.output();
  EXPECT_EQ(old.last_failure, EPERM);
  expect_serving(old);
}

}  // namespace
}  // namespace leat
