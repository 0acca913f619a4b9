// The hand-over of listeners between two servers, with everything that can go wrong on the way.
#include "leat/net/takeover.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "leat/net/internal/takeover_message.h"
#include "leat/net/takeover_server.h"
#include "leat/net/udp_socket.h"

#include "support/child_process.h"
#include "support/raw_client.h"
#include "support/raw_sockets.h"
#include "support/server_fixture.h"

namespace leat {
namespace {

using internal::TakeoverMessage;
using testing::ChildProcess;
using testing::echo;
using testing::RawClient;
using testing::run_on;
using testing::ServerFixture;
using testing::wait_until;

constexpr Duration kLimit = std::chrono::seconds(10);

InetAddress takeover_name() {
  static std::atomic<int> next{0};
  return InetAddress::unix_abstract("leat-takeover-test-" + std::to_string(::getpid()) + "-" +
                                    std::to_string(next++))
      .value();
}

bool echoes(const InetAddress& address) {
  RawClient client(address);
  return client.connected() && client.send("hello") && client.read(5) == "hello";
}

/// A server that lets others take over.
class Old {
 public:
  explicit Old(TcpServerOptions options = {.loops = 2}, TakeoverServerOptions takeover = {})
      : fixture_(std::move(options)), path_(takeover_name()) {
    fixture_.server().on_message(echo);
    fixture_.start();
    run_on(fixture_.base(), [&] {
      takeover_ = TakeoverServer::listen(fixture_.base(), path_, takeover).value();
      takeover_->on_request([this] { return server().duplicate_listeners(); });
      takeover_->on_handed_over([this] {
        server().disown_listeners();
        server().stop(kLimit, [this](const StopReport&) { stopped = true; });
        handed_over = true;
      });
      takeover_->on_failed([this](const Error& error) {
        last_failure = error.number();
        ++failures;
      });
      takeover_->start().value();
    });
  }
  ~Old() { end(); }
  Old(const Old&) = delete;
  Old& operator=(const Old&) = delete;

  /// As if the process had crashed.
  void end() {
    run_on(fixture_.base(), [this] { takeover_.reset(); });
    fixture_.destroy();
  }

  [[nodiscard]] TcpServer& server() { return fixture_.server(); }
  [[nodiscard]] EventLoop& base() { return fixture_.base(); }
  [[nodiscard]] const InetAddress& address() const { return fixture_.address(); }
  [[nodiscard]] const InetAddress& path() const { return path_; }

  std::atomic<bool> handed_over{false};
  std::atomic<bool> stopped{false};
  std::atomic<int> failures{0};
  std::atomic<int> last_failure{0};

 private:
  ServerFixture fixture_;
  InetAddress path_;
  std::unique_ptr<TakeoverServer> takeover_;
};

/// A server that has taken over.
class New {
 public:
  New(Takeover takeover, const InetAddress& address, TcpServerOptions options = {.loops = 2})
      : takeover_(std::move(takeover)), fixture_(std::move(options)) {
    fixture_.server().on_message(echo);
    run_on(fixture_.base(), [&] {
      fixture_.server().listen(address, takeover_->listeners()).value();
      fixture_.server().start().value();
    });
  }
  ~New() {
    run_on(fixture_.base(), [this] { takeover_.reset(); });
  }
  New(const New&) = delete;
  New& operator=(const New&) = delete;

  /// The errno value of ready(), 0 for success; -1 if it never answers.
  int ready(Duration limit = kLimit) {
    std::atomic<int> answer{-1};
    run_on(fixture_.base(), [&] {
      takeover_->ready(fixture_.base(), limit, [&](const Result<void>& done) {
        if (done) fixture_.server().own_listeners();
        answer = done ? 0 : done.error().number();
      });
    });
    (void)wait_until([&] { return answer != -1; });
    return answer;
  }

  [[nodiscard]] Takeover& takeover() { return *takeover_; }
  [[nodiscard]] ServerFixture& fixture() { return fixture_; }

 private:
  std::optional<Takeover> takeover_;
  ServerFixture fixture_;
};

int request_error(const InetAddress& path, Duration limit = kLimit) {
  const Result<Takeover> takeover = Takeover::request(path, limit);
  return takeover ? 0 : takeover.error().number();
}

UniqueFd plain_peer(const InetAddress& path) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (::connect(socket.get(), path.get(), path.size()) != 0) return {};
  return socket;
}

TEST(Takeover, TheOldOneDrainsWhenTheNewOneServes) {
  Old old;
  const InetAddress address = old.address();
  RawClient early(address);
  ASSERT_TRUE(early.send("a") && early.read(1) == "a");
  New successor(Takeover::request(old.path(), kLimit).value(), address);
  EXPECT_FALSE(old.handed_over);
  EXPECT_EQ(successor.ready(), 0);
  EXPECT_TRUE(old.handed_over);
  EXPECT_TRUE(early.sees_end());
  early.close();
  ASSERT_TRUE(wait_until([&] { return old.stopped.load(); }));
  const std::uint64_t before = successor.fixture().total(&NetCounters::accepted);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(echoes(address));
  EXPECT_EQ(successor.fixture().total(&NetCounters::accepted), before + 20);
}

TEST(Takeover, TheNewOneMayHaveMoreOrFewerLoops) {
  for (const std::size_t loops : {std::size_t{1}, std::size_t{5}}) {
    Old old({.loops = 3});
    const InetAddress address = old.address();
    New successor(Takeover::request(old.path(), kLimit).value(), address, {.loops = loops});
    ASSERT_EQ(successor.ready(), 0);
    ASSERT_TRUE(wait_until([&] { return old.stopped.load(); }));
    old.end();
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(echoes(address)) << loops << " loops";
  }
}

TEST(Takeover, BringsItsSocketAlongSoThatThePathNeverIsWithoutListener) {
  const std::string path = "/tmp/leat-takeover-" + std::to_string(::getpid());
  const InetAddress address = InetAddress::unix_path(path).value();
  const auto loop = EventLoop::create({.poller = PollerKind::kDefault}).value();
  auto first = TakeoverServer::listen(*loop, address).value();
  struct stat status;
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0600u);
  first->on_request([] { return ListenerSet(); });
  bool handed_over = false;
  first->on_handed_over([&] { handed_over = true; });
  first->start().value();
  // request() waits, so it cannot be called on the loop that has to answer.
  std::optional<Result<Takeover>> asked;
  std::thread asking([&] { asked.emplace(Takeover::request(address, kLimit)); });
  ASSERT_TRUE(testing::run_until(*loop, [&] { return first->is_offered(); }));
  asking.join();
  Takeover takeover = std::move(*asked).value();
  TakeoverServer second(*loop, takeover.take_path_listener());
  bool done = false;
  takeover.ready(*loop, kLimit, [&](const Result<void>& result) { done = result.has_value(); });
  ASSERT_TRUE(testing::run_until(*loop, [&] { return done; }));
  EXPECT_TRUE(handed_over);
  first.reset();
  EXPECT_TRUE(std::filesystem::exists(path));
  EXPECT_TRUE(plain_peer(address));
}

TEST(Takeover, UnixListenersKeepTheirPath) {
  const std::string path = "/tmp/leat-takeover-unix-" + std::to_string(::getpid());
  const InetAddress address = InetAddress::unix_path(path).value();
  {
    Old old;
    run_on(old.base(), [&] { old.server().listen(address).value(); });
    {
      // One that fails before it is ready leaves the path to the old one.
      New failing(Takeover::request(old.path(), kLimit).value(), address);
    }
    EXPECT_TRUE(echoes(address));
    ASSERT_TRUE(wait_until([&] { return old.failures == 1; }));
    New successor(Takeover::request(old.path(), kLimit).value(), address);
    ASSERT_EQ(successor.ready(), 0);
    ASSERT_TRUE(wait_until([&] { return old.stopped.load(); }));
    old.end();
    EXPECT_TRUE(echoes(address));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Takeover, UdpSocketsToo) {
  const InetAddress path = takeover_name();
  const auto loop = EventLoop::create({.poller = PollerKind::kDefault}).value();
  auto socket = UdpSocket::bind(*loop, InetAddress::loopback(0)).value();
  const InetAddress bound = socket->address().value();
  auto server = TakeoverServer::listen(*loop, path).value();
  server->on_request([&]() -> Result<ListenerSet> {
    ListenerSet set;
    set.add(socket->duplicate().value());
    return set;
  });
  server->on_handed_over([&] { socket.reset(); });
  server->start().value();
  std::optional<Result<Takeover>> asked;
  std::thread asking([&] { asked.emplace(Takeover::request(path, kLimit)); });
  ASSERT_TRUE(testing::run_until(*loop, [&] { return server->is_offered(); }));
  asking.join();
  Takeover takeover = std::move(*asked).value();
  auto taken = takeover.listeners().take(ListenerSet::Kind::kUdp, bound);
  ASSERT_EQ(taken.size(), 1u);
  auto adopted = UdpSocket::adopt(*loop, std::move(taken.front())).value();
  std::string received;
  adopted->on_datagrams([&](std::span<const Datagram> datagrams) {
    for (const Datagram& datagram : datagrams) received += datagram.payload;
  });
  adopted->start().value();
  bool done = false;
  takeover.ready(*loop, kLimit, [&](const Result<void>& result) { done = result.has_value(); });
  ASSERT_TRUE(testing::run_until(*loop, [&] { return done; }));
  auto client = UdpSocket::connect(*loop, bound).value();
  client->send("hello").value();
  ASSERT_TRUE(testing::run_until(*loop, [&] { return received == "hello"; }));
}

TEST(Takeover, MoreListenersThanAPacketHolds) {
  const InetAddress path = takeover_name();
  const auto loop = EventLoop::create({.poller = PollerKind::kDefault}).value();
  auto server = TakeoverServer::listen(*loop, path).value();
  constexpr std::size_t kCount = 3 * TakeoverMessage::kMostSockets + 1;
  server->on_request([&]() -> Result<ListenerSet> {
    ListenerSet set;
    for (std::size_t i = 0; i < kCount; ++i) {
      set.add(ListenerSocket::inspect(testing::plain_listener()).value());
    }
    return set;
  });
  server->on_handed_over([] {});
  server->start().value();
  std::optional<Result<Takeover>> asked;
  std::thread asking([&] { asked.emplace(Takeover::request(path, kLimit)); });
  ASSERT_TRUE(testing::run_until(*loop, [&] { return server->is_offered(); }));
  asking.join();
  ASSERT_TRUE(*asked) << asked->error().message();
  EXPECT_EQ((*asked)->listeners().size(), kCount);
}

// Failures: the old one serves on, and the next takeover works.

class TakeoverFailure : public ::testing::Test {
 protected:
  void expect_serving(Old& old) {
    EXPECT_TRUE(echoes(old.address()));
    EXPECT_FALSE(old.handed_over);
    New successor(Takeover::request(old.path(), kLimit).value(), old.address());
    EXPECT_EQ(successor.ready(), 0);
    EXPECT_TRUE(old.handed_over);
  }
};

TEST_F(TakeoverFailure, OfOneThatEndsBeforeItIsReady) {
  Old old;
  {
    New crashing(Takeover::request(old.path(), kLimit).value(), old.address());
  }
  ASSERT_TRUE(wait_until([&] { return old.failures == 1; }));
  EXPECT_EQ(old.last_failure, ECONNRESET);
  expect_serving(old);
}

TEST_F(TakeoverFailure, OfASecondOneDuringTheFirst) {
  Old old;
  New first(Takeover::request(old.path(), kLimit).value(), old.address());
  const Result<Takeover> second = Takeover::request(old.path(), kLimit);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().number(), EBUSY);
  EXPECT_NE(second.error().message().find("another process is taking over"), std::string::npos);
  EXPECT_FALSE(old.handed_over);
  EXPECT_EQ(first.ready(), 0);
  EXPECT_TRUE(old.handed_over) << "to the first, which the second has not pushed out";
}

TEST_F(TakeoverFailure, OfOneThatAsksForNothing) {
  Old old({.loops = 2}, {.request_time = std::chrono::milliseconds(30)});
  const UniqueFd silent = plain_peer(old.path());
  ASSERT_TRUE(silent);
  ASSERT_TRUE(wait_until([&] { return old.failures == 1; }));
  EXPECT_EQ(old.last_failure, ETIMEDOUT);
  expect_serving(old);
}

TEST_F(TakeoverFailure, OfGarbageAndOfAnotherVersion) {
  Old old;
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
  Old old;
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
  Old old;
  const UniqueFd peer = plain_peer(old.path());
  TakeoverMessage ready;
  ready.kind = TakeoverMessage::Kind::kReady;
  ASSERT_TRUE(internal::send_message(peer.get(), ready));
  ASSERT_TRUE(wait_until([&] { return old.failures == 1; }));
  expect_serving(old);
}

TEST_F(TakeoverFailure, OfOneThatTakesTooLong) {
  // Longer than any wait: it is ready_time that ends it.
  Old old({.loops = 2},
          {.request_time = std::chrono::hours(1), .ready_time = std::chrono::milliseconds(30)});
  {
    New late(Takeover::request(old.path(), kLimit).value(), old.address());
    ASSERT_TRUE(wait_until([&] { return old.failures == 1; }));
    EXPECT_EQ(late.ready(), ETIMEDOUT);
  }
  EXPECT_TRUE(echoes(old.address()));
  EXPECT_FALSE(old.handed_over);
}

TEST_F(TakeoverFailure, IsNotToTakeLongerThanARequestMay) {
  Old old({.loops = 2},
          {.request_time = std::chrono::milliseconds(30), .ready_time = std::chrono::hours(1)});
  New slow(Takeover::request(old.path(), kLimit).value(), old.address());
  std::this_thread::sleep_for(std::chrono::milliseconds(150));
  EXPECT_EQ(old.failures, 0);
  EXPECT_EQ(slow.ready(), 0);
  EXPECT_TRUE(old.handed_over);
}

TEST_F(TakeoverFailure, OfTheOldOneMakesTheNewOneTheOnlyOne) {
  Old old;
  const InetAddress address = old.address();
  New successor(Takeover::request(old.path(), kLimit).value(), address);
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
  Old old;
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
  Old old;
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
