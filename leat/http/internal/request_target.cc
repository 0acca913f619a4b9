#include "leat/http/internal/request_target.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "leat/http/internal/text.h"

namespace leat::http::internal {
namespace {

struct CharClasses {
  std::array<bool, 256> target{};
  // unreserved, sub-delims and the '%' of pct-encoded (RFC 3986, 2.2 and 2.3).
  std::array<bool, 256> reg_name{};
};

constexpr CharClasses make_classes() {
  CharClasses classes;
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    classes.target[byte] =
        byte > 0x20 && byte < 0x7f && c != '"' && c != '#' && c != '<' && c != '>';
    classes.reg_name[byte] = is_alpha(c) || is_digit(c);
  }
  for (const char c : std::string_view("-._~!$&'()*+,;=%")) {
    classes.reg_name[static_cast<unsigned char>(c)] = true;
  }
  return classes;
}
constexpr CharClasses kClasses = make_classes();

bool is_target_char(char c) {
  return kClasses.target[static_cast<unsigned char>(c)];
}
bool is_reg_name_char(char c) {
  return kClasses.reg_name[static_cast<unsigned char>(c)];
}

bool is_port(std::string_view text) {
  return text.size() <= 5 && std::all_of(text.begin(), text.end(), is_digit);
}

/// Removes "http://" or "https://" in any case from the front.
bool take_scheme(std::string_view& target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (equal_ignoring_case(target.substr(0, scheme.size()), scheme)) {
      target.remove_prefix(scheme.size());
      return true;
    }
  }
  return false;
}

void split_query(std::string_view text, RequestTarget& out) {
  const std::size_t mark = text.find('?');
  out.path = text.substr(0, mark);
  if (mark != std::string_view::npos) out.query = text.substr(mark + 1);
}

}  // namespace

std::optional<RequestTarget> parse_request_target(std::string_view target, bool is_options) {
  RequestTarget out;
  if (!std::all_of(target.begin(), target.end(), is_target_char)) return std::nullopt;
  if (target == "*") {
    if (!is_options) return std::nullopt;
    out.path = target;
    return out;
  }
  if (target.starts_with('/')) {
    split_query(target, out);
    return out;
  }
  if (!take_scheme(target)) return std::nullopt;
  const std::size_t end = std::min(target.find_first_of("/?"), target.size());
  out.authority = target.substr(0, end);
  if (out.authority.empty() || !is_host(out.authority)) return std::nullopt;
  split_query(target.substr(end), out);
  return out;
}

bool is_host(std::string_view text) {
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos || end < 3) return false;
    const std::string_view address = text.substr(1, end - 1);
    const bool is_literal = std::all_of(address.begin(), address.end(),
                                        [](char c) { return is_reg_name_char(c) || c == ':'; });
    const std::string_view rest = text.substr(end + 1);
    return is_literal && (rest.empty() || (rest.front() == ':' && is_port(rest.substr(1))));
  }
  const std::size_t colon = std::min(text.find(':'), text.size());
  const std::string_view name = text.substr(0, colon);
  if (!std::all_of(name.begin(), name.end(), is_reg_name_char)) return false;
  if (colon == text.size()) return true;
  return !name.empty() && is_port(text.substr(colon + 1));
}

}  // namespace leat::http::internal
