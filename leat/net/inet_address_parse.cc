#include <arpa/inet.h>
#include <net/if.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include <fmt/format.h>

#include "leat/base/internal/text_cursor.h"
#include "leat/net/inet_address.h"

namespace leat {

namespace {

using internal::TextCursor;

/// The error at `offset` bytes behind the cursor.
Error error_behind(TextCursor cursor, std::size_t offset, std::string_view problem) {
  cursor.take(cursor.rest().substr(0, offset));
  return cursor.error(problem);
}

Result<in_addr> parse_ipv4(TextCursor& cursor) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    if (i > 0 && !cursor.take('.')) return cursor.error("expected '.'");
    TextCursor digits = cursor;
    // inet_aton() reads such a number as octal, others as decimal: better not guess.
    if (digits.take('0') && digits.take_digit()) return cursor.error("a leading zero");
    const Result<std::uint64_t> number = cursor.take_number("a number", 255);
    if (!number) return number.error();
    value = value << 8 | static_cast<std::uint32_t>(*number);
  }
  return in_addr{htonl(value)};
}

/// What inet_pton(), which only says no, did not like about the `text` at the cursor.
Error explain_ipv6(const TextCursor& cursor, std::string_view text) {
  std::size_t digits = 0;
  bool gap = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    digits = text[i] == ':' || text[i] == '.' ? 0 : digits + 1;
    if (digits > 4) return error_behind(cursor, i, "a group of more than four digits");
    if (!text.substr(i).starts_with("::")) continue;
    if (gap) return error_behind(cursor, i, "a second '::'");
    gap = true;
  }
  return cursor.error("not an IPv6 address");
}

Result<in6_addr> parse_ipv6(TextCursor& cursor) {
  const std::string_view rest = cursor.rest();
  const std::string_view text = rest.substr(0, rest.find_first_of("]%"));
  const std::size_t bad = text.find_first_not_of("0123456789abcdefABCDEF:.");
  if (bad != text.npos) return error_behind(cursor, bad, "not part of an IPv6 address");
  in6_addr address{};
  if (::inet_pton(AF_INET6, std::string(text).c_str(), &address) != 1) {
    return explain_ipv6(cursor, text);
  }
  cursor.take(text);
  return address;
}

/// "eth0" or "2", up to the bracket.
Result<std::uint32_t> parse_scope(TextCursor& cursor) {
  const std::string_view text = cursor.rest().substr(0, cursor.rest().find(']'));
  if (text.empty()) return cursor.error("expected an interface");
  if (std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    TextCursor before = cursor;
    const Result<std::uint64_t> number = cursor.take_number("an interface number", 0xffff'ffff);
    if (!number) return number.error();
    if (*number == 0) return before.error("interfaces are numbered from 1");
    return static_cast<std::uint32_t>(*number);
  }
  // A name of the kernel's has neither more bytes nor a NUL, at which if_nametoindex() would stop.
  const bool possible = text.size() < IF_NAMESIZE && text.find('\0') == text.npos;
  const unsigned index = possible ? ::if_nametoindex(std::string(text).c_str()) : 0;
  if (index == 0 && possible && errno != ENODEV && errno != ENXIO) {
    return Error::from_errno(errno, fmt::format("interface {}", internal::quoted(text)));
  }
  if (index == 0) return cursor.error("there is no such interface");
  cursor.take(text);
  return index;
}

Result<InetAddress> parse_brackets(TextCursor& cursor) {
  const Result<in6_addr> address = parse_ipv6(cursor);
  if (!address) return address.error();
  sockaddr_in6 in6{};
  in6.sin6_family = AF_INET6;
  in6.sin6_addr = *address;
  if (cursor.take('%')) {
    const Result<std::uint32_t> scope = parse_scope(cursor);
    if (!scope) return scope.error();
    in6.sin6_scope_id = *scope;
  }
  if (!cursor.take(']')) return cursor.error("expected ']'");
  return InetAddress::from_sockaddr(reinterpret_cast<const sockaddr*>(&in6), sizeof in6);
}

/// Whether this is IPv6 without its brackets: two colons, and no dot before the first.
bool looks_like_bare_ipv6(std::string_view text) {
  const std::size_t first = text.find_first_of(":.");
  return first != text.npos && text[first] == ':' && text.find(':', first + 1) != text.npos;
}

Result<InetAddress> parse_host(TextCursor& cursor) {
  if (cursor.take('[')) return parse_brackets(cursor);
  if (cursor.take('*')) return InetAddress::any(0, InetAddress::Family::kIpv6);
  TextCursor after_name = cursor;
  if (after_name.take("localhost") && (after_name.at_end() || after_name.rest()[0] == ':')) {
    cursor = after_name;
    return InetAddress::loopback(0);
  }
  if (looks_like_bare_ipv6(cursor.rest()))
    return cursor.error("IPv6 needs brackets, as in [::1]:80");
  if (cursor.rest().starts_with(':')) return InetAddress::any(0, InetAddress::Family::kIpv6);
  if (cursor.at_end()) return cursor.error("expected an address");
  if (!TextCursor(cursor).take_digit()) {
    return cursor.error("neither an address nor localhost (names are not looked up)");
  }
  const Result<in_addr> address = parse_ipv4(cursor);
  if (!address) return address.error();
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_addr = *address;
  return InetAddress::from_sockaddr(reinterpret_cast<const sockaddr*>(&in), sizeof in);
}

/// One byte of a Unix path or name, which may be escaped.
Result<char> parse_byte(TextCursor& cursor) {
  if (!cursor.take('\\')) {
    const char c = cursor.rest()[0];
    cursor.take(c);
    return c;
  }
  if (cursor.take('\\')) return '\\';
  TextCursor digits = cursor;
  if (digits.take('x')) {
    const std::optional<int> high = digits.take_hex_digit();
    const std::optional<int> low = high ? digits.take_hex_digit() : std::nullopt;
    if (low) {
      cursor = digits;
      return static_cast<char>(*high << 4 | *low);
    }
  }
  return cursor.error("expected '\\' or xHH after '\\'");
}

Result<InetAddress> parse_unix(TextCursor& cursor) {
  const bool abstract = cursor.take('@');
  if (!abstract && cursor.at_end()) return cursor.error("expected a path or @ and a name");
  const std::size_t limit = sizeof(sockaddr_un::sun_path) - (abstract ? 1 : 0);
  std::string name;
  while (!cursor.at_end()) {
    const TextCursor before = cursor;
    const Result<char> byte = parse_byte(cursor);
    if (!byte) return byte.error();
    if (*byte == '\0' && !abstract) return before.error("a NUL byte in a path");
    if (name.size() == limit) return before.error(fmt::format("more than {} bytes", limit));
    name += *byte;
  }
  return abstract ? InetAddress::unix_abstract(name) : InetAddress::unix_path(name);
}

}  // namespace

Result<InetAddress> InetAddress::parse(std::string_view text) {
  TextCursor cursor("address", text);
  if (cursor.take("unix:")) return parse_unix(cursor);
  Result<InetAddress> address = parse_host(cursor);
  if (!address) return address;
  if (!cursor.take(':')) return cursor.error("expected ':' and a port");
  const Result<std::uint64_t> port = cursor.take_number("a port", 65535);
  if (!port) return port.error();
  if (!cursor.at_end()) return cursor.error("expected the end");
  address->set_port(static_cast<std::uint16_t>(*port));
  return address;
}

}  // namespace leat
