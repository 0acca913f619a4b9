// The timing wheel beside a plain ordered map, driven by the same random operations.
#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <stdexcept>
#include <utility>

#include <gtest/gtest.h>

#include "leat/reactor/timer_queue.h"

namespace leat {
namespace {

constexpr std::int64_t kTick = TimerQueue::kTick.count();

class Model {
 public:
  explicit Model(std::uint64_t seed) : random_(seed), queue_(at(now_)) {}

  void run(int operations) {
    for (int i = 0; i < operations && !testing::Test::HasFailure(); ++i) {
      operation();
      check();
    }
    for (int calls = 0; calls < 100'000 && !timers_.empty(); ++calls) {
      stop_repeating();
      sleep_until_deadline();
      check();
    }
    EXPECT_TRUE(timers_.empty());
    EXPECT_EQ(queue_.next_deadline(), std::nullopt);
  }

 private:
  struct Timer {
    std::int64_t deadline;
    std::int64_t interval;
    TimerId id;
  };
  // Ordered as the queue promises: by tick, then by arming.
  using Key = std::pair<std::int64_t, std::uint64_t>;
  struct Thrown : std::runtime_error {
    Thrown() : std::runtime_error("thrown by a timer") {}
  };

  static MonotonicTime at(std::int64_t nanoseconds) { return MonotonicTime(Duration(nanoseconds)); }
  std::int64_t pick(std::int64_t below) {
    return std::uniform_int_distribution<std::int64_t>(0, below - 1)(random_);
  }
  /// All magnitudes are as likely as each other.
  std::int64_t some_span() { return pick(std::int64_t{1} << pick(48)); }
  Key key_for(std::int64_t deadline) {
    const std::int64_t tick = (std::max(deadline, origin_) - origin_ + kTick - 1) / kTick;
    return {std::max(tick, current_), ++sequence_};
  }

  void operation() {
    switch (pick(10)) {
      case 0:
      case 1:
      case 2:
        return add(now_ + some_span() - pick(1000), 0);
      case 3:
        return add(now_ + some_span(), 1 + some_span());
      case 4:
      case 5:
      case 6:
        return cancel();
      case 7:
        return sleep_until_deadline();
      default:
        return expire(now_ + some_span());
    }
  }

  void add(std::int64_t deadline, std::int64_t interval) {
    const auto name = static_cast<std::uint64_t>(++names_);
    const TimerId id = queue_.add(at(deadline), [this, name] { fired(name); }, Duration(interval));
    place(name, {std::max(deadline, origin_), interval, id});
  }
  void place(std::uint64_t name, Timer timer) {
    const Key key = key_for(timer.deadline);
    order_[key] = name;
    timers_[name] = {timer, key};
  }
  void erase(std::uint64_t name) {
    order_.erase(timers_.at(name).second);
    timers_.erase(name);
  }

  void cancel() {
    if (timers_.empty()) return;
    auto victim = timers_.lower_bound(static_cast<std::uint64_t>(pick(names_ + 1)));
    if (victim == timers_.end()) victim = timers_.begin();
    ASSERT_TRUE(queue_.cancel(victim->second.first.id));
    ASSERT_FALSE(queue_.cancel(victim->second.first.id));
    erase(victim->first);
  }
  void stop_repeating() {
    std::set<std::uint64_t> names;
    for (auto& [name, entry] : timers_) {
      if (entry.first.interval > 0) names.insert(name);
    }
    for (const std::uint64_t name : names) {
      ASSERT_TRUE(queue_.cancel(timers_.at(name).first.id));
      erase(name);
    }
  }

  void sleep_until_deadline() {
    const auto deadline = queue_.next_deadline();
    if (deadline) expire(std::max(now_, deadline->time_since_epoch().count()));
  }

  void expire(std::int64_t now) {
    now_ = now;
    current_ = std::max(current_, (now - origin_) / kTick);
    due_.clear();
    for (const auto& [key, name] : order_) {
      if (key.first <= current_) due_.insert(key);
    }
    try {
      queue_.expire(at(now));
      ASSERT_TRUE(due_.empty()) << "due, and did not fire";
    } catch (const Thrown&) {
    }
  }

  void fired(std::uint64_t name) {
    ASSERT_EQ(timers_.count(name), 1u) << "fired though cancelled";
    auto [timer, key] = timers_.at(name);
    ASSERT_LE(timer.deadline, now_) << "fired early";
    ASSERT_FALSE(due_.empty());
    ASSERT_EQ(*due_.begin(), key) << "fired out of order";
    due_.erase(due_.begin());
    erase(name);
    if (timer.interval > 0) {
      timer.deadline += ((now_ - timer.deadline) / timer.interval + 1) * timer.interval;
      place(name, timer);
    }
    for (std::int64_t more = pick(3); more > 0; --more) {
      if (pick(2) == 0) {
        add(now_ + some_span() - some_span(), 0);
      } else {
        const auto before = order_;
        cancel();
        for (const auto& [cancelled, unused] : before) {
          if (order_.count(cancelled) == 0) due_.erase(cancelled);
        }
      }
    }
    if (pick(50) == 0) throw Thrown();
  }

  void check() {
    ASSERT_EQ(queue_.size(), timers_.size());
    const auto deadline = queue_.next_deadline();
    ASSERT_EQ(deadline.has_value(), !order_.empty());
    if (deadline) {
      // What a callback's exception left behind is overdue.
      const std::int64_t first = origin_ + order_.begin()->first.first * kTick;
      ASSERT_LE(deadline->time_since_epoch().count(), std::max(first, now_))
          << "the loop would sleep too long";
    }
  }

  static constexpr std::int64_t origin_ = 777'777'777;
  std::int64_t now_ = origin_;
  std::int64_t current_ = 0;
  std::uint64_t sequence_ = 0;
  std::int64_t names_ = 0;
  std::mt19937_64 random_;
  std::map<std::uint64_t, std::pair<Timer, Key>> timers_;
  std::map<Key, std::uint64_t> order_;
  std::set<Key> due_;
  TimerQueue queue_;
};

class TimerQueueModelTest : public testing::TestWithParam<std::uint64_t> {};

TEST_P(TimerQueueModelTest, FiresWhatAnOrderedMapWould) {
  Model(GetParam()).run(4000);
}

INSTANTIATE_TEST_SUITE_P(Seeds, TimerQueueModelTest, testing::Range<std::uint64_t>(1, 25));

}  // namespace
}  // namespace leat
