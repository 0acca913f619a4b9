// Public: status codes' reason phrases.
#pragma once

#include <string_view>

namespace leat::http {

/// "Not Found" for 404: the phrases of RFC 9110, 15 and RFC 6585. Empty for codes that they do not
/// have; a status line may end without one (RFC 9112, 4).
[[nodiscard]] std::string_view reason_phrase(int status);

/// True where a response never has content, whatever its header says: 1xx, 204, 304 (RFC 9110,
/// 6.4.1). Responses to HEAD have none either.
[[nodiscard]] constexpr bool status_forbids_content(int status) {
  return status < 200 || status == 204 || status == 304;
}

}  // namespace leat::http
