// Internal: header fields that outlive their request.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "leat/http/header_list.h"

namespace leat::http::internal {

/// A copy of the fields that decide what is sent of a file: Range, and all that begin with "If-".
class KeptFields {
 public:
  explicit KeptFields(const HeaderList& headers);
  /// Valid as long as this object stays where it is.
  [[nodiscard]] HeaderList list() const { return {bytes_.data(), slots_}; }

 private:
  std::string bytes_;
  std::vector<HeaderSlot> slots_;
};

}  // namespace leat::http::internal
