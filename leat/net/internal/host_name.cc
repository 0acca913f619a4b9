#include "leat/net/internal/host_name.h"

#include <algorithm>

#include <fmt/format.h>

namespace leat::internal {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool may_be_in_label(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
}

Error refused(std::string_view host, std::string_view why) {
  // What is in `host` may come from anywhere, and this goes to logs.
  std::string shown;
  for (const char c : host.substr(0, 80)) shown += c > ' ' && c < '\x7f' ? c : '?';
  return Error::invalid_argument(fmt::format("\"{}\" ({})", shown, why));
}

}  // namespace

std::optional<InetAddress> literal_address(std::string_view host, std::uint16_t port) {
  const bool brackets = host.starts_with('[') && host.ends_with(']');
  const bool v6 = brackets || host.find(':') != std::string_view::npos;
  // What begins otherwise is another form of parse(): a Unix path, "*".
  if (!v6 && (host.empty() || !is_digit(host.front()))) return std::nullopt;
  Result<InetAddress> address =
      InetAddress::parse(v6 && !brackets ? fmt::format("[{}]:0", host) : fmt::format("{}:0", host));
  if (!address || !address->is_ip()) return std::nullopt;
  address->set_port(port);
  return *address;
}

Result<void> check_host_name(std::string_view host) {
  std::string_view name = host;
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty()) return refused(host, "no name of a host");
  if (name.size() > 253) return refused(host, "longer than 253 characters");
  std::string_view label;
  for (std::string_view rest = name;;) {
    const std::size_t dot = std::min(rest.find('.'), rest.size());
    label = rest.substr(0, dot);
    if (label.empty()) return refused(host, "an empty label");
    if (label.size() > 63) return refused(host, "a label longer than 63 characters");
    if (!std::all_of(label.begin(), label.end(), may_be_in_label)) {
      return refused(host, "a character that names of hosts have not");
    }
    if (dot == rest.size()) break;
    rest.remove_prefix(dot + 1);
  }
  // "127.1", "1.2.3.4.5": to some programs an address, to DNS a question that nobody meant.
  if (std::all_of(label.begin(), label.end(), is_digit)) {
    return refused(host, "neither an address nor a name");
  }
  return {};
}

bool is_localhost(std::string_view lower_case_name) {
  if (lower_case_name.ends_with('.')) lower_case_name.remove_suffix(1);
  return lower_case_name == "localhost" || lower_case_name.ends_with(".localhost");
}

std::string to_lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

}  // namespace leat::internal
