// Public: a value that was asked of the machine, or why it could not be read.
#pragma once

#include <cerrno>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "leat/base/assert.h"
#include "leat/base/result.h"

namespace leat::sys {

/// Why a value is not known. Never shown as zero.
struct Unreadable {
  enum class Kind {
    kNotAsked,    ///< Nobody has tried.
    kNotOffered,  ///< The kernel, the driver or the device has no such thing.
    kDenied,      ///< A right is lacking: `right` names it.
    kGone,        ///< The device or the process went away meanwhile.
    kFailed,      ///< Anything else: `why` has the kernel's or the parser's words.
  };

  Kind kind = Kind::kNotAsked;
  std::string why = "not asked for";
  std::string right = {};  ///< "CAP_NET_ADMIN", empty if no right would help.

  friend bool operator==(const Unreadable&, const Unreadable&) = default;
};

/// Sorts an error of a Machine by its errno. `right` is what EPERM and EACCES would need.
[[nodiscard]] Unreadable why_unreadable(const Error& error, std::string_view right);

/// A value, or the reason why there is none. A value type; one thread at a time.
template <typename T>
class Reading {
 public:
  Reading() = default;
  Reading(T value) : state_(std::in_place_index<1>, std::move(value)) {}
  Reading(Unreadable why) : state_(std::in_place_index<0>, std::move(why)) {}

  [[nodiscard]] bool has_value() const { return state_.index() == 1; }
  explicit operator bool() const { return has_value(); }

  /// There must be a value.
  [[nodiscard]] const T& operator*() const {
    LEAT_ASSERT(has_value(), "value of a reading that has none");
    return *std::get_if<1>(&state_);
  }
  [[nodiscard]] T& operator*() {
    LEAT_ASSERT(has_value(), "value of a reading that has none");
    return *std::get_if<1>(&state_);
  }
  [[nodiscard]] const T* operator->() const { return &**this; }
  [[nodiscard]] T* operator->() { return &**this; }
  /// For conditions like "is it 0?": the value, or `fallback` where there is none.
  [[nodiscard]] T value_or(T fallback) const { return has_value() ? **this : std::move(fallback); }
  [[nodiscard]] std::optional<T> optional() const {
    return has_value() ? std::optional<T>(**this) : std::nullopt;
  }

  /// There must be no value.
  [[nodiscard]] const Unreadable& unreadable() const {
    LEAT_ASSERT(!has_value(), "unreadable() of a reading that has a value");
    return *std::get_if<0>(&state_);
  }

  friend bool operator==(const Reading&, const Reading&) = default;

 private:
  std::variant<Unreadable, T> state_;
};

/// What a call on a Machine gave; `right` names what a refusal would need.
template <typename T>
[[nodiscard]] Reading<T> reading_of(Result<T> result, std::string_view right) {
  if (result) return Reading<T>(*std::move(result));
  return Reading<T>(why_unreadable(result.error(), right));
}

/// The same value in another form, or the same reason. `to` gives a Result.
template <typename T, typename Function>
[[nodiscard]] auto reading_from(const Result<T>& result, std::string_view right, Function to)
    -> Reading<typename decltype(to(*result))::value_type> {
  if (!result) return why_unreadable(result.error(), right);
  return reading_of(to(*result), right);
}

}  // namespace leat::sys
