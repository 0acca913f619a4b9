// Internal: tasks that run in rounds.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "leat/reactor/loop_task.h"

namespace leat::internal {

/// What is queued during a round waits for the next one, so a task that queues itself cannot hold
/// the loop. An exception out of a task loses nothing: the rest of the round comes first in the
/// next. One thread.
class TaskRounds {
 public:
  void push(LoopTask task) { waiting_.push_back(std::move(task)); }

  /// Neither waiting tasks nor the rest of a round.
  [[nodiscard]] bool empty() const { return waiting_.empty() && !has_next(); }

  /// Makes the waiting tasks part of the round. On std::bad_alloc nothing has changed.
  void begin_round() { move_to_round(waiting_); }
  /// The same for tasks that waited elsewhere.
  void move_to_round(std::vector<LoopTask>& tasks) {
    if (running_.empty()) {
      running_.swap(tasks);
      return;
    }
    running_.reserve(running_.size() + tasks.size());
    for (LoopTask& task : tasks) running_.push_back(std::move(task));
    tasks.clear();
  }

  /// Whether the round has tasks left.
  [[nodiscard]] bool has_next() const { return next_ < running_.size(); }
  /// Runs and destroys the first of them.
  void run_next() {
    const LoopTask task = std::move(running_[next_++]);
    if (!has_next()) end_round();
    task();
  }

  /// Destroys all tasks, unrun, and so what their destruction pushes.
  void clear() {
    while (!empty()) {
      next_ = 0;
      const std::vector<LoopTask> rest = std::exchange(running_, {});
      const std::vector<LoopTask> waiting = std::exchange(waiting_, {});
    }
  }

 private:
  // A burst of tasks must not keep its memory for ever.
  static constexpr std::size_t kKeptCapacity = 4096;

  void end_round() {
    next_ = 0;
    running_.clear();
    if (running_.capacity() > kKeptCapacity) std::vector<LoopTask>().swap(running_);
  }

  std::vector<LoopTask> waiting_;
  std::vector<LoopTask> running_;  // the present round, from next_ on
  std::size_t next_ = 0;
};

}  // namespace leat::internal
