// Internal: the rules of a request's head that llhttp leaves open.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "leat/http/internal/request_head.h"

namespace leat::http::internal {

/// What llhttp found in a head.
struct ParsedLine {
  std::size_t method_size = 0;
  Place target;
  int major_version = 0;
  int minor_version = 0;
  bool chunked = false;  ///< It will read the body as chunks.
};

/// Checks that `bytes`, a whole head in which llhttp found `line` and `head.headers`, has exactly
/// the form of RFC 9112, 2.1:
///
///     *CRLF  method SP target SP HTTP/1.x CRLF  *( name ":" OWS value OWS CRLF )  CRLF
///
/// and fills in the rest of `head`; then that it keeps the rules on versions, targets, Host and
/// framing. The values of the fields are found here too. An error if it does not.
///
/// llhttp 8.1 in strict mode accepts, and this refuses: LF without CR behind the request line or
/// before it; several spaces between the parts of the request line; no version (HTTP/0.9), other
/// protocols (RTSP, ICE); "*" for methods other than OPTIONS; fragments and quotes in the target;
/// an empty field name; folded fields; no Host, several, or one that is none; an empty
/// Transfer-Encoding, one in HTTP/1.0, codings before chunked, a tab behind it (which it accepts
/// here, and takes for another coding when it comes to the body).
[[nodiscard]] std::optional<ParseError> check_head(std::string_view bytes, const ParsedLine& line,
                                                   RequestHead& head);

}  // namespace leat::http::internal
