// The ring by itself: what is submitted is answered once, whatever happens in between.
#include "leat/reactor/internal/uring.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/reactor/loop_test.h"
#include "tests/reactor/system_call_filter.h"

namespace leat::internal {
namespace {

using namespace std::chrono_literals;
using test::Ends;

/// Keeps all its answers.
class Noted : public UringOperation {
 public:
  void complete(int result, std::uint32_t flags) override {
    results.push_back(result);
    if (then) then(result, flags);
  }
  std::vector<int> results;
  std::function<void(int, std::uint32_t)> then;
};

class UringTest : public testing::Test {
 protected:
  void SetUp() override {
    Result<std::unique_ptr<Uring>> made = Uring::create();
    if (!made) GTEST_SKIP() << made.error().message();
    ring = std::move(*made);
  }

  /// Until `condition` holds, or for a generous time.
  template <typename Condition>
  [[nodiscard]] bool serve_until(Condition condition) {
    const MonotonicTime limit = monotonic_now() + 20s;
    while (!condition()) {
      if (monotonic_now() > limit) return false;
      EXPECT_TRUE(ring->poll(10ms));
      ring->dispatch();
    }
    return true;
  }
  void serve() {
    EXPECT_TRUE(ring->poll(Duration::zero()));
    ring->dispatch();
  }

  void submit_nothing(UringOperation& operation) {
    io_uring_sqe& entry = ring->entry();
    io_uring_prep_nop(&entry);
    ring->submit(entry, operation);
  }
  void receive(const UniqueFd& fd, UringOperation& operation) {
    io_uring_sqe& entry = ring->entry();
    io_uring_prep_recv_multishot(&entry, fd.get(), nullptr, 0, 0);
    entry.flags |= IOSQE_BUFFER_SELECT;
    entry.buf_group = UringBuffers::kGroup;
    ring->submit(entry, operation);
  }
  void watch(const UniqueFd& fd, UringOperation& operation) {
    io_uring_sqe& entry = ring->entry();
    io_uring_prep_poll_add(&entry, fd.get(), POLLIN);
    ring->submit(entry, operation);
  }

  std::unique_ptr<Uring> ring;
  Ends ends = Ends::socket_pair();
};

TEST_F(UringTest, AFlushHandsInAndDispatchesNothing) {
  Noted nothing;
  submit_nothing(nothing);
  ring->flush();
  EXPECT_TRUE(nothing.in_flight());
  EXPECT_TRUE(nothing.results.empty());
  EXPECT_EQ(ring->poll(std::nullopt).value(), 1u) << "it does not wait for more";
  ring->dispatch();
  EXPECT_EQ(nothing.results, std::vector{0});
}

TEST_F(UringTest, CancelEndsAWait) {
  Noted waiting;
  watch(ends.a, waiting);
  serve();
  EXPECT_TRUE(waiting.results.empty());
  ring->cancel(waiting);
  ring->cancel(waiting);  // finds nothing, and nobody hears of it
  EXPECT_TRUE(serve_until([&] { return !waiting.in_flight(); }));
  serve();
  EXPECT_EQ(waiting.results, std::vector{-ECANCELED});
}

TEST_F(UringTest, AnswersThatDoNotFitIntoTheQueueAreNotLost) {
  // Nobody reaps while these are handed in, and the queue holds 4096.
  std::vector<Noted> nothing(20'000);
  for (Noted& operation : nothing) submit_nothing(operation);
  EXPECT_EQ(ring->poll(20s).value(), nothing.size());
  ring->dispatch();
  for (const Noted& operation : nothing) ASSERT_EQ(operation.results, std::vector{0});
  EXPECT_EQ(ring->in_flight(), 0u);
}

TEST_F(UringTest, ReceivesThatMeetAFullQueueLoseNothing) {
  // Each message is an answer of its own; the first ones fill the queue.
  std::vector<Noted> nothing(6'000);
  std::string got;
  Noted receiving;
  receiving.then = [&](int result, std::uint32_t flags) {
    if ((flags & IORING_CQE_F_BUFFER) != 0) {
      if (result > 0) got += ring->buffers().bytes(result, flags);
      ring->buffers().give_back(result, flags);
    }
    if (!receiving.in_flight() && result != -ECANCELED) receive(ends.a, receiving);
  };
  receive(ends.a, receiving);
  serve();
  std::string expected;
  for (int round = 0; round < 20; ++round) {
    for (Noted& operation : nothing) submit_nothing(operation);
    ring->flush();
    const std::string text(1000, static_cast<char>('a' + round));
    test::write_to(ends.b, text);
    expected += text;
    ring->flush();
    serve();
  }
  EXPECT_TRUE(serve_until([&] { return got.size() == expected.size(); }));
  EXPECT_EQ(got, expected);
  for (const Noted& operation : nothing) EXPECT_EQ(operation.results.size(), 20u);
  ring.reset();  // before the operations
}

TEST_F(UringTest, AnExceptionLosesNoAnswer) {
  std::vector<Noted> operations(10);
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < operations.size(); ++i) {
    operations[i].then = [&order, i](int, std::uint32_t) {
      order.push_back(i);
      if (i == 3 || i == 4) throw std::runtime_error("oops");
    };
    submit_nothing(operations[i]);
  }
  ASSERT_TRUE(ring->poll(20s));
  EXPECT_THROW(ring->dispatch(), std::runtime_error);
  // It does not wait while there are some, and takes what has come since.
  Noted later;
  submit_nothing(later);
  EXPECT_EQ(ring->poll(std::nullopt).value(), 7u);
  EXPECT_THROW(ring->dispatch(), std::runtime_error);
  EXPECT_EQ(ring->poll(std::nullopt).value(), 6u);
  ring->dispatch();
  EXPECT_EQ(order, (std::vector<std::size_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(later.results.size(), 1u);
  EXPECT_EQ(ring->in_flight(), 0u);
}

TEST_F(UringTest, AnOperationMaySubmitAgainAndAnotherMayDeleteItself) {
  struct Fleeting final : UringOperation {
    explicit Fleeting(int& left_in) : left(left_in) {}
    void complete(int, std::uint32_t) override {
      --left;
      delete this;
    }
    int& left;
  };
  int left = 100;
  for (int i = 0; i < 50; ++i) submit_nothing(*new Fleeting(left));
  for (int i = 0; i < 50; ++i) watch(ends.a, *new Fleeting(left));
  test::write_to(ends.b, "x");
  Noted again;
  again.then = [&](int, std::uint32_t) {
    if (again.results.size() < 5) submit_nothing(again);
  };
  submit_nothing(again);
  EXPECT_TRUE(serve_until([&] { return again.results.size() == 5 && left == 0; }));
  EXPECT_EQ(ring->in_flight(), 0u);
}

TEST_F(UringTest, ItsEndCancelsWhatIsInFlight) {
  std::vector<Noted> waiting(2000);
  for (Noted& operation : waiting) watch(ends.a, operation);
  Noted receiving;
  receive(ends.a, receiving);
  serve();
  Noted late;
  watch(ends.a, late);
  ring.reset();
  for (const Noted& operation : waiting) ASSERT_EQ(operation.results, std::vector{-ECANCELED});
  EXPECT_EQ(receiving.results, std::vector{-ECANCELED});
  EXPECT_EQ(late.results, std::vector{-ECANCELED});
}

TEST_F(UringTest, ItsEndDispatchesWhatAnExceptionLeft) {
  std::vector<Noted> operations(3);
  operations[0].then = [](int, std::uint32_t) { throw 1; };
  for (Noted& operation : operations) submit_nothing(operation);
  ASSERT_TRUE(ring->poll(20s));
  EXPECT_THROW(ring->dispatch(), int);
  ring.reset();
  for (const Noted& operation : operations) EXPECT_EQ(operation.results, std::vector{0});
}

TEST_F(UringTest, ADescriptorIsClosedBehindItsRequests) {
  Noted receiving;
  Noted watching;
  receive(ends.a, receiving);
  const int number = ends.a.get();
  serve();
  watch(ends.a, watching);  // not handed in yet
  ring->cancel(receiving);
  ring->cancel(watching);
  ring->close_later(std::move(ends.a));
  ring->flush();
  EXPECT_EQ(::fcntl(number, F_GETFD), -1) << "still open";
  char byte;
  EXPECT_EQ(::recv(ends.b.get(), &byte, 1, MSG_DONTWAIT), 0) << "the peer has not been told";
  serve();
  EXPECT_EQ(receiving.results, std::vector{-ECANCELED});
  EXPECT_EQ(watching.results, std::vector{-ECANCELED});
}

TEST_F(UringTest, ADescriptorIsClosedThoughTheQueueIsFull) {
  std::vector<Noted> nothing(6'000);
  Noted receiving;
  receive(ends.a, receiving);
  serve();
  for (Noted& operation : nothing) submit_nothing(operation);
  ring->flush();
  ring->cancel(receiving);
  ring->close_later(std::move(ends.a));
  ring->flush();
  char byte;
  EXPECT_EQ(::recv(ends.b.get(), &byte, 1, MSG_DONTWAIT), 0) << "the peer has not been told";
  serve();
  EXPECT_EQ(receiving.results, std::vector{-ECANCELED});
  for (const Noted& operation : nothing) ASSERT_EQ(operation.results, std::vector{0});
}

TEST_F(UringTest, ThatIsRefusedByTheKernelSaysSoAndEnds) {
  ring.reset();
  bool denied = false;
  // The filter stays with its thread.
  std::thread([&] {
    Result<std::unique_ptr<Uring>> made = Uring::create();
    if (!made) return;
    ring = std::move(*made);
    Noted waiting;
    watch(ends.a, waiting);
    serve();
    denied = test::deny_system_calls({SYS_io_uring_enter}, EPERM);
    if (!denied) return ring.reset();
    // More than fit into its queue: there is no room for them, and no waiting for some.
    std::vector<Noted> nothing(2000);
    for (Noted& operation : nothing) submit_nothing(operation);
    const Result<std::size_t> polled = ring->poll(20s);
    ASSERT_FALSE(polled);
    EXPECT_EQ(polled.error().number(), EPERM);
    ring->cancel(waiting);
    ring->flush();
    const int number = ends.b.get();
    ring->close_later(std::move(ends.b));
    EXPECT_EQ(::fcntl(number, F_GETFD), -1);
    ring.reset();
  }).join();
  if (!denied) GTEST_SKIP() << "seccomp filters cannot be installed here";
}

}  // namespace
}  // namespace leat::internal
