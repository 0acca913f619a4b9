#include "leat/http/header_list.h"

#include "leat/http/internal/text.h"

namespace leat::http {

std::optional<std::string_view> HeaderList::find(std::string_view name) const {
  for (const HeaderField& field : *this) {
    if (internal::equal_ignoring_case(field.name, name)) return field.value;
  }
  return std::nullopt;
}

std::size_t HeaderList::count(std::string_view name) const {
  std::size_t count = 0;
  for (const HeaderField& field : *this) {
    if (internal::equal_ignoring_case(field.name, name)) ++count;
  }
  return count;
}

}  // namespace leat::http
