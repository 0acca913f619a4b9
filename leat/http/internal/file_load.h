// Internal: bytes of files, brought to memory before the loop sends them.
#pragma once

#include <cstddef>
#include <vector>

#include "leat/http/http_response.h"
#include "leat/http/internal/file_root.h"

namespace leat::http::internal {

/// Makes `parts` ready to send: if their ranges have at most `small` bytes together, they are
/// replaced by their bytes; else it sees to it that the first part of them is in the page cache.
/// False if that would have to wait and must not, and the parts are as they were. A file that has
/// become shorter is left to send_file(), which knows how to end.
[[nodiscard]] bool load_parts(std::vector<FilePart>& parts, std::size_t small, Waiting waiting);

}  // namespace leat::http::internal
