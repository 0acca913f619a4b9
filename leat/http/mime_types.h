// Public: which media type a file name stands for.
#pragma once

#include <string_view>

namespace leat::http {

/// By the extension of `file_name`, in any case: "text/html; charset=utf-8" for "index.html".
/// "application/octet-stream" if it is unknown. Text is said to be UTF-8.
[[nodiscard]] std::string_view mime_type(std::string_view file_name);

}  // namespace leat::http
