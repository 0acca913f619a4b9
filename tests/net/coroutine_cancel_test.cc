// Cancelling and destroying tasks at each suspension of reading, writing, accepting, connecting.
#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "leat/base/random.h"
#include "leat/reactor/when_all.h"
#include "leat/reactor/when_any.h"
#include "leat/reactor/with_timeout.h"

#include "support/coroutine_fixture.h"

namespace leat {
namespace {

using namespace std::chrono_literals;
using test::LiveObjects;
using testing::CoroutineTest;
using testing::open_descriptors;

ConnectionOptions small_buffers() {
  ConnectionOptions options;
  options.kernel_send_buffer = 32 * 1024;
  options.high_water_mark = 8 * 1024;
  options.low_water_mark = 4 * 1024;
  options.receive_limit = 32 * 1024;
  return options;
}

constexpr std::size_t kBulk = 400'000;

/// One connection, used in every way; whatever fails ends it.
Task<> serve(TcpConnectionPtr c, LiveObjects::One) {
  const LiveObjects::One local;
  c->set_context(LiveObjects::One());
  std::vector<Chunk> kept;
  const Result<Chunk> head = co_await c->read_exactly(4);
  if (!head) co_return;
  const Result<Chunk> line = co_await c->read_until("\n", 100);
  if (!line) co_return;
  if (!co_await c->write(std::string(kBulk, 'y'))) co_return;
  if (!co_await c->drained()) co_return;
  for (;;) {
    Result<Chunk> chunk = co_await c->read();
    if (!chunk || chunk->empty()) co_return;
    if (kept.empty()) kept.push_back(std::move(*chunk));
  }
}

Task<> accept_one(TcpListener& listener) {
  const LiveObjects::One local;
  Result<TcpConnectionPtr> c = co_await listener.accept();
  if (c) co_await serve(std::move(*c), {});
}

Task<> come(InetAddress address) {
  const LiveObjects::One local;
  const ConnectOptions options{.timeout = 20s, .connection = small_buffers()};
  const Result<TcpConnectionPtr> connected = co_await connect(address, options);
  if (!connected) co_return;
  const TcpConnectionPtr& c = *connected;
  if (!co_await c->write("head")) co_return;
  static_cast<void>(co_await yield());
  if (!co_await c->write("line\n")) co_return;
  const auto read_bulk = [](TcpConnectionPtr from) -> Task<Result<std::size_t>> {
    std::size_t received = 0;
    while (received < kBulk) {
      const Result<Chunk> chunk = co_await from->read();
      if (!chunk) co_return chunk.error();
      received += chunk->size();
      if (chunk->empty()) break;
    }
    co_return received;
  };
  if (!co_await with_timeout(20s, read_bulk(c))) co_return;
  static_cast<void>(co_await c->write(std::string(kBulk, 'x')));
}

enum class Blow { kCancel, kDrop, kLoopEnds, kCancelAndLoopEnds };

class Scene {
 public:
  Scene()
      : loop_(EventLoop::create().value()),
        listener_(TcpListener::listen(*loop_, InetAddress::loopback(0),
                                      {.batch = 1, .connection = small_buffers()})
                      .value()),
        server_(spawn(*loop_, accept_one(*listener_))),
        client_(spawn(*loop_, come(listener_->address().value()))) {}

  void iterate() {
    loop_->quit();
    EXPECT_TRUE(loop_->loop());
  }
  [[nodiscard]] bool is_done() const { return server_.is_done() && client_.is_done(); }
  void strike(Blow blow, bool at_server) {
    TaskHandle& task = at_server ? server_ : client_;
    if (blow == Blow::kCancel || blow == Blow::kCancelAndLoopEnds) task.cancel();
    if (blow == Blow::kDrop) task.drop();
    if (blow == Blow::kLoopEnds || blow == Blow::kCancelAndLoopEnds) return loop_.reset();
    const auto limit = std::chrono::steady_clock::now() + 20s;
    while (!task.is_done() && std::chrono::steady_clock::now() < limit) iterate();
    EXPECT_TRUE(task.is_done());
    // The other side hears of it, unless they had not met.
    if (at_server) listener_.reset();
    if (!at_server && listener_->counters().accepted.load() == 0) server_.cancel();
    while (!is_done() && std::chrono::steady_clock::now() < limit) iterate();
    EXPECT_TRUE(is_done());
  }

 private:
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<TcpListener> listener_;
  TaskHandle server_;
  TaskHandle client_;
};

TEST(CoroutineCancel, EachSuspension) {
  for (const Blow blow : {Blow::kCancel, Blow::kDrop, Blow::kLoopEnds, Blow::kCancelAndLoopEnds}) {
    for (const bool at_server : {false, true}) {
      bool ended_by_itself = false;
      for (int before = 0; !ended_by_itself && !HasFailure(); ++before) {
        SCOPED_TRACE(::testing::Message()
                     << "blow " << static_cast<int>(blow) << " at "
                     << (at_server ? "server" : "client") << " after " << before);
        const std::size_t descriptors = open_descriptors();
        {
          Scene scene;
          for (int i = 0; i < before; ++i) scene.iterate();
          ended_by_itself = scene.is_done();
          scene.strike(blow, at_server);
        }
        EXPECT_EQ(LiveObjects::count(), 0);
        EXPECT_EQ(open_descriptors(), descriptors);
        ASSERT_LT(before, 10'000);
      }
    }
  }
}

TEST_F(CoroutineTest, TheNextTaskAcceptsWhatADroppedOneWaitedFor) {
  const auto listener = TcpListener::listen(loop, InetAddress::loopback(0)).value();
  const InetAddress address = listener->address().value();
  std::vector<int> accepted;
  const auto accept = [&](int number) -> Task<> {
    if (co_await listener->accept()) accepted.push_back(number);
  };
  TaskHandle first = spawn(loop, accept(1));
  TaskHandle second = spawn(loop, accept(2));
  TaskHandle third = spawn(loop, accept(3));
  iterate();
  first.drop();
  second.cancel();
  run_task([&]() -> Task<> {
    const TcpConnectionPtr client = (co_await connect(address)).value();
    (co_await third.join()).value();
  });
  EXPECT_EQ(accepted, std::vector<int>{3});
}

TEST_F(CoroutineTest, ACancelledReadLeavesTheConnectionAsItWas) {
  talk(
      [&](TcpConnectionPtr c) -> Task<> {
        const auto read = [](TcpConnectionPtr from) -> Task<Result<Chunk>> {
          co_return co_await from->read_exactly(6);
        };
        (co_await c->write("?")).value();
        // Half of it has come.
        while (c->bytes_received() < 3) static_cast<void>(co_await yield());
        EXPECT_EQ((co_await with_timeout(1ms, read(c))).error().number(), ETIMEDOUT);
        (co_await c->write("?")).value();
        EXPECT_EQ((co_await read(c)).value().view(), "abcdef");
      },
      [](TcpConnectionPtr c) -> Task<> {
        EXPECT_EQ((co_await c->read_exactly(1)).value().view(), "?");
        (co_await c->write("abc")).value();
        EXPECT_EQ((co_await c->read_exactly(1)).value().view(), "?");
        (co_await c->write("def")).value();
      });
}

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define LEAT_THREAD_SANITIZER 1
#endif
#endif
// One thread has no races: under that sanitizer it is only slow.
#if defined(LEAT_THREAD_SANITIZER)
constexpr int kIterations = 4'000;
#else
constexpr int kIterations = 20'000;
#endif

TEST(CoroutineStress, RandomCancellations) {
  const std::size_t descriptors = open_descriptors();
  Random random(20261122);
  {
    const auto loop = EventLoop::create().value();
    const auto listener =
        TcpListener::listen(*loop, InetAddress::loopback(0), {.connection = small_buffers()})
            .value();
    const InetAddress address = listener->address().value();
    std::vector<TaskHandle> tasks;
    const auto add = [&] {
      tasks.push_back(random.uniform(0, 1) == 0 ? spawn(*loop, come(address))
                                                : spawn(*loop, accept_one(*listener)));
    };
    for (int i = 0; i < 40; ++i) add();
    for (int i = 0; i < kIterations; ++i) {
      loop->quit();
      ASSERT_TRUE(loop->loop());
      TaskHandle& task = tasks[random.uniform(0, tasks.size() - 1)];
      const auto kind = random.uniform(0, 19);
      if (kind == 0) task.cancel();
      if (kind == 1) task.drop();
      if (task.is_done()) {
        task = std::move(tasks.back());
        tasks.pop_back();
        add();
      }
    }
  }
  EXPECT_EQ(LiveObjects::count(), 0);
  EXPECT_EQ(open_descriptors(), descriptors);
}

}  // namespace
}  // namespace leat
