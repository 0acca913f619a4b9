// Internal: conditional requests (RFC 9110, 13).
#pragma once

#include <string_view>

#include "leat/base/timestamp.h"
#include "leat/http/header_list.h"
#include "leat/http/http_method.h"

namespace leat::http::internal {

/// What a representation is recognised by.
struct Validators {
  std::string_view etag;    ///< A strong entity tag with its quotes.
  Timestamp last_modified;  ///< Whole seconds, for HTTP's dates have no more.
};

enum class Precondition {
  kServe,        ///< Go on; Range may be looked at.
  kNotModified,  ///< 304
  kFailed,       ///< 412
};

/// Evaluates If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since in the order of
/// RFC 9110, 13.2.2. A field whose value is not a valid date is ignored, as 13.1.3 and 13.1.4 say.
/// `now` settles the century of dates in the oldest form.
[[nodiscard]] Precondition check_preconditions(const HeaderList& headers, HttpMethod method,
                                               const Validators& validators, Timestamp now);

/// Step 5 of it: false if If-Range says that the client's part is of another representation, so
/// that Range must be ignored (13.1.5). A date counts only if it is a strong validator (8.8.2.2).
[[nodiscard]] bool if_range_allows(const HeaderList& headers, const Validators& validators,
                                   Timestamp now);

/// Whether a list of entity tags, or "*", holds `etag`. `weak`: by weak comparison (8.8.3.2).
[[nodiscard]] bool etag_list_matches(std::string_view list, std::string_view etag, bool weak);

}  // namespace leat::http::internal
