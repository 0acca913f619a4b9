// An exception leaves loop() with nothing lost.
#include <stdexcept>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/reactor/loop_test.h"

namespace leat {
namespace {

using namespace std::chrono_literals;
using test::Ends;
using testing::ElementsAre;

struct Thrown : std::runtime_error {
  Thrown() : std::runtime_error("thrown by a callback") {}
};

class EventLoopException : public test::LoopTest {
 protected:
  void expect_throw() { EXPECT_THROW(static_cast<void>(loop.loop()), Thrown); }
  LoopTask note(int number) {
    return [this, number] { order.push_back(number); };
  }
  std::vector<int> order;
};

TEST_F(EventLoopException, OutOfATask) {
  loop.queue_in_loop(note(1));
  loop.queue_in_loop([] { throw Thrown(); });
  loop.queue_in_loop(note(2));
  loop.queue_in_loop([this] {
    order.push_back(3);
    loop.queue_in_loop(note(5));
  });
  expect_throw();
  EXPECT_THAT(order, ElementsAre(1));
  loop.queue_in_loop(note(4));
  iterate();
  EXPECT_THAT(order, ElementsAre(1, 2, 3, 4)) << "the rest first, then what came later";
  iterate();
  EXPECT_THAT(order, ElementsAre(1, 2, 3, 4, 5));
}

TEST_F(EventLoopException, OutOfTheLastTask) {
  loop.queue_in_loop([] { throw Thrown(); });
  expect_throw();
  iterate();
  EXPECT_EQ(loop.counters().tasks_run.load(), 1u);
}

TEST_F(EventLoopException, OutOfATimer) {
  loop.run_at(MonotonicTime(), [] { throw Thrown(); });
  loop.run_at(MonotonicTime(), note(1));
  loop.queue_in_loop(note(2));
  expect_throw();
  EXPECT_TRUE(order.empty());
  EXPECT_EQ(loop.counters().timers_fired.load(), 1u) << "counted, though it threw";
  iterate();
  EXPECT_THAT(order, ElementsAre(1, 2));
}

TEST_F(EventLoopException, OutOfAChannel) {
  std::vector<Ends> pipes;
  std::vector<std::unique_ptr<Channel>> channels;
  int throws = 0;
  int calls = 0;
  for (int i = 0; i < 3; ++i) {
    pipes.push_back(Ends::pipe());
    test::write_to(pipes.back().b, "x");
    channels.push_back(std::make_unique<Channel>(loop, pipes.back().a.get()));
    channels.back()->on_read([&, channel = channels.back().get()](Timestamp) {
      if (throws++ == 0) throw Thrown();
      channel->remove();
      if (++calls == 3) loop.quit();
    });
    ASSERT_TRUE(channels.back()->enable_reading());
  }
  expect_throw();
  run();
  EXPECT_EQ(calls, 3);
}

TEST_F(EventLoopException, AChannelMayGoBetweenTheExceptionAndTheNextLoop) {
  Ends first = Ends::pipe();
  Ends second = Ends::pipe();
  test::write_to(first.b, "x");
  test::write_to(second.b, "x");
  auto a = std::make_unique<Channel>(loop, first.a.get());
  auto b = std::make_unique<Channel>(loop, second.a.get());
  for (Channel* channel : {a.get(), b.get()}) {
    channel->on_read([](Timestamp) { throw Thrown(); });
    ASSERT_TRUE(channel->enable_reading());
  }
  expect_throw();
  a.reset();
  b.reset();
  iterate();
}

TEST_F(EventLoopException, OutOfWriteCloseAndErrorCallbacks) {
  Ends ends = Ends::socket_pair();
  Channel writer(loop, ends.a.get());
  writer.on_write([] { throw Thrown(); });
  ASSERT_TRUE(writer.enable_writing());
  expect_throw();
  writer.remove();

  Ends pipe = Ends::pipe();
  Channel reader(loop, pipe.a.get());
  reader.on_close([] { throw Thrown(); });
  ASSERT_TRUE(reader.enable_reading());
  pipe.b.reset();
  expect_throw();
  expect_throw();  // it was not dealt with, so it is told again
  reader.remove();

  Ends broken = Ends::pipe();
  Channel error(loop, broken.b.get());
  error.on_error([] { throw Thrown(); });
  error.on_write([] {});
  ASSERT_TRUE(error.enable_writing());
  broken.a.reset();
  expect_throw();
}

TEST_F(EventLoopException, OutOfAnEndAction) {
  loop.at_iteration_end(note(1));
  loop.at_iteration_end([] { throw Thrown(); });
  loop.at_iteration_end(note(2));
  auto object = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = object;
  loop.release_later(std::move(object));
  expect_throw();
  EXPECT_FALSE(watch.expired());
  loop.at_iteration_end(note(3));
  iterate();
  EXPECT_THAT(order, ElementsAre(1, 2, 3));
  EXPECT_TRUE(watch.expired());
}

TEST_F(EventLoopException, AQuitBeforeItStaysInForce) {
  loop.queue_in_loop([this] {
    loop.quit();
    throw Thrown();
  });
  expect_throw();
  run();
  EXPECT_EQ(loop.counters().iterations.load(), 2u);
}

}  // namespace
}  // namespace leat
