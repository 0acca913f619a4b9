#include "leat/http/http_method.h"

#include <array>
#include <cstddef>

namespace leat::http {

std::string_view to_string(HttpMethod method) {
  static constexpr std::array<std::string_view, 9> kNames = {
      "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "OTHER"};
  return kNames[static_cast<std::size_t>(method)];
}

}  // namespace leat::http
