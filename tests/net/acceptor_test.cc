#include "leat/net/acceptor.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/resource.h>

#include <cerrno>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "leat/base/logging.h"
#include "leat/net/internal/accept_error.h"
#include "leat/net/internal/socket_ops.h"

#include "support/raw_sockets.h"

namespace leat {
namespace {

using testing::plain_connect;
using testing::run_until;

class AcceptorTest : public ::testing::Test {
 protected:
  void open(AcceptorOptions options = {}, const InetAddress& address = InetAddress::loopback(0)) {
    options.counters = &counters;
    acceptor = Acceptor::listen(*loop, address, options).value();
    acceptor->on_accept([this](std::vector<ConnectedSocket>&& sockets) {
      batches.push_back(sockets.size());
      for (ConnectedSocket& socket : sockets) accepted.push_back(std::move(socket));
      if (after_batch) after_batch();
    });
    bound = acceptor->address().value();
  }
  void start() { acceptor->start().value(); }
  void connect(int count) {
    for (int i = 0; i < count; ++i) {
      clients.push_back(plain_connect(bound));
      ASSERT_TRUE(clients.back()) << i;
    }
  }
  bool wait_for(std::size_t count) {
    return run_until(*loop, [&] { return accepted.size() >= count; });
  }
  /// Runs the loop for as long as anything is ready.
  void settle() {
    for (int i = 0; i < 10; ++i) {
      loop->queue_in_loop([this] { loop->quit(); });
      loop->loop().value();
    }
  }

  std::unique_ptr<EventLoop> loop = EventLoop::create().value();
  NetCounters counters;
  std::unique_ptr<Acceptor> acceptor;
  InetAddress bound;
  std::vector<std::size_t> batches;
  std::vector<ConnectedSocket> accepted;
  std::vector<UniqueFd> clients;
  std::function<void()> after_batch;
};

TEST_F(AcceptorTest, AcceptsNonBlockingSocketsWithTheirPeers) {
  open();
  start();
  connect(1);
  ASSERT_TRUE(wait_for(1));
  const int fd = accepted[0].fd.get();
  EXPECT_EQ(accepted[0].peer, InetAddress::local_of(clients[0].get()).value());
  EXPECT_NE(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_NE(testing::int_option(fd, IPPROTO_TCP, TCP_NODELAY), 0);
}

TEST_F(AcceptorTest, TakesNoMoreThanABatchAtOnceAndAllInTheEnd) {
  open({.batch = 8});
  connect(100);
  start();
  ASSERT_TRUE(wait_for(100));
  for (const std::size_t size : batches) EXPECT_LE(size, 8u);
  EXPECT_EQ(batches[0], 1u);  // It doubles from here.
  EXPECT_EQ(batches[5], 8u);
  EXPECT_LE(batches.size(), 20u);
  settle();
  EXPECT_EQ(accepted.size(), 100u);
}

TEST_F(AcceptorTest, ASingleConnectionCostsOneAccept) {
  open();
  start();
  for (std::size_t i = 1; i <= 20; ++i) {
    connect(1);
    ASSERT_TRUE(wait_for(i));
    settle();
  }
  EXPECT_EQ(counters.accept_wake_ups.load(), 20u);
  EXPECT_EQ(counters.accept_empty.load(), 0u);
  EXPECT_EQ(batches, std::vector<std::size_t>(20, 1));

  // Nor did the budget grow, whether the queue was looked at an even or an odd number of times.
  for (int round = 0; round < 2; ++round) {
    batches.clear();
    connect(2);
    ASSERT_TRUE(wait_for(22 + static_cast<std::size_t>(round) * 3));
    EXPECT_EQ(batches[0], 1u);
    settle();
    connect(1);
    ASSERT_TRUE(wait_for(23 + static_cast<std::size_t>(round) * 3));
    settle();
  }
}

TEST_F(AcceptorTest, ClosesWhatTheCallbackLeaves) {
  open();
  acceptor->on_accept([&](std::vector<ConnectedSocket>&&) { batches.push_back(1); });
  start();
  connect(1);
  ASSERT_TRUE(run_until(*loop, [&] { return !batches.empty(); }));
  char byte;
  EXPECT_EQ(::recv(clients[0].get(), &byte, 1, 0), 0);
}

TEST_F(AcceptorTest, TakesOverAMovedVector) {
  open();
  std::vector<std::vector<ConnectedSocket>> kept;
  acceptor->on_accept(
      [&](std::vector<ConnectedSocket>&& sockets) { kept.push_back(std::move(sockets)); });
  start();
  connect(2);
  ASSERT_TRUE(run_until(*loop, [&] { return kept.size() == 2; }));
  EXPECT_EQ(kept[0].size(), 1u);
  EXPECT_EQ(kept[1].size(), 1u);
}

TEST_F(AcceptorTest, PausesFromItsCallbackAndResumes) {
  open();
  connect(5);
  after_batch = [this] { acceptor->pause(); };
  start();
  ASSERT_TRUE(wait_for(1));
  settle();
  EXPECT_EQ(accepted.size(), 1u);
  after_batch = {};
  acceptor->resume();
  EXPECT_TRUE(wait_for(5));
}

TEST_F(AcceptorTest, DrainTakesWhatWaitsAlsoWhenPaused) {
  open({.batch = 4});
  connect(10);
  EXPECT_EQ(acceptor->drain(), 10u);
  EXPECT_EQ(accepted.size(), 10u);
  EXPECT_EQ(batches, (std::vector<std::size_t>{4, 4, 2}));
  EXPECT_EQ(acceptor->drain(), 0u);
}

TEST_F(AcceptorTest, MayDrainFromItsCallback) {
  open();
  connect(10);
  after_batch = [this] {
    after_batch = {};
    acceptor->drain();
  };
  start();
  EXPECT_TRUE(wait_for(10));
}

TEST_F(AcceptorTest, AcceptsOnUnixSockets) {
  open({}, InetAddress::unix_abstract("leat-acceptor-test").value());
  start();
  connect(2);
  ASSERT_TRUE(wait_for(2));
  EXPECT_EQ(accepted[0].peer.to_string(), "unix:");
}

TEST_F(AcceptorTest, TwoLoopsShareAListener) {
  open({.exclusive = true});
  start();
  const auto loop2 = EventLoop::create().value();
  NetCounters counters2;
  Acceptor second(*loop2, UniqueFd(::fcntl(acceptor->fd(), F_DUPFD_CLOEXEC, 0)),
                  {.exclusive = true, .counters = &counters2});
  std::size_t accepted2 = 0;
  second.on_accept([&](std::vector<ConnectedSocket>&& sockets) { accepted2 += sockets.size(); });
  second.start().value();
  connect(1);
  ASSERT_TRUE(wait_for(1));
  acceptor->pause();
  connect(1);
  ASSERT_TRUE(run_until(*loop2, [&] { return accepted2 == 1; }));
  // What another loop took is a wake-up for nothing here, and no more than that.
  EXPECT_EQ(counters2.accept_wake_ups.load(), counters2.accept_empty.load() + 1);
}

TEST_F(AcceptorTest, ReportsAnAddressInUse) {
  open();
  const auto second = Acceptor::listen(*loop, bound);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().number(), EADDRINUSE);
}

TEST_F(AcceptorTest, DestructionClosesTheListener) {
  open();
  start();
  acceptor.reset();
  EXPECT_FALSE(plain_connect(bound));
  EXPECT_EQ(errno, ECONNREFUSED);
}

// Out of descriptors.

/// Lowers the limit so that `free` more can be opened, and restores it.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(int free) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    // Fills the gaps: a limit does not count descriptors, it bounds their numbers.
    for (;;) {
      UniqueFd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
      const bool last = fd.get() >= kHighest;
      fill_.push_back(std::move(fd));
      if (last) break;
    }
    for (int i = 0; i < free; ++i) fill_.pop_back();
    rlimit limit{kHighest + 1, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  ~DescriptorLimit() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  DescriptorLimit(const DescriptorLimit&) = delete;
  DescriptorLimit& operator=(const DescriptorLimit&) = delete;

  void free_one() { fill_.pop_back(); }

 private:
  static constexpr int kHighest = 200;
  rlimit before_{};
  std::deque<UniqueFd> fill_;
};

class LogCapture {
 public:
  LogCapture() {
    set_log_sink([this](const LogRecord& record) { messages.emplace_back(record.message); });
  }
  ~LogCapture() { set_log_sink({}); }
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  std::vector<std::string> messages;
};

TEST_F(AcceptorTest, WithoutDescriptorsItNeitherSpinsNorDiesNorLosesAnybody) {
  open();
  connect(20);
  LogCapture log;
  DescriptorLimit limit(3);
  start();
  ASSERT_TRUE(run_until(*loop, [&] { return counters.accept_paused.load() >= 3; }));
  EXPECT_EQ(accepted.size(), 3u);
  ASSERT_EQ(log.messages.size(), 1u);
  EXPECT_NE(log.messages[0].find(bound.to_string()), std::string::npos) << log.messages[0];
  EXPECT_NE(log.messages[0].find("Too many open files"), std::string::npos);
  EXPECT_NE(log.messages[0].find("the limit is 201"), std::string::npos);
  EXPECT_NE(log.messages[0].find("ulimit -n"), std::string::npos);

  // Each try is one wake-up; a spinning loop would have thousands in this time.
  EXPECT_LE(counters.accept_wake_ups.load(), counters.accept_paused.load() + 3);

  for (std::size_t i = 3; i < 20; ++i) {
    limit.free_one();
    ASSERT_TRUE(wait_for(i + 1)) << i;
  }
  EXPECT_EQ(log.messages.size(), 1u);
  settle();
  EXPECT_EQ(accepted.size(), 20u);
  for (UniqueFd& client : clients) {
    EXPECT_EQ(::send(client.get(), "x", 1, MSG_NOSIGNAL), 1);
  }
}

TEST_F(AcceptorTest, BacksOffLongerWhileNothingComes) {
  open();
  connect(1);
  LogCapture log;
  DescriptorLimit limit(0);
  start();
  const MonotonicTime begin = monotonic_now();
  ASSERT_TRUE(run_until(*loop, [&] { return counters.accept_paused.load() >= 6; }));
  // 10 + 20 + 40 + 80 + 160 ms: timers are never early.
  EXPECT_GE(monotonic_now() - begin, std::chrono::milliseconds(310));
  EXPECT_EQ(counters.accept_wake_ups.load(), 6u);
}

TEST_F(AcceptorTest, MayBePausedResumedAndDestroyedWithoutDescriptors) {
  open();
  connect(1);
  LogCapture log;
  {
    DescriptorLimit limit(0);
    start();
    ASSERT_TRUE(run_until(*loop, [&] { return counters.accept_paused.load() == 1; }));
    // Resuming does not shorten the delay: callers who pause and resume would spin.
    for (int i = 0; i < 200; ++i) {
      acceptor->pause();
      acceptor->resume();
      loop->queue_in_loop([this] { loop->quit(); });
      loop->loop().value();
    }
    EXPECT_LT(counters.accept_wake_ups.load(), 100u);
    EXPECT_EQ(acceptor->drain(), 0u);
    ASSERT_TRUE(run_until(*loop, [&] { return counters.accept_paused.load() >= 3; }));
    acceptor->pause();
    settle();
  }
  acceptor->resume();
  EXPECT_TRUE(wait_for(1));
  {
    connect(1);
    DescriptorLimit limit(0);
    const std::uint64_t before = counters.accept_paused.load();
    ASSERT_TRUE(run_until(*loop, [&] { return counters.accept_paused.load() > before; }));
    acceptor.reset();
  }
  EXPECT_EQ(loop->timer_count(), 0u);
}

TEST_F(AcceptorTest, ABrokenListenerIsToldOnceAndTriedSlowly) {
  LogCapture log;
  // A connected socket is readable at its end and cannot accept.
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
  UniqueFd other(pair[1]);
  Acceptor broken(*loop, UniqueFd(pair[0]), {.counters = &counters});
  broken.on_accept([](std::vector<ConnectedSocket>&&) { FAIL(); });
  broken.start().value();
  other.reset();
  ASSERT_TRUE(run_until(*loop, [&] { return counters.accept_paused.load() == 3; }));
  EXPECT_EQ(counters.accept_wake_ups.load(), 3u);
  ASSERT_EQ(log.messages.size(), 1u);
  EXPECT_NE(log.messages[0].find("Invalid argument"), std::string::npos) << log.messages[0];
}

TEST(AcceptError, KnowsWhatConcernsOneConnection) {
  using internal::AcceptError;
  using internal::classify_accept_error;
  EXPECT_EQ(classify_accept_error(EAGAIN), AcceptError::kEmpty);
  EXPECT_EQ(classify_accept_error(EINTR), AcceptError::kInterrupted);
  for (const int number : {ECONNABORTED, EPERM, EPROTO, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET,
                           EHOSTUNREACH, ENETUNREACH}) {
    EXPECT_EQ(classify_accept_error(number), AcceptError::kConnection) << number;
  }
  for (const int number : {EMFILE, ENFILE, ENOBUFS, ENOMEM}) {
    EXPECT_EQ(classify_accept_error(number), AcceptError::kShortage) << number;
    EXPECT_NE(internal::explain_accept_error(number).find(" ("), std::string::npos);
  }
  for (const int number : {EBADF, EINVAL, ENOTSOCK, EOPNOTSUPP, EFAULT}) {
    EXPECT_EQ(classify_accept_error(number), AcceptError::kUnexpected) << number;
  }
}

}  // namespace
}  // namespace leat
