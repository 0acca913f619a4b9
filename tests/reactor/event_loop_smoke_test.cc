#include <unistd.h>

#include <array>
#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "leat/base/unique_fd.h"
#include "leat/reactor/channel.h"
#include "leat/reactor/event_loop.h"

namespace leat {
namespace {

using namespace std::chrono_literals;

TEST(EventLoopSmoke, ReadsTicksAndTakesTasksFromAnotherThread) {
  auto loop = EventLoop::create().value();
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);

  int read_count = 0;
  Channel channel(*loop, reader.get());
  channel.on_read([&](Timestamp) {
    char byte = 0;
    ASSERT_EQ(::read(reader.get(), &byte, 1), 1);
    ++read_count;
    channel.remove();
  });
  ASSERT_TRUE(channel.enable_reading());

  int ticks = 0;
  TimerId ticker;
  ticker = loop->run_every(1ms, [&] {
    if (++ticks == 3) loop->cancel(ticker);
    if (ticks == 1) {
      ASSERT_EQ(::write(writer.get(), "x", 1), 1);
    }
  });

  std::thread other([handle = loop->handle(), &loop = *loop, &ticks, &read_count] {
    // Queues itself until the rest is done.
    struct Poll {
      static void again(EventLoop& on, int& t, int& r) {
        if (t >= 3 && r == 1) {
          on.quit();
        } else {
          on.queue_in_loop([&] { again(on, t, r); });
        }
      }
    };
    EXPECT_TRUE(handle.queue([&] { Poll::again(loop, ticks, read_count); }));
  });
  EXPECT_TRUE(loop->loop());
  other.join();
  EXPECT_EQ(read_count, 1);
  EXPECT_EQ(ticks, 3);
  EXPECT_EQ(loop->timer_count(), 0u);
}

}  // namespace
}  // namespace leat
