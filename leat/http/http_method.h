// Public: the request methods that handlers tell apart.
#pragma once

#include <cstdint>
#include <string_view>

namespace leat::http {

/// Those of RFC 9110, 9.3 and PATCH (RFC 5789). CONNECT is missing: this server is no proxy, and
/// answers it with 501 itself. Methods of extensions (WebDAV and the like) that the parser knows
/// arrive as kOther, HttpRequest::method_name() says which; others are answered with 501.
enum class HttpMethod : std::uint8_t {
  kGet,
  kHead,
  kPost,
  kPut,
  kDelete,
  kOptions,
  kTrace,
  kPatch,
  kOther,
};

/// "GET"; "OTHER" for kOther.
[[nodiscard]] std::string_view to_string(HttpMethod method);

}  // namespace leat::http
