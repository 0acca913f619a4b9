#include "leat/http/internal/kept_fields.h"

#include <cstdint>

#include "leat/http/internal/text.h"

namespace leat::http::internal {

KeptFields::KeptFields(const HeaderList& headers) {
  const auto append = [this](std::string_view text) {
    bytes_ += text;
    return static_cast<std::uint32_t>(bytes_.size());
  };
  for (const HeaderField& field : headers) {
    if (!equal_ignoring_case(field.name, "Range") &&
        !equal_ignoring_case(field.name.substr(0, 3), "If-")) {
      continue;
    }
    HeaderSlot slot;
    slot.name_begin = append({});
    slot.name_end = append(field.name);
    slot.value_begin = slot.name_end;
    slot.value_end = append(field.value);
    slots_.push_back(slot);
  }
}

}  // namespace leat::http::internal
