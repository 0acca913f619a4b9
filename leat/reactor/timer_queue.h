// Public: many timers, each armed, cancelled and fired at a cost that does not grow with them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "leat/base/monotonic_time.h"
#include "leat/base/slot_table.h"
#include "leat/reactor/loop_task.h"
#include "leat/reactor/timer_id.h"

namespace leat {

/// A hierarchical timing wheel (Varghese and Lauck 1987; the kernel's kernel/time/timer.c). Pure:
/// time is an argument, it reads no clock and waits for nothing. An EventLoop has one; alone
/// it serves tests and simulations. Its memory grows with the most timers it ever held.
///
///     tick of a deadline, in 6-bit digits; what is left below is less than a tick
///     +-------+-------+-- ... --+-------+-------+----------------+
///     | digit | digit |         | digit | digit |    16 bits     |
///     |   7   |   6   |         |   1   |   0   |  (kTick) ns    |
///     +-------+-------+-- ... --+-------+-------+----------------+
///
///     level 0   [ 64 slots of 1 tick,     65.5 us ]   this 4.2 ms
///     level 1   [ 64 slots of 64 ticks,    4.2 ms ]   this 268 ms
///     level 2   [ 64 slots of 64^2 ticks,  268 ms ]   this 17 s
///     ...
///     level 7   [ 64 slots of 64^7 ticks, 9.1 years ]
///
/// A timer lies on the level of the highest digit in which its tick differs from the present one,
/// in the slot that this digit names. When time enters a slot above level 0, its timers move to
/// lower levels: at most seven moves a timer, however far it is. Eight digits and the 16 bits are
/// all 64 bits of a time, so there is no overflow list. A slot is a list in order of arming, with
/// its earliest tick; a bitmap a level says which slots hold anything. So the next deadline is
/// found without a search, and a loop need not wake up only to move timers.
class TimerQueue {
 public:
  /// Deadlines are kept to one tick: a timer fires at its deadline or up to a tick later, never
  /// before it. 2^16 ns = 65.5 us.
  static constexpr Duration kTick{std::int64_t{1} << 16};

  explicit TimerQueue(MonotonicTime now);
  /// As clear().
  ~TimerQueue();
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;

  /// Arms a timer. A deadline that has passed counts as now. `interval` of more than zero makes it
  /// repeat: the next deadline is the last one plus the interval; deadlines missed altogether are
  /// skipped, not fired in a burst. Throws std::bad_alloc without memory, and nothing is armed.
  TimerId add(MonotonicTime deadline, LoopTask callback, Duration interval = Duration::zero());

  /// Disarms; the callback is destroyed. False if it has fired (and does not repeat), was
  /// cancelled or never was. A timer may cancel itself, or any other, from a callback.
  bool cancel(TimerId id);

  /// Cancels all, also what the destruction of callbacks arms meanwhile.
  void clear();

  /// When expire() has something to do at the earliest; none without timers. Exact, unless the
  /// earliest of a slot was cancelled: then it may be early, and the expire() there finds nothing.
  [[nodiscard]] std::optional<MonotonicTime> next_deadline() const;

  /// Fires what is due at `now`, in order of deadline (to a tick; within it in order of arming).
  /// What callbacks arm for now or earlier waits for the next call. Returns how many fired. After
  /// an exception out of a callback the next call fires the rest; the timer that threw counts as
  /// fired, and stays armed if it repeats.
  std::size_t expire(MonotonicTime now);

  /// Armed timers.
  [[nodiscard]] std::size_t size() const { return timers_.size(); }
  /// Callbacks called so far.
  [[nodiscard]] std::uint64_t fired() const { return fired_; }
  /// Insertions into a slot so far: one when armed, and those on the way down. For measurements.
  [[nodiscard]] std::uint64_t moves() const { return moves_; }

 private:
  static constexpr int kDigitBits = 6;
  static constexpr int kSlots = 1 << kDigitBits;
  static constexpr int kLevels = 8;

  using Tick = std::uint64_t;

  /// A place in a circular list, whose head is a Slot.
  struct Link {
    Link* previous = this;
    Link* next = this;
  };
  struct Timer : Link {
    Timer(MonotonicTime deadline_in, Duration interval_in, LoopTask callback_in);

    MonotonicTime deadline;
    Duration interval;
    std::uint64_t key = 0;
    LoopTask callback;
  };
  struct Slot : Link {
    Tick earliest = 0;  // of its timers; too early once that one was cancelled
    int level = kLevels;
    int index = 0;
  };
  struct Level {
    std::uint64_t occupied = 0;  // bit i: slots[i] is not empty
    std::array<Slot, kSlots> slots;
  };
  class CallbackReturn;

  [[nodiscard]] Tick tick_of(MonotonicTime deadline) const;
  [[nodiscard]] MonotonicTime time_of(Tick tick) const;
  [[nodiscard]] const Slot* first_slot() const;
  [[nodiscard]] Tick start_of(const Slot& slot) const;
  void place(Timer& timer);
  void unlink(Timer& timer);
  void clear_mark(const Slot& slot);
  void collect_due(Tick until);
  void empty_into_due(Slot& slot);
  void empty_downwards(Slot& slot);
  void fire(Timer& timer, MonotonicTime now);

  const MonotonicTime origin_;  // the start of tick 0
  Tick current_ = 0;            // all ticks before it are behind us
  std::uint64_t fired_ = 0;
  std::uint64_t moves_ = 0;
  Slot due_;  // what the present expire() fires; the rest of it after an exception
  std::uint32_t used_levels_ = 0;  // bit i: levels_[i] has a slot that is not empty
  std::array<Level, kLevels> levels_;
  SlotTable<Timer> timers_;
};

}  // namespace leat
