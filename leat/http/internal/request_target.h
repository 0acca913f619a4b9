// Internal: the request target (RFC 9112, 3.2) and the Host field.
#pragma once

#include <optional>
#include <string_view>

namespace leat::http::internal {

/// Views into the target.
struct RequestTarget {
  std::string_view authority;  ///< Of the absolute form; otherwise empty.
  std::string_view path;       ///< Begins with '/', or is "*"; empty as in "http://host".
  std::string_view query;      ///< Behind the '?'.
};

/// The origin form, the absolute form with http or https, and, for OPTIONS, "*". None for
/// anything else: no fragment, no user information, no bytes but those that a URL can hold. (The
/// characters {}|\^[]` are let through, for browsers send them as they are in queries: the query
/// percent-encode set of the WHATWG URL standard.)
[[nodiscard]] std::optional<RequestTarget> parse_request_target(std::string_view target,
                                                                bool is_options);

/// uri-host [ ":" port ] (RFC 9112, 3.2; RFC 3986, 3.2.2). Empty is right where the target has
/// no authority.
[[nodiscard]] bool is_host(std::string_view text);

}  // namespace leat::http::internal
