#include "leat/http/internal/file_path.h"

#include <algorithm>
#include <cstddef>

#include "leat/http/internal/text.h"

namespace leat::http::internal {
namespace {

/// Appends `segment` decoded.
PathProblem append_decoded(std::string& out, std::string_view segment) {
  for (std::size_t i = 0; i < segment.size(); ++i) {
    if (segment[i] != '%') {
      out += segment[i];
      continue;
    }
    const int high = i + 2 < segment.size() ? hex_value(segment[i + 1]) : -1;
    const int low = i + 2 < segment.size() ? hex_value(segment[i + 2]) : -1;
    if (high < 0 || low < 0) return PathProblem::kBrokenEscape;
    const char byte = static_cast<char>(high * 16 + low);
    if (byte == '\0') return PathProblem::kNul;
    if (byte == '/') return PathProblem::kSlash;
    out += byte;
    i += 2;
  }
  return PathProblem::kNone;
}

/// Drops the last segment; false if there is none.
bool drop_last(std::string& path) {
  if (path.empty()) return false;
  const std::size_t slash = path.rfind('/');
  path.resize(slash == std::string::npos ? 0 : slash);
  return true;
}

}  // namespace

FilePath to_file_path(std::string_view url_path) {
  FilePath out;
  std::string segment;
  while (!url_path.empty()) {
    url_path.remove_prefix(1);
    const std::size_t end = std::min(url_path.find('/'), url_path.size());
    segment.clear();
    out.problem = append_decoded(segment, url_path.substr(0, end));
    if (out.problem != PathProblem::kNone) return out;
    url_path.remove_prefix(end);
    out.is_directory = segment.empty() || segment == "." || segment == "..";
    if (segment == "..") {
      if (!drop_last(out.relative)) {
        out.problem = PathProblem::kAboveRoot;
        return out;
      }
    } else if (!out.is_directory) {
      out.is_hidden |= segment.front() == '.';
      if (!out.relative.empty()) out.relative += '/';
      out.relative += segment;
    }
  }
  if (out.relative.empty()) out.relative = ".";
  return out;
}

void append_percent_encoded(std::string& out, std::string_view segment) {
  static constexpr std::string_view kDigits = "0123456789ABCDEF";
  for (const char c : segment) {
    if (is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~') {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
}

void append_html_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
}

}  // namespace leat::http::internal
