// Internal: a directory as a page of links.
#pragma once

#include <string>
#include <string_view>

#include "leat/base/result.h"
#include "leat/http/internal/file_root.h"

namespace leat::http::internal {

/// HTML, names escaped, directories first, at most ten thousand entries. `title` is the path as
/// people read it; `is_root` leaves out the way up. Waits for the disk.
[[nodiscard]] Result<std::string> list_directory(const OpenedFile& directory,
                                                 std::string_view title, bool is_root,
                                                 bool show_hidden);

}  // namespace leat::http::internal
