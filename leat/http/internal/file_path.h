// Internal: from the path of a URL to a path below a directory.
#pragma once

#include <string>
#include <string_view>

namespace leat::http::internal {

enum class PathProblem {
  kNone,
  kBrokenEscape,  ///< '%' without two hexadecimal digits.
  kNul,           ///< "%00": no file name holds it, and C strings would end there.
  kSlash,         ///< "%2F": a name with a slash in it, which no file has.
  kAboveRoot,     ///< More ".." than segments before them.
};

struct FilePath {
  PathProblem problem = PathProblem::kNone;
  std::string relative;       ///< "a/b"; "." for the directory itself.
  bool is_directory = false;  ///< It ended in '/', or in a dot segment.
  bool is_hidden = false;     ///< Some segment begins with a dot.
};

/// Decodes percent-encoding once, then removes dot segments as RFC 3986, 5.2.4 does, also those
/// that were encoded ("%2e%2e"), and empty segments ("a//b"). `url_path` begins with '/'.
[[nodiscard]] FilePath to_file_path(std::string_view url_path);

/// For links: encodes what is not unreserved (RFC 3986, 2.3), so '/' as well.
void append_percent_encoded(std::string& out, std::string_view segment);
/// For HTML text and attribute values in quotes.
void append_html_escaped(std::string& out, std::string_view text);

}  // namespace leat::http::internal
