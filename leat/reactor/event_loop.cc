#include "leat/reactor/event_loop.h"

#include <pthread.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <iterator>
#include <new>
#include <utility>

#include "leat/base/assert.h"
#include "leat/reactor/channel.h"
#include "leat/reactor/internal/deadline.h"
#include "leat/reactor/internal/loop_mailbox.h"
#include "leat/reactor/internal/loop_source.h"
#include "leat/reactor/internal/task_runner.h"

namespace leat {

namespace {

constexpr std::size_t kFirstReleaseCapacity = 16;

/// A write to a connection that the peer has reset is an error code, not the end of the process.
/// send() can ask for that with each call, but sendfile() and splice() cannot (man 2 send).
void block_broken_pipe_signal() {
  sigset_t broken_pipe;
  ::sigemptyset(&broken_pipe);
  ::sigaddset(&broken_pipe, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
}

}  // namespace

Result<std::unique_ptr<EventLoop>> EventLoop::create(EventLoopOptions options) {
  block_broken_pipe_signal();
  Result<std::unique_ptr<Poller>> poller = Poller::create(options.poller);
  if (!poller) return std::move(poller).error();
  if (options.busy_poll.wanted()) {
    Result<void> set = (*poller)->set_busy_poll(options.busy_poll);
    if (!set) return std::move(set).error();
  }
  Result<std::shared_ptr<internal::LoopMailbox>> mailbox = internal::LoopMailbox::create();
  if (!mailbox) return std::move(mailbox).error();
  std::unique_ptr<EventLoop> loop(
      new EventLoop(std::move(options), std::move(*poller), std::move(*mailbox)));
  Result<void> watched = loop->watch_mailbox();
  if (!watched) return std::move(watched).error();
  return loop;
}

EventLoop::EventLoop(EventLoopOptions options, std::unique_ptr<Poller> poller,
                     std::shared_ptr<internal::LoopMailbox> mailbox)
    : options_(std::move(options)),
      thread_(std::this_thread::get_id()),
      poller_(std::move(poller)),
      mailbox_(std::move(mailbox)),
      now_(monotonic_now()),
      poll_return_time_(Timestamp::now()),
      date_(poll_return_time_),
      date_read_at_(now_),
      timers_(now_),
      task_runner_(std::make_unique<internal::TaskRunner>(*this)),
      buffers_(kBlockSize, kFreeBlockBytes),
      scratch_(kScratchSize) {
  released_.reserve(kFirstReleaseCapacity);
  releasing_.reserve(kFirstReleaseCapacity);
}

EventLoop::~EventLoop() {
  assert_in_loop_thread();
  LEAT_ASSERT(!looping_, "a loop was destroyed by one of its own callbacks");
  // Coroutines before all else: their locals may be of any kind, also owners of what is below.
  task_runner_->end();
  // What the dropped work captured may use the loop one last time: so all of its parts are still
  // there, and it goes on until nothing new has come.
  do {
    run_exit_callbacks();
    mailbox_->close();
    timers_.clear();
    end_actions_.clear();
    free_released();
  } while (!exit_callbacks_.empty() || timers_.size() != 0 || !end_actions_.empty() ||
           !released_.empty());
  mailbox_channel_.reset();
}

void EventLoop::run_exit_callbacks() {
  while (!exit_callbacks_.empty()) {
    const auto last = exit_callbacks_.extract(std::prev(exit_callbacks_.end()));
    last.mapped()();
  }
}

Result<void> EventLoop::watch_mailbox() {
  mailbox_channel_ = std::make_unique<Channel>(*this, mailbox_->fd());
  mailbox_channel_->on_read([this](Timestamp) {
    mailbox_->clear_wake_up();
    counters_.wake_ups.add();
  });
  return mailbox_channel_->enable_reading();
}

namespace {

/// Holds while loop() runs, also when a callback throws.
class LoopingScope {
 public:
  LoopingScope(bool& looping, Poller& poller) : looping_(looping), poller_(poller) {
    looping_ = true;
  }
  ~LoopingScope() {
    looping_ = false;
    poller_.rest();
  }
  LoopingScope(const LoopingScope&) = delete;
  LoopingScope& operator=(const LoopingScope&) = delete;

 private:
  bool& looping_;
  Poller& poller_;
};

}  // namespace

Result<void> EventLoop::loop() {
  assert_in_loop_thread();
  LEAT_ASSERT(!looping_, "loop() was called from inside itself");
  const LoopingScope scope(looping_, *poller_);
  do {
    Result<void> waited = wait();
    if (!waited) return waited;
    poller_->dispatch(poll_return_time_);
    if (source_) source_->dispatch();
    fire_timers();
    run_tasks();
    run_end_actions();
    free_released();
  } while (!quit_.load(std::memory_order_acquire));
  quit_.store(false, std::memory_order_relaxed);
  return {};
}

void EventLoop::quit() {
  if (is_in_loop_thread()) {
    quit_.store(true, std::memory_order_relaxed);
    return;
  }
  // A pointer of our own: from the store on, the loop may end and be destroyed.
  const std::shared_ptr<internal::LoopMailbox> mailbox = mailbox_;
  quit_.store(true, std::memory_order_release);
  mailbox->wake();
}

Result<void> EventLoop::wait() {
  Result<std::size_t> polled = poll();
  ready_ = polled.value_or(0);
  mailbox_->woke_up();
  read_clocks();
  counters_.iterations.add();
  counters_.events.add(ready_);
  if (!polled) return std::move(polled).error();
  return {};
}

Result<std::size_t> EventLoop::poll() {
  if (source_ && source_->has_input()) {
    waited_ = false;
    return poller_->poll(Duration::zero());
  }
  const std::optional<Duration> timeout = time_to_wait();
  waited_ = timeout != Duration::zero();
  if (!source_ || !waited_) return poller_->poll(timeout);
  waited_ = source_->prepare_to_sleep();
  Result<std::size_t> polled = poller_->poll(waited_ ? timeout : Duration::zero());
  source_->woke_up();
  return polled;
}

/// A clock costs 30 ns to read where virtual machines make the counter expensive, and a loop may
/// come here 30,000 times a second. Between two readings the date advances with the monotonic
/// clock, which is steered as it is (man 2 clock_gettime, CLOCK_MONOTONIC).
void EventLoop::read_clocks() {
  constexpr Duration kDateHolds = std::chrono::milliseconds(1);
  now_ = monotonic_now();
  if (now_ - date_read_at_ >= kDateHolds) {
    date_ = Timestamp::now();
    date_read_at_ = now_;
  }
  poll_return_time_ = date_ + (now_ - date_read_at_);
}

std::optional<Duration> EventLoop::time_to_wait() {
  const bool has_work = !mailbox_->tasks().empty() || task_runner_->has_work() ||
                        !end_actions_.empty() || !released_.empty() ||
                        quit_.load(std::memory_order_acquire);
  if (has_work || mailbox_->prepare_to_sleep()) return Duration::zero();
  const std::optional<MonotonicTime> deadline = timers_.next_deadline();
  if (!deadline) return std::nullopt;
  return std::max(*deadline - monotonic_now(), Duration::zero());
}

namespace {

/// Counts what fired, also when a callback throws.
class FiredTally {
 public:
  FiredTally(const TimerQueue& timers, Counter& counter)
      : timers_(timers), counter_(counter), before_(timers.fired()) {}
  ~FiredTally() { counter_.add(timers_.fired() - before_); }
  FiredTally(const FiredTally&) = delete;
  FiredTally& operator=(const FiredTally&) = delete;

 private:
  const TimerQueue& timers_;
  Counter& counter_;
  const std::uint64_t before_;
};

}  // namespace

void EventLoop::fire_timers() {
  const FiredTally tally(timers_, counters_.timers_fired);
  const std::size_t fired = timers_.expire(now_);
  if (waited_ && fired == 0 && ready_ == 0) counters_.empty_polls.add();
}

void EventLoop::run_tasks() {
  mailbox_->collect();
  internal::TaskRounds& tasks = mailbox_->tasks();
  while (tasks.has_next()) {
    counters_.tasks_run.add();
    tasks.run_next();
  }
  task_runner_->run_round();
}

void EventLoop::run_end_actions() {
  end_actions_.begin_round();
  while (end_actions_.has_next()) end_actions_.run_next();
}

void EventLoop::free_released() {
  // What their destructors release in turn is for the next iteration.
  released_.swap(releasing_);
  releasing_.clear();
}

void EventLoop::run_in_loop(LoopTask task) {
  if (is_in_loop_thread()) {
    task();
  } else {
    queue_in_loop(std::move(task));
  }
}

void EventLoop::queue_in_loop(LoopTask task) {
  if (is_in_loop_thread()) {
    mailbox_->post(std::move(task));
  } else {
    // A pointer of our own: the task may end the loop before post() has returned.
    const std::shared_ptr<internal::LoopMailbox> mailbox = mailbox_;
    mailbox->post(std::move(task));
  }
}

LoopHandle EventLoop::handle() const {
  return LoopHandle(mailbox_);
}

TimerId EventLoop::run_at(MonotonicTime deadline, LoopTask callback) {
  assert_in_loop_thread();
  return timers_.add(deadline, std::move(callback));
}

TimerId EventLoop::run_after(Duration delay, LoopTask callback) {
  // From the clock, not now(): a delay must not be shortened by the age of the iteration.
  return run_at(internal::deadline_after(monotonic_now(), delay), std::move(callback));
}

TimerId EventLoop::run_every(Duration interval, LoopTask callback) {
  assert_in_loop_thread();
  LEAT_ASSERT(interval > Duration::zero(), "run_every() needs an interval of more than zero");
  return timers_.add(internal::deadline_after(monotonic_now(), interval), std::move(callback),
                     interval);
}

bool EventLoop::cancel(TimerId timer) {
  assert_in_loop_thread();
  return timers_.cancel(timer);
}

void EventLoop::release_later(std::shared_ptr<void> object) {
  assert_in_loop_thread();
  try {
    released_.push_back(std::move(object));
    // Room for the next one is made while this one is safe.
    if (released_.size() == released_.capacity()) released_.reserve(2 * released_.capacity());
  } catch (const std::bad_alloc&) {
    // Twice no memory in a row: never freed is better than freed under the callback that uses it.
    alignas(std::shared_ptr<void>) std::byte immortal[sizeof object];
    ::new (static_cast<void*>(immortal)) std::shared_ptr<void>(std::move(object));
  }
}

void EventLoop::set_source(std::unique_ptr<internal::LoopSource> source) {
  assert_in_loop_thread();
  source_ = std::move(source);
}

void EventLoop::at_iteration_end(LoopTask action) {
  assert_in_loop_thread();
  end_actions_.push(std::move(action));
}

EventLoop::ExitId EventLoop::at_exit(LoopTask callback) {
  assert_in_loop_thread();
  const ExitId id = next_exit_id_++;
  exit_callbacks_.emplace(id, std::move(callback));
  return id;
}

void EventLoop::cancel_at_exit(ExitId id) {
  assert_in_loop_thread();
  exit_callbacks_.erase(id);
}

bool EventLoop::is_in_loop_thread() const {
  return thread_ == std::this_thread::get_id();
}

void EventLoop::assert_in_loop_thread() const {
  LEAT_ASSERT(is_in_loop_thread(), "called on a thread other than the loop's");
}

Result<void> EventLoop::update_channel(Channel& channel) {
  return poller_->update(channel);
}

void EventLoop::remove_channel(Channel& channel) {
  poller_->remove(channel);
}

}  // namespace leat
