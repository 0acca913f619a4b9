// Internal: what the compiler needs to know of the coroutines of Task<T>.
#pragma once

#include <concepts>
#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "leat/base/assert.h"
#include "leat/base/result.h"
#include "leat/reactor/internal/strand.h"

namespace leat {

template <typename T>
class Task;

namespace internal {

/// Marks what coroutines of Task<T> may await, beside other tasks.
class Awaitable {};

template <typename T>
class TaskAwait;
template <typename A>
class ReferenceAwait;
template <typename A>
class CheckedAwait;
/// Most waits yield a Result<void>, and one that nobody looks at lets a cancelled task go on.
template <typename A>
using AwaitOf =
    std::conditional_t<std::is_same_v<decltype(std::declval<A&>().await_resume()), Result<void>>,
                       CheckedAwait<A>, ReferenceAwait<A>>;

/// The part of a coroutine that does not depend on its result.
class PromiseBase {
 public:
  PromiseBase() = default;
  PromiseBase(const PromiseBase&) = delete;
  PromiseBase& operator=(const PromiseBase&) = delete;

  // For the compiler.

  [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }

  struct FinalAwait {
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <typename Promise>
    void await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
      ended.promise().strand().pop();
    }
    void await_resume() const noexcept {}
  };
  [[nodiscard]] FinalAwait final_suspend() const noexcept { return {}; }

  void unhandled_exception() noexcept { exception_ = std::current_exception(); }

  template <typename T>
  [[nodiscard]] TaskAwait<T> await_transform(Task<T>&& task) const noexcept {
    return TaskAwait<T>(task);
  }
  template <typename T>
  void await_transform(Task<T>& task) const = delete;  // co_await std::move(task)
  template <typename A>
    requires std::derived_from<std::remove_cvref_t<A>, Awaitable>
  [[nodiscard]] AwaitOf<std::remove_reference_t<A>> await_transform(A&& awaitable) const noexcept {
    return AwaitOf<std::remove_reference_t<A>>(awaitable);
  }
  /// A task awaits other tasks and what Leat gives it; TaskEvent bridges the rest.
  template <typename A>
  void await_transform(A&& foreign) const = delete;

  // For the strand.

  [[nodiscard]] Strand& strand() const { return *strand_; }
  [[nodiscard]] bool is_in_progress() const { return strand_ != nullptr; }
  [[nodiscard]] bool is_done() const { return handle_.done(); }
  [[nodiscard]] const std::exception_ptr& exception() const { return exception_; }
  void resume() { handle_.resume(); }
  void enter(Strand& strand, PromiseBase* below, PromiseBase*& owner) noexcept {
    strand_ = &strand;
    below_ = below;
    owner_ = &owner;
  }
  /// Returns what is below.
  [[nodiscard]] PromiseBase* leave() noexcept {
    strand_ = nullptr;
    return below_;
  }
  /// Destroys the coroutine for the strand, of which its owner hears.
  void destroy_on_strand() noexcept {
    *owner_ = nullptr;
    handle_.destroy();
  }
  /// Destroys the coroutine for its owner.
  void destroy() noexcept { handle_.destroy(); }

 protected:
  ~PromiseBase() = default;
  void set_handle(std::coroutine_handle<> handle) { handle_ = handle; }

 private:
  std::coroutine_handle<> handle_;
  Strand* strand_ = nullptr;       // while it is in progress
  PromiseBase* below_ = nullptr;   // the one that awaits it
  PromiseBase** owner_ = nullptr;  // by which its Task holds it
  std::exception_ptr exception_;
};

/// Keeps a result until it is taken.
template <typename T>
class TaskResult {
 public:
  template <typename U = T>
    requires std::convertible_to<U&&, T>
  void return_value(U&& value) {
    value_.emplace(std::forward<U>(value));
  }
  [[nodiscard]] T take() { return std::move(*value_); }

 private:
  std::optional<T> value_;
};

template <typename T>
class TaskResult<T&> {
 public:
  void return_value(T& value) { value_ = std::addressof(value); }
  [[nodiscard]] T& take() { return *value_; }

 private:
  T* value_ = nullptr;
};

template <>
class TaskResult<void> {
 public:
  void return_void() {}
  void take() {}
};

template <typename T>
class TaskPromise final : public PromiseBase, public TaskResult<T> {
 public:
  /// A frame comes from operator new: without memory std::bad_alloc leaves the call.
  Task<T> get_return_object();

  /// The result, or the exception that took its place.
  T take_result() {
    if (exception()) std::rethrow_exception(exception());
    return this->take();
  }
};

/// Calls a task. The Task outlives it: both are in the caller's frame.
template <typename T>
class TaskAwait {
 public:
  explicit TaskAwait(Task<T>& task) : task_(task) {}

  [[nodiscard]] bool await_ready() const noexcept { return false; }
  template <typename Promise>
  void await_suspend(std::coroutine_handle<Promise> caller) const noexcept {
    caller.promise().strand().push(task_.promise_);
  }
  T await_resume() const { return task_.promise().take_result(); }

 private:
  Task<T>& task_;
};

/// Awaits `awaitable`, which lies in the caller's frame. GCC 12 would copy what await_transform()
/// returns by a reference.
template <typename A>
class ReferenceAwait {
 public:
  explicit ReferenceAwait(A& awaitable) : awaitable_(awaitable) {}

  [[nodiscard]] bool await_ready() const noexcept { return false; }
  template <typename Promise>
  bool await_suspend(std::coroutine_handle<Promise> caller) const {
    return awaitable_.await_suspend(caller);
  }
  decltype(auto) await_resume() const { return awaitable_.await_resume(); }

 private:
  A& awaitable_;
};

template <typename A>
class CheckedAwait : public ReferenceAwait<A> {
 public:
  using ReferenceAwait<A>::ReferenceAwait;
  [[nodiscard]] Result<void> await_resume() const { return ReferenceAwait<A>::await_resume(); }
};

}  // namespace internal
}  // namespace leat
