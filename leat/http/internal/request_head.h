// Internal: a request's head, checked, as places in its bytes.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "leat/http/header_list.h"
#include "leat/http/http_method.h"

namespace leat::http::internal {

/// A part of the head's bytes, which may move while the request is served.
struct Place {
  std::uint32_t begin = 0;
  std::uint32_t size = 0;

  [[nodiscard]] std::string_view in(const char* base) const { return {base + begin, size}; }
};

enum class BodyFraming : std::uint8_t { kNone, kLength, kChunked };

/// The value that RequestParser makes of a head; one that breaks a rule has none.
struct RequestHead {
  HttpMethod method = HttpMethod::kGet;
  BodyFraming framing = BodyFraming::kNone;
  int minor_version = 1;
  bool keep_alive = true;         ///< As the client wants it (RFC 9112, 9.3).
  bool expects_continue = false;  ///< Expect: 100-continue (RFC 9110, 10.1.1).
  bool unknown_expectation = false;
  std::uint64_t content_length = 0;
  Place method_name;
  Place target;
  Place path;
  Place query;
  Place host;
  std::vector<HeaderSlot> headers;
};

/// What is answered to a client that broke a rule.
struct ParseError {
  int status = 400;
  std::string_view reason;  ///< A literal.
};

}  // namespace leat::http::internal
