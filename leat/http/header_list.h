// Public: the header fields of a request, where they were received.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <span>
#include <string_view>

namespace leat::http {

struct HeaderField {
  std::string_view name;   ///< As sent; compare it without regard to case (equal_ignoring_case).
  std::string_view value;  ///< Without the whitespace around it; may hold bytes above 127.
};

/// Where a field lies in the bytes of its head.
struct HeaderSlot {
  std::uint32_t name_begin = 0;
  std::uint32_t name_end = 0;
  std::uint32_t value_begin = 0;
  std::uint32_t value_end = 0;
};

/// A view; valid as long as the request it comes from.
class HeaderList {
 public:
  class Iterator {
   public:
    using value_type = HeaderField;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;

    Iterator() = default;
    Iterator(const char* base, const HeaderSlot* slot) : base_(base), slot_(slot) {}
    HeaderField operator*() const {
      return {{base_ + slot_->name_begin, slot_->name_end - slot_->name_begin},
              {base_ + slot_->value_begin, slot_->value_end - slot_->value_begin}};
    }
    Iterator& operator++() {
      ++slot_;
      return *this;
    }
    Iterator operator++(int) {
      Iterator old = *this;
      ++slot_;
      return old;
    }
    friend bool operator==(const Iterator&, const Iterator&) = default;

   private:
    const char* base_ = nullptr;
    const HeaderSlot* slot_ = nullptr;
  };

  HeaderList() = default;
  HeaderList(const char* base, std::span<const HeaderSlot> slots) : base_(base), slots_(slots) {}

  [[nodiscard]] std::size_t size() const { return slots_.size(); }
  [[nodiscard]] bool empty() const { return slots_.empty(); }
  [[nodiscard]] Iterator begin() const { return {base_, slots_.data()}; }
  [[nodiscard]] Iterator end() const { return {base_, slots_.data() + slots_.size()}; }

  /// The first field of that name, in any case.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const;
  /// How many fields have that name.
  [[nodiscard]] std::size_t count(std::string_view name) const;

 private:
  const char* base_ = nullptr;
  std::span<const HeaderSlot> slots_;
};

}  // namespace leat::http
