// Public: several tasks beside each other, until one has ended.
#pragma once

#include <array>
#include <cstddef>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "leat/base/assert.h"
#include "leat/reactor/when_all.h"

namespace leat {

/// What when_any() of a vector yields.
template <typename T>
struct WhenAnyResult {
  std::size_t index;  ///< Of the task that ended first.
  T value;            ///< What it returned.
};

namespace internal {

template <typename... Ts>
class WhenAny final : public TaskTuple<Ts...> {
 public:
  explicit WhenAny(Task<Ts>&&... tasks) : TaskTuple<Ts...>(true, std::move(tasks)...) {}

  std::variant<Held<Ts>...> await_resume() {
    this->rethrow();
    return take(std::index_sequence_for<Ts...>());
  }

 private:
  using Results = std::variant<Held<Ts>...>;

  template <std::size_t kIndex>
  static Results take_one(std::tuple<Task<Ts>...>& tasks) {
    return Results(std::in_place_index<kIndex>, take_held(std::get<kIndex>(tasks)));
  }
  template <std::size_t... kIndexes>
  Results take(std::index_sequence<kIndexes...>) {
    using Take = Results (*)(std::tuple<Task<Ts>...>&);
    constexpr std::array<Take, sizeof...(Ts)> kTake{take_one<kIndexes>...};
    return kTake[this->winner()](this->tasks_);
  }
};

template <typename T>
class WhenAnyOf final : public TaskVector<T> {
 public:
  explicit WhenAnyOf(std::vector<Task<T>>&& tasks) : TaskVector<T>(true, std::move(tasks)) {}

  auto await_resume() {
    this->rethrow();
    const std::size_t index = this->winner();
    if constexpr (std::is_void_v<T>) {
      return index;
    } else {
      return WhenAnyResult<T>{index, TaskAccess::take_result(this->tasks_[index])};
    }
  }
};

}  // namespace internal

/// `auto first = co_await when_any(read(), sleep_for_a_second());` Runs the tasks beside each
/// other; when the first one ends the others are cancelled, and when they have ended as well it
/// yields a std::variant whose index() is the first one's place and whose value its result
/// (std::monostate for void). Results of the others are lost: what a loser had read, for one. An
/// exception out of any of them goes on instead, after the others have been cancelled and ended.
template <typename... Ts>
  requires(sizeof...(Ts) > 0)
[[nodiscard]] internal::WhenAny<Ts...> when_any(Task<Ts>... tasks) {
  return internal::WhenAny<Ts...>(std::move(tasks)...);
}

/// The same for one or more tasks of one type. Yields a WhenAnyResult<T>, or only the index if T
/// is void. T must not be a reference.
template <typename T>
[[nodiscard]] internal::WhenAnyOf<T> when_any(std::vector<Task<T>> tasks) {
  LEAT_ASSERT(!tasks.empty(), "when_any() of no task would never end");
  return internal::WhenAnyOf<T>(std::move(tasks));
}

}  // namespace leat
