// Public: the error type of every call that can fail, docs/decisions/error-type.md.
#pragma once

#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

#include "leat/base/assert.h"

namespace leat {

/// Why a call failed: a code that programs compare and a sentence that people read.
class Error {
 public:
  Error(std::error_code code, std::string context) : code_(code), context_(std::move(context)) {}

  /// The error for an errno value; `context` says what was tried and on what.
  [[nodiscard]] static Error from_errno(int number, std::string context) {
    return Error(std::error_code(number, std::generic_category()), std::move(context));
  }
  [[nodiscard]] static Error invalid_argument(std::string context) {
    return Error(std::make_error_code(std::errc::invalid_argument), std::move(context));
  }

  [[nodiscard]] const std::error_code& code() const { return code_; }
  /// The errno value (all of the library's own errors carry one).
  [[nodiscard]] int number() const { return code_.value(); }
  /// What was tried, without the code's own text.
  [[nodiscard]] const std::string& context() const { return context_; }
  /// The whole sentence: "bind 127.0.0.1:80: Permission denied".
  [[nodiscard]] std::string message() const { return context_ + ": " + code_.message(); }

 private:
  std::error_code code_;
  std::string context_;
};

namespace internal {
/// Prints `error` and ends the process: the caller took a value that is not there.
[[noreturn]] void no_value(const Error& error);
}  // namespace internal

/// A value or the `Error` that took its place: the part of C++23's std::expected that Leat uses,
/// with its names, so that it can become that type.
template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  [[nodiscard]] bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  /// The value. Ends the process with the error's message if there is none: for programs that
  /// have nothing better to do; everyone else looks first.
  [[nodiscard]] T& value() & {
    require_value();
    return std::get<0>(state_);
  }
  [[nodiscard]] const T& value() const& {
    require_value();
    return std::get<0>(state_);
  }
  [[nodiscard]] T&& value() && {
    require_value();
    return std::get<0>(std::move(state_));
  }
  [[nodiscard]] T& operator*() & { return value(); }
  [[nodiscard]] const T& operator*() const& { return value(); }
  [[nodiscard]] T&& operator*() && { return std::move(*this).value(); }
  [[nodiscard]] T* operator->() { return &value(); }
  [[nodiscard]] const T* operator->() const { return &value(); }

  /// The error; there must be one.
  [[nodiscard]] const Error& error() const& {
    LEAT_ASSERT(!has_value(), "error() of a Result that holds a value");
    return *std::get_if<1>(&state_);
  }
  [[nodiscard]] Error&& error() && {
    LEAT_ASSERT(!has_value(), "error() of a Result that holds a value");
    return std::move(*std::get_if<1>(&state_));
  }

  template <typename U>
  [[nodiscard]] T value_or(U&& fallback) const& {
    return has_value() ? std::get<0>(state_) : static_cast<T>(std::forward<U>(fallback));
  }
  template <typename U>
  [[nodiscard]] T value_or(U&& fallback) && {
    return has_value() ? std::get<0>(std::move(state_)) : static_cast<T>(std::forward<U>(fallback));
  }

 private:
  void require_value() const {
    if (!has_value()) internal::no_value(std::get<1>(state_));
  }

  std::variant<T, Error> state_;
};

/// Success without a value, or an error. Not [[nodiscard]]: `send()` on a connection reports a
/// loss to its callbacks and counters as well, and most callers have nothing to add.
template <>
class Result<void> {
 public:
  using value_type = void;

  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  [[nodiscard]] bool has_value() const { return !error_.has_value(); }
  explicit operator bool() const { return has_value(); }
  /// Does nothing on success. Ends the process with the error's message otherwise.
  void value() const {
    if (error_) internal::no_value(*error_);
  }
  /// The error; there must be one.
  [[nodiscard]] const Error& error() const& {
    LEAT_ASSERT(!has_value(), "error() of a Result that holds success");
    return *error_;
  }
  [[nodiscard]] Error&& error() && {
    LEAT_ASSERT(!has_value(), "error() of a Result that holds success");
    return std::move(*error_);
  }

 private:
  std::optional<Error> error_;
};

}  // namespace leat
