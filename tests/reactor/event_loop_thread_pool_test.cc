#include "leat/reactor/event_loop_thread_pool.h"

#include <atomic>
#include <cerrno>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/reactor/loop_test.h"

namespace leat {
namespace {

using testing::ElementsAre;

class EventLoopThreadPoolTest : public test::LoopTest {};

TEST_F(EventLoopThreadPoolTest, WithoutThreadsTheBaseLoopDoesTheWork) {
  std::vector<EventLoop*> started;
  EventLoopThreadPool pool(loop, {.on_start = [&](EventLoop& each) { started.push_back(&each); }});
  ASSERT_TRUE(pool.start());
  ASSERT_TRUE(pool.start());
  EXPECT_THAT(started, ElementsAre(&loop));
  EXPECT_THAT(pool.loops(), ElementsAre(&loop));
  EXPECT_EQ(&pool.next_loop(), &loop);
  EXPECT_EQ(&pool.next_loop(), &loop);
  EXPECT_EQ(&pool.loop_for(12345), &loop);
}

TEST_F(EventLoopThreadPoolTest, GivesLoopsInTurnAndByHash) {
  std::vector<std::string> names;
  std::set<std::thread::id> threads;
  EventLoopThreadPool pool(loop, {.name = "worker", .count = 3, .on_start = [&](EventLoop& each) {
                                    names.push_back(each.name());
                                    threads.insert(std::this_thread::get_id());
                                  }});
  ASSERT_TRUE(pool.start());
  ASSERT_TRUE(pool.start());
  EXPECT_THAT(names, ElementsAre("worker-0", "worker-1", "worker-2"));
  EXPECT_EQ(threads.size(), 3u);
  const std::vector<EventLoop*> loops = pool.loops();
  ASSERT_EQ(loops.size(), 3u);
  for (int round = 0; round < 2; ++round) {
    for (EventLoop* each : loops) EXPECT_EQ(&pool.next_loop(), each);
  }
  for (std::uint64_t hash = 0; hash < 9; ++hash) {
    EXPECT_EQ(&pool.loop_for(hash), loops[hash % 3]);
  }
  pool.stop();
  EXPECT_THAT(pool.loops(), ElementsAre(&loop));
  EXPECT_EQ(&pool.next_loop(), &loop);
  pool.stop();
  ASSERT_TRUE(pool.start()) << "a stopped pool can be started again";
  EXPECT_EQ(pool.loops().size(), 3u);
}

TEST_F(EventLoopThreadPoolTest, SpreadsLoopsOverCpus) {
  const CpuSet available = CpuSet::available().value();
  const std::vector<CpuSet> cpus = EventLoopThreadPool::one_cpu_each(available);
  EXPECT_EQ(cpus.size(), EventLoopThreadPool::one_per_cpu());
  std::vector<CpuSet> seen;
  EventLoopThreadPool pool(loop,
                           {.count = cpus.size() + 1, .cpus = cpus, .on_start = [&](EventLoop&) {
                              seen.push_back(CpuSet::available().value());
                            }});
  ASSERT_TRUE(pool.start());
  ASSERT_EQ(seen.size(), cpus.size() + 1);
  for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], cpus[i % cpus.size()]);
}

TEST_F(EventLoopThreadPoolTest, OneFailureStopsThoseAlreadyStarted) {
  const CpuSet good = CpuSet::of(CpuSet::available().value().first());
  std::atomic<int> alive = 0;
  std::atomic<int> started = 0;
  EventLoopThreadPool pool(loop, {.count = 3,
                                  .cpus = {good, good, CpuSet::of(CpuSet::kMaxCpus - 1)},
                                  .on_start = [&](EventLoop& each) {
                                    alive.fetch_add(1);
                                    started.fetch_add(1);
                                    each.at_exit([&] { alive.fetch_sub(1); });
                                  }});
  const Result<void> result = pool.start();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().number(), EINVAL);
  EXPECT_EQ(started.load(), 2);
  EXPECT_EQ(alive.load(), 0);
  EXPECT_THAT(pool.loops(), ElementsAre(&loop));
}

TEST_F(EventLoopThreadPoolTest, WorkGoesToAllLoops) {
  EventLoopThreadPool pool(loop, {.count = 4});
  ASSERT_TRUE(pool.start());
  std::atomic<int> left = 400;
  for (int i = 0; i < 400; ++i) {
    EventLoop& target = pool.next_loop();
    target.queue_in_loop([&, expected = &target] {
      EXPECT_TRUE(expected->is_in_loop_thread());
      if (left.fetch_sub(1) == 1) loop.queue_in_loop([this] { loop.quit(); });
    });
  }
  run();
  EXPECT_EQ(left.load(), 0);
}

TEST_F(EventLoopThreadPoolTest, OnExceptionIsAskedByEveryThread) {
  std::atomic<int> taken = 0;
  EventLoopThreadPool pool(loop, {.count = 2, .on_exception = [&](EventLoop&, std::exception_ptr) {
                                    if (taken.fetch_add(1) == 1) loop.quit();
                                  }});
  ASSERT_TRUE(pool.start());
  for (EventLoop* each : pool.loops()) {
    each->queue_in_loop([] { throw std::runtime_error("on a thread of the pool"); });
  }
  run();
  EXPECT_EQ(taken.load(), 2);
}

}  // namespace
}  // namespace leat
