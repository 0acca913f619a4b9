// Public: several tasks beside each other, until all have ended.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "leat/reactor/internal/task_group.h"
#include "leat/reactor/task.h"

namespace leat {

namespace internal {

/// What a place in a tuple or variant holds of a task's result.
template <typename T>
using Held = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

template <typename T>
[[nodiscard]] Held<T> take_held(Task<T>& task) {
  if constexpr (std::is_void_v<T>) {
    TaskAccess::take_result(task);
    return {};
  } else {
    return TaskAccess::take_result(task);
  }
}

/// A group of tasks of different types.
template <typename... Ts>
class TaskTuple : public TaskGroup {
 protected:
  TaskTuple(bool first_wins, Task<Ts>&&... tasks)
      : TaskGroup(first_wins), tasks_(std::move(tasks)...) {
    std::apply([this](Task<Ts>&... each) { slots_ = {&TaskAccess::slot(each)...}; }, tasks_);
  }
  ~TaskTuple() = default;

  [[nodiscard]] std::span<Branch> branches() final { return branches_; }
  [[nodiscard]] PromiseBase*& task(std::size_t index) final { return *slots_[index]; }

  std::tuple<Task<Ts>...> tasks_;

 private:
  std::array<PromiseBase**, sizeof...(Ts)> slots_;
  std::array<Branch, sizeof...(Ts)> branches_;
};

/// A group of tasks of one type.
template <typename T>
class TaskVector : public TaskGroup {
 protected:
  TaskVector(bool first_wins, std::vector<Task<T>>&& tasks)
      : TaskGroup(first_wins), tasks_(std::move(tasks)), branches_(tasks_.size()) {}
  ~TaskVector() = default;

  [[nodiscard]] std::span<Branch> branches() final { return branches_; }
  [[nodiscard]] PromiseBase*& task(std::size_t index) final {
    return TaskAccess::slot(tasks_[index]);
  }

  std::vector<Task<T>> tasks_;

 private:
  std::vector<Branch> branches_;
};

template <typename... Ts>
class WhenAll final : public TaskTuple<Ts...> {
 public:
  explicit WhenAll(Task<Ts>&&... tasks) : TaskTuple<Ts...>(false, std::move(tasks)...) {}

  std::tuple<Held<Ts>...> await_resume() {
    this->rethrow();
    return std::apply([](Task<Ts>&... each) { return std::tuple<Held<Ts>...>(take_held(each)...); },
                      this->tasks_);
  }
};

template <typename T>
class WhenAllOf final : public TaskVector<T> {
 public:
  explicit WhenAllOf(std::vector<Task<T>>&& tasks) : TaskVector<T>(false, std::move(tasks)) {}

  auto await_resume() {
    this->rethrow();
    if constexpr (!std::is_void_v<T>) {
      std::vector<T> results;
      results.reserve(this->tasks_.size());
      for (Task<T>& task : this->tasks_) results.push_back(TaskAccess::take_result(task));
      return results;
    }
  }
};

}  // namespace internal

/// `auto [a, b] = co_await when_all(read_a(), read_b());` Runs the tasks beside each other, each
/// until it first waits and in this order, and yields all results when the last one has ended; a
/// Task<void> has a std::monostate there. An exception out of one cancels the others, and goes on
/// when they have ended. An error that is returned is a result like any other. A task that is
/// cancelled here cancels all of them, and goes on when they have ended.
template <typename... Ts>
  requires(sizeof...(Ts) > 0)
[[nodiscard]] internal::WhenAll<Ts...> when_all(Task<Ts>... tasks) {
  return internal::WhenAll<Ts...>(std::move(tasks)...);
}

/// The same for any number of tasks of one type, also none. Yields a std::vector<T>, in the order
/// of the tasks; nothing if T is void. T must not be a reference.
template <typename T>
[[nodiscard]] internal::WhenAllOf<T> when_all(std::vector<Task<T>> tasks) {
  return internal::WhenAllOf<T>(std::move(tasks));
}

}  // namespace leat
