// Internal: header fields for tests.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "leat/http/header_list.h"

namespace leat::http::testing {

/// Owns the bytes behind a HeaderList.
class HeaderFields {
 public:
  HeaderFields(std::initializer_list<std::pair<std::string, std::string>> fields) {
    for (const auto& [name, value] : fields) {
      HeaderSlot slot;
      slot.name_begin = size();
      bytes_ += name;
      slot.name_end = size();
      bytes_ += ": ";
      slot.value_begin = size();
      bytes_ += value;
      slot.value_end = size();
      bytes_ += "\r\n";
      slots_.push_back(slot);
    }
  }
  [[nodiscard]] HeaderList list() const { return {bytes_.data(), slots_}; }

 private:
  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(bytes_.size()); }

  std::string bytes_;
  std::vector<HeaderSlot> slots_;
};

}  // namespace leat::http::testing
