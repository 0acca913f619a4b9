#include "leat/reactor/timer_queue.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "leat/reactor/internal/deadline.h"

namespace leat {

namespace {

constexpr int kTickBits = std::countr_zero(static_cast<std::uint64_t>(TimerQueue::kTick.count()));

std::uint64_t nanoseconds(MonotonicTime time) {
  return static_cast<std::uint64_t>(time.time_since_epoch().count());
}

}  // namespace

TimerQueue::Timer::Timer(MonotonicTime deadline_in, Duration interval_in, LoopTask callback_in)
    : deadline(deadline_in), interval(interval_in), callback(std::move(callback_in)) {}

TimerQueue::TimerQueue(MonotonicTime now) : origin_(now) {
  static_assert(kTickBits + kLevels * kDigitBits == 64, "every deadline has a place");
  for (int level = 0; level < kLevels; ++level) {
    for (int index = 0; index < kSlots; ++index) {
      Slot& slot = levels_[static_cast<std::size_t>(level)].slots[static_cast<std::size_t>(index)];
      slot.level = level;
      slot.index = index;
    }
  }
}

TimerQueue::~TimerQueue() {
  clear();
}

TimerId TimerQueue::add(MonotonicTime deadline, LoopTask callback, Duration interval) {
  // Not before the origin: so far back, the distance to now could overflow.
  const std::uint64_t key =
      timers_.emplace(std::max(deadline, origin_), interval, std::move(callback));
  Timer& timer = *timers_.find(key);
  timer.key = key;
  place(timer);
  return TimerId{key};
}

bool TimerQueue::cancel(TimerId id) {
  Timer* timer = timers_.find(id.value);
  if (timer == nullptr) return false;
  unlink(*timer);
  // Destroyed at the very end: what it captured may use this queue.
  const LoopTask callback = std::move(timer->callback);
  timers_.erase(id.value);
  return true;
}

void TimerQueue::clear() {
  while (!timers_.empty()) {
    timers_.for_each([this](std::uint64_t key, Timer&) { cancel(TimerId{key}); });
  }
}

std::optional<MonotonicTime> TimerQueue::next_deadline() const {
  if (due_.next != &due_) return time_of(current_);
  const Slot* slot = first_slot();
  if (slot == nullptr) return std::nullopt;
  return time_of(slot->earliest);
}

std::size_t TimerQueue::expire(MonotonicTime now) {
  const Tick until = now < origin_ ? 0 : (nanoseconds(now) - nanoseconds(origin_)) >> kTickBits;
  collect_due(std::max(until, current_));
  std::size_t count = 0;
  while (due_.next != &due_) {
    ++count;
    fire(static_cast<Timer&>(*due_.next), now);
  }
  return count;
}

/// Gives a repeating timer its callback back after the call, however that ended, unless the timer
/// was cancelled meanwhile.
class TimerQueue::CallbackReturn {
 public:
  CallbackReturn(TimerQueue& queue, std::uint64_t key, LoopTask& callback)
      : queue_(queue), key_(key), callback_(callback) {}
  ~CallbackReturn() {
    if (Timer* timer = queue_.timers_.find(key_)) timer->callback = std::move(callback_);
  }
  CallbackReturn(const CallbackReturn&) = delete;
  CallbackReturn& operator=(const CallbackReturn&) = delete;

 private:
  TimerQueue& queue_;
  const std::uint64_t key_;
  LoopTask& callback_;
};

void TimerQueue::fire(Timer& timer, MonotonicTime now) {
  ++fired_;
  const std::uint64_t key = timer.key;
  LoopTask callback = std::move(timer.callback);
  unlink(timer);
  if (timer.interval <= Duration::zero()) {
    timers_.erase(key);
    callback();
    return;
  }
  // Armed again before the call, so that the callback can cancel it like any other.
  const Duration late = std::max(now - timer.deadline, Duration::zero());
  timer.deadline = internal::deadline_after(timer.deadline, late / timer.interval * timer.interval);
  timer.deadline = internal::deadline_after(timer.deadline, timer.interval);
  place(timer);
  const CallbackReturn give_back(*this, key, callback);
  callback();
}

// --- The wheel.

TimerQueue::Tick TimerQueue::tick_of(MonotonicTime deadline) const {
  if (deadline <= origin_) return current_;
  // Rounded up: a timer never fires early.
  const std::uint64_t offset = nanoseconds(deadline) - nanoseconds(origin_);
  constexpr auto kPart = static_cast<std::uint64_t>(kTick.count() - 1);
  const Tick tick = (offset >> kTickBits) + ((offset & kPart) != 0 ? 1 : 0);
  return std::max(tick, current_);
}

MonotonicTime TimerQueue::time_of(Tick tick) const {
  const std::uint64_t left = nanoseconds(MonotonicTime::max()) - nanoseconds(origin_);
  if (tick > left >> kTickBits) return MonotonicTime::max();
  return MonotonicTime(
      Duration(static_cast<std::int64_t>(nanoseconds(origin_) + (tick << kTickBits))));
}

const TimerQueue::Slot* TimerQueue::first_slot() const {
  // A lower level is earlier than a higher one, and a level never wraps: its slots all share the
  // higher digits of the present tick.
  if (used_levels_ == 0) return nullptr;
  const Level& level = levels_[static_cast<std::size_t>(std::countr_zero(used_levels_))];
  return &level.slots[static_cast<std::size_t>(std::countr_zero(level.occupied))];
}

TimerQueue::Tick TimerQueue::start_of(const Slot& slot) const {
  const int shift = slot.level * kDigitBits;
  const Tick above = current_ >> shift >> kDigitBits << kDigitBits;
  return (above | static_cast<Tick>(slot.index)) << shift;
}

void TimerQueue::place(Timer& timer) {
  const Tick tick = tick_of(timer.deadline);
  const int highest_bit = static_cast<int>(std::bit_width((tick ^ current_) | (kSlots - 1))) - 1;
  const int number = highest_bit / kDigitBits;
  Level& level = levels_[static_cast<std::size_t>(number)];
  const int shift = number * kDigitBits;
  const auto index = static_cast<std::size_t>((tick >> shift) & (kSlots - 1));
  Slot& slot = level.slots[index];
  slot.earliest = slot.next == &slot ? tick : std::min(slot.earliest, tick);
  level.occupied |= std::uint64_t{1} << index;
  used_levels_ |= 1u << number;
  timer.previous = slot.previous;
  timer.next = &slot;
  slot.previous->next = &timer;
  slot.previous = &timer;
  ++moves_;
}

void TimerQueue::unlink(Timer& timer) {
  timer.previous->next = timer.next;
  timer.next->previous = timer.previous;
  if (timer.previous != timer.next) return;
  // Only the list's head has the same neighbour on both sides: the slot is empty now.
  const Slot& slot = static_cast<const Slot&>(*timer.next);
  if (slot.level == kLevels) return;
  clear_mark(slot);
}

void TimerQueue::clear_mark(const Slot& slot) {
  Level& level = levels_[static_cast<std::size_t>(slot.level)];
  level.occupied &= ~(std::uint64_t{1} << slot.index);
  if (level.occupied == 0) used_levels_ &= ~(1u << slot.level);
}

void TimerQueue::collect_due(Tick until) {
  while (const Slot* first = first_slot()) {
    const Tick start = start_of(*first);
    if (start > until) break;
    current_ = start;
    clear_mark(*first);
    Slot& slot = levels_[static_cast<std::size_t>(first->level)]
                     .slots[static_cast<std::size_t>(first->index)];
    if (slot.level == 0) {
      empty_into_due(slot);
    } else {
      empty_downwards(slot);
    }
  }
  // No slot begins up to here, so every timer's place is right for this tick as well.
  current_ = until;
}

void TimerQueue::empty_into_due(Slot& slot) {
  due_.previous->next = slot.next;
  slot.next->previous = due_.previous;
  slot.previous->next = &due_;
  due_.previous = slot.previous;
  slot.previous = slot.next = &slot;
}

void TimerQueue::empty_downwards(Slot& slot) {
  Link* link = slot.next;
  slot.previous = slot.next = &slot;
  while (link != &slot) {
    Link* const next = link->next;
    place(static_cast<Timer&>(*link));
    link = next;
  }
}

}  // namespace leat
