// Public: a callable that owns what it captured, movable and never copied.
#pragma once

#include <cstddef>
#include <functional>
#include <new>
#include <type_traits>
#include <utility>

#include "leat/base/assert.h"

namespace leat {

template <typename Signature>
class MoveOnlyFunction;

namespace internal {
/// Callables that may have nothing to call; made from such a one, a MoveOnlyFunction is empty too
/// (as C++23's: [func.wrap.move.ctor]).
template <typename F>
inline constexpr bool kCanBeEmpty = std::is_pointer_v<F> || std::is_member_pointer_v<F>;
template <typename Signature>
inline constexpr bool kCanBeEmpty<std::function<Signature>> = true;
}  // namespace internal

/// What C++23 calls std::move_only_function, in 32 bytes: a capture of up to three pointers lies
/// inside; one that is larger, aligned more strictly or throws when moved lies on the heap.
/// An empty one must not be called. Not thread-safe, like any value.
///
/// A call is allowed through a const object and may still change the capture, as with
/// std::function: that the caller's object is const says nothing about what the callback keeps.
///
///     +-----------+---------------------------+
///     | ops       | capture, or its address   |
///     +-----------+---------------------------+
///       8 bytes     24 bytes
template <typename R, typename... Args>
class MoveOnlyFunction<R(Args...)> {
 public:
  MoveOnlyFunction() = default;
  MoveOnlyFunction(std::nullptr_t) {}

  /// Owns a decayed copy of `f`. A null pointer or an empty std::function makes an empty one.
  /// Throws what copying `f` throws, and std::bad_alloc where it goes to the heap; nothing leaks
  /// then.
  template <typename F>
    requires(!std::is_same_v<std::decay_t<F>, MoveOnlyFunction> &&
             std::is_invocable_r_v<R, std::decay_t<F>&, Args...>)
  MoveOnlyFunction(F&& f) {
    using Callable = std::decay_t<F>;
    if constexpr (internal::kCanBeEmpty<Callable>) {
      if (f == nullptr) return;
    }
    if constexpr (fits_inside<Callable>()) {
      ::new (static_cast<void*>(storage_)) Callable(std::forward<F>(f));
      ops_ = &Inside<Callable>::kOps;
    } else {
      ::new (static_cast<void*>(storage_)) Callable*(new Callable(std::forward<F>(f)));
      ops_ = &OnHeap<Callable>::kOps;
    }
  }

  MoveOnlyFunction(MoveOnlyFunction&& other) noexcept { take(other); }
  /// The old capture is destroyed last: its destructor may reach this object, or `other`.
  MoveOnlyFunction& operator=(MoveOnlyFunction&& other) noexcept {
    if (this != &other) {
      const MoveOnlyFunction old(std::move(*this));
      take(other);
    }
    return *this;
  }
  MoveOnlyFunction& operator=(std::nullptr_t) noexcept {
    reset();
    return *this;
  }
  MoveOnlyFunction(const MoveOnlyFunction&) = delete;
  MoveOnlyFunction& operator=(const MoveOnlyFunction&) = delete;
  ~MoveOnlyFunction() { reset(); }

  explicit operator bool() const { return ops_ != nullptr; }

  R operator()(Args... args) const {
    LEAT_ASSERT(ops_ != nullptr, "call of an empty function");
    return ops_->invoke(storage_, std::forward<Args>(args)...);
  }

 private:
  static constexpr std::size_t kInside = 3 * sizeof(void*);

  struct Ops {
    R (*invoke)(std::byte*, Args&&...);
    void (*move)(std::byte* from, std::byte* to) noexcept;
    void (*destroy)(std::byte*) noexcept;
  };

  template <typename F>
  static constexpr bool fits_inside() {
    return sizeof(F) <= kInside && alignof(F) <= alignof(void*) &&
           std::is_nothrow_move_constructible_v<F>;
  }
  template <typename T>
  static T& as(std::byte* storage) {
    return *std::launder(reinterpret_cast<T*>(storage));
  }

  template <typename F>
  static R call(F& f, Args&&... args) {
    if constexpr (std::is_void_v<R>) {
      static_cast<void>(std::invoke(f, std::forward<Args>(args)...));
    } else {
      return std::invoke(f, std::forward<Args>(args)...);
    }
  }

  // Named, not lambdas: tools that merge coverage take the lambdas of two specialisations for one.
  template <typename F>
  struct Inside {
    static R invoke(std::byte* s, Args&&... args) {
      return call(as<F>(s), std::forward<Args>(args)...);
    }
    static void move(std::byte* from, std::byte* to) noexcept {
      ::new (static_cast<void*>(to)) F(std::move(as<F>(from)));
      as<F>(from).~F();
    }
    static void destroy(std::byte* s) noexcept { as<F>(s).~F(); }
    static constexpr Ops kOps = {invoke, move, destroy};
  };

  template <typename F>
  struct OnHeap {
    static R invoke(std::byte* s, Args&&... args) {
      return call(*as<F*>(s), std::forward<Args>(args)...);
    }
    static void move(std::byte* from, std::byte* to) noexcept {
      ::new (static_cast<void*>(to)) F*(as<F*>(from));
    }
    static void destroy(std::byte* s) noexcept { delete as<F*>(s); }
    static constexpr Ops kOps = {invoke, move, destroy};
  };

  void take(MoveOnlyFunction& other) noexcept {
    ops_ = other.ops_;
    if (ops_ != nullptr) ops_->move(other.storage_, storage_);
    other.ops_ = nullptr;
  }
  void reset() noexcept {
    if (const Ops* ops = std::exchange(ops_, nullptr)) ops->destroy(storage_);
  }

  const Ops* ops_ = nullptr;
  alignas(void*) mutable std::byte storage_[kInside];
};

static_assert(sizeof(MoveOnlyFunction<void()>) == 4 * sizeof(void*));

}  // namespace leat
