// Internal: what is answered to a request for a file that is open.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "leat/base/timestamp.h"
#include "leat/http/header_list.h"
#include "leat/http/http_method.h"
#include "leat/http/http_response.h"
#include "leat/http/internal/file_root.h"

namespace leat::http::internal {

struct FileResponseOptions {
  std::size_t max_ranges = 16;
  std::string_view cache_control;
};

/// 200, 206, 304, 412 or 416, with the file's validators. The bodies of 200 and 206 are ranges of
/// the file. `name` says the media type.
[[nodiscard]] HttpResponse make_file_response(const OpenedFile& file, std::string_view name,
                                              HttpMethod method, const HeaderList& headers,
                                              Timestamp now, const FileResponseOptions& options);

/// A strong entity tag of inode, size and modification time, with its quotes (RFC 9110, 8.8.3).
[[nodiscard]] std::string make_etag(const struct stat& status);

}  // namespace leat::http::internal
