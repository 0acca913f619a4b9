// Internal: text that is short in nearly every case.
#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

namespace leat::http::internal {

/// Grows by append() only; up to kInside bytes need no memory of their own.
class SmallText {
 public:
  static constexpr std::size_t kInside = 160;

  void append(std::string_view text) {
    if (size_ <= kInside && text.size() <= kInside - size_) {
      std::memcpy(inside_.data() + size_, text.data(), text.size());
    } else {
      if (size_ <= kInside) outside_.assign(inside_.data(), size_);
      outside_ += text;
    }
    size_ += text.size();
  }
  [[nodiscard]] std::string_view view() const {
    return size_ <= kInside ? std::string_view(inside_.data(), size_) : std::string_view(outside_);
  }

 private:
  std::size_t size_ = 0;
  std::array<char, kInside> inside_;
  std::string outside_;  // everything, once it no longer fits inside
};

}  // namespace leat::http::internal
