// Coroutines with connections for which memory runs out, at each allocation in turn.
#include <memory>
#include <new>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "leat/base/logging.h"
#include "leat/reactor/when_all.h"

#include "support/coroutine_fixture.h"
#include "tests/reactor/failing_allocator.h"

namespace leat {
namespace {

using namespace std::chrono_literals;
using test::FailingAllocation;
using test::LiveObjects;
using testing::open_descriptors;

Task<> serve(TcpListener& listener) {
  const LiveObjects::One local;
  const TcpConnectionPtr c = (co_await listener.accept()).value();
  c->set_context(LiveObjects::One());
  for (;;) {
    const Result<Chunk> chunk = co_await c->read();
    if (!chunk || chunk->empty()) co_return;
    if (!co_await c->write(chunk->view())) co_return;
  }
}

Task<> come(InetAddress address, bool& completed) {
  const LiveObjects::One local;
  const Result<TcpConnectionPtr> c = co_await connect(address);
  if (!c) co_return;
  if (!co_await (*c)->write(std::string(100'000, 'x'))) co_return;
  std::size_t received = 0;
  while (received < 100'000) {
    const Result<Chunk> chunk = co_await (*c)->read();
    if (!chunk || chunk->empty()) co_return;
    received += chunk->size();
  }
  completed = true;
}

TEST(CoroutineOutOfMemory, NothingIsLeft) {
  int failures = 0;
  bool happened = true;
  for (std::size_t nth = 1; happened && !HasFailure(); ++nth) {
    SCOPED_TRACE(nth);
    const std::size_t descriptors = open_descriptors();
    auto loop = EventLoop::create().value();
    auto listener = TcpListener::listen(*loop, InetAddress::loopback(0)).value();
    const InetAddress address = listener->address().value();
    bool completed = false;
    bool thrown = false;
    TaskHandle server;
    TaskHandle client;
    loop->run_after(20s, [&] { loop->quit(); });
    {
      const FailingAllocation failing(nth);
      try {
        server = spawn(*loop, serve(*listener));
        client = spawn(*loop, come(address, completed));
        // Either side ends when the other does, if the two have met.
        while (!client.is_done()) {
          loop->quit();
          static_cast<void>(loop->loop());
          if (server.is_done()) listener.reset();
        }
      } catch (const std::bad_alloc&) {
        thrown = true;
      }
      happened = FailingAllocation::happened();
    }
    EXPECT_TRUE(completed || happened);
    failures += happened ? 1 : 0;
    try {
      server = {};
      client = {};
      loop->quit();
      static_cast<void>(loop->loop());
    } catch (const std::bad_alloc&) {
      thrown = true;
    }
    listener.reset();
    loop.reset();
    EXPECT_EQ(LiveObjects::count(), 0);
    EXPECT_EQ(open_descriptors(), descriptors);
    static_cast<void>(thrown);
  }
  EXPECT_GT(failures, 20);
}

}  // namespace
}  // namespace leat
