// What a timer costs while many others are armed: the wheel of leat, an ordered map (as muduo has
// one) and the binary heap of libuv. The deadlines are those of a server: some seconds away.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "leat/reactor/timer_queue.h"

#if LEAT_BENCH_LIBUV
#include <uv.h>
#endif

namespace {

using leat::Duration;
using leat::MonotonicTime;

constexpr std::int64_t kSpan = 60'000'000'000;

class Delays {
 public:
  Duration next() { return Duration(static_cast<std::int64_t>(random_() % kSpan)); }
  std::size_t index(std::size_t below) { return random_() % below; }

 private:
  std::mt19937_64 random_{1};
};

class Wheel {
 public:
  using Id = leat::TimerId;
  Id add(Duration delay, std::uint64_t& fired) {
    return queue_.add(now_ + delay, [&fired] { ++fired; });
  }
  void cancel(Id id) { queue_.cancel(id); }
  void advance(Duration by) { queue_.expire(now_ += by); }

 private:
  MonotonicTime now_{};
  leat::TimerQueue queue_{now_};
};

class OrderedMap {
 public:
  using Timers = std::multimap<MonotonicTime, std::function<void()>>;
  using Id = Timers::iterator;
  Id add(Duration delay, std::uint64_t& fired) {
    return timers_.emplace(now_ + delay, [&fired] { ++fired; });
  }
  void cancel(Id id) { timers_.erase(id); }
  void advance(Duration by) {
    now_ += by;
    while (!timers_.empty() && timers_.begin()->first <= now_) {
      const auto node = timers_.extract(timers_.begin());
      node.mapped()();
    }
  }

 private:
  MonotonicTime now_{};
  Timers timers_;
};

/// Arms, then moves a timer again and again: what each message does to an idle limit.
template <typename Queue>
void rearm(benchmark::State& state) {
  Queue queue;
  Delays delays;
  std::uint64_t fired = 0;
  std::vector<typename Queue::Id> ids;
  for (std::int64_t i = 0; i < state.range(0); ++i) ids.push_back(queue.add(delays.next(), fired));
  for (auto _ : state) {
    typename Queue::Id& id = ids[delays.index(ids.size())];
    queue.cancel(id);
    id = queue.add(delays.next(), fired);
  }
  state.SetItemsProcessed(state.iterations());
}

/// Each timer that fires is armed again; time moves by 1 ms, as in a busy loop.
template <typename Queue>
void fire(benchmark::State& state) {
  Queue queue;
  Delays delays;
  std::uint64_t fired = 0;
  std::uint64_t armed = 0;
  const auto count = static_cast<std::uint64_t>(state.range(0));
  for (; armed < count; ++armed) queue.add(delays.next(), fired);
  for (auto _ : state) {
    queue.advance(std::chrono::milliseconds(1));
    for (; armed < fired + count; ++armed) queue.add(delays.next(), fired);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(fired));
  state.counters["time_per_timer"] = benchmark::Counter(
      static_cast<double>(fired), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

#if LEAT_BENCH_LIBUV
/// libuv's timers know milliseconds, and its clock cannot be moved: only arming is compared.
void rearm_libuv(benchmark::State& state) {
  uv_loop_t loop;
  uv_loop_init(&loop);
  Delays delays;
  std::vector<uv_timer_t> timers(static_cast<std::size_t>(state.range(0)));
  const auto arm = [&delays](uv_timer_t& timer) {
    uv_timer_start(
        &timer, [](uv_timer_t*) {}, static_cast<std::uint64_t>(delays.next().count() / 1'000'000),
        0);
  };
  for (uv_timer_t& timer : timers) {
    uv_timer_init(&loop, &timer);
    arm(timer);
  }
  for (auto _ : state) {
    uv_timer_t& timer = timers[delays.index(timers.size())];
    uv_timer_stop(&timer);
    arm(timer);
  }
  state.SetItemsProcessed(state.iterations());
  for (uv_timer_t& timer : timers) uv_close(reinterpret_cast<uv_handle_t*>(&timer), nullptr);
  uv_run(&loop, UV_RUN_DEFAULT);
  uv_loop_close(&loop);
}
BENCHMARK(rearm_libuv)->Arg(1'000)->Arg(100'000)->Arg(1'000'000);
#endif

BENCHMARK(rearm<Wheel>)->Arg(1'000)->Arg(100'000)->Arg(1'000'000);
BENCHMARK(rearm<OrderedMap>)->Arg(1'000)->Arg(100'000)->Arg(1'000'000);
BENCHMARK(fire<Wheel>)->Arg(1'000)->Arg(100'000)->Arg(1'000'000);
BENCHMARK(fire<OrderedMap>)->Arg(1'000)->Arg(100'000)->Arg(1'000'000);

}  // namespace

BENCHMARK_MAIN();
