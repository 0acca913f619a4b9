#include "apps/leat/load_target.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include <fmt/format.h>

#include "leat/net/tcp_client.h"
#include "leat/net/tcp_connection.h"
#include "leat/reactor/event_loop.h"

namespace leat::app {

namespace {

constexpr std::string_view kHttp = "http://";
constexpr std::string_view kTcp = "tcp://";
constexpr std::string_view kUnix = "unix:";

Error error_at(std::string_view text, std::size_t index, std::string_view what) {
  return Error::invalid_argument(fmt::format("'{}', column {}: {}", text, index + 1, what));
}

/// The address, or the name to look it up by, stands at `begin` of `text`, and its own columns
/// count from there.
Result<void> set_address(LoadTarget& target, std::string_view text, std::size_t begin,
                         std::string_view address) {
  Result<InetAddress> parsed = InetAddress::parse(address);
  if (parsed) {
    target.address = *parsed;
    return {};
  }
  Result<HostPort> name = HostPort::parse(address);
  if (address.starts_with(kUnix) || !name) return error_at(text, begin, parsed.error().context());
  target.name = *std::move(name);
  return {};
}

bool has_port_zero(const LoadTarget& target) {
  if (!target.name.host.empty()) return target.name.port == 0;
  return target.address.is_ip() && target.address.port() == 0;
}

bool has_port(std::string_view authority) {
  const std::size_t bracket = authority.rfind(']');
  const std::size_t from = bracket == std::string_view::npos ? 0 : bracket;
  return authority.find(':', from) != std::string_view::npos;
}

/// Sets the path, which is what stands from `begin` on, without its fragment.
Result<void> set_path(LoadTarget& target, std::string_view text, std::size_t begin) {
  std::string_view path = text.substr(begin);
  path = path.substr(0, path.find('#'));
  // What may not stand in a request line would let a request of another shape through.
  const auto bad =
      std::find_if(path.begin(), path.end(), [](unsigned char c) { return c <= ' ' || c >= 0x7f; });
  if (bad != path.end()) {
    return error_at(text, begin + static_cast<std::size_t>(bad - path.begin()),
                    "a path has neither blanks nor bytes outside ASCII; write %XX");
  }
  target.path = path.empty() || path.front() != '/' ? "/" + std::string(path) : std::string(path);
  return {};
}

Result<LoadTarget> parse_http_unix(LoadTarget target, std::string_view text) {
  const std::size_t end = text.find(":/", kHttp.size() + kUnix.size());
  const std::size_t stop = end == std::string_view::npos ? text.size() : end;
  Result<void> address =
      set_address(target, text, kHttp.size(), text.substr(kHttp.size(), stop - kHttp.size()));
  if (!address) return std::move(address).error();
  target.host = "localhost";
  Result<void> path = set_path(target, text, end == std::string_view::npos ? stop : end + 1);
  if (!path) return std::move(path).error();
  return target;
}

Result<LoadTarget> parse_http(LoadTarget target, std::string_view text) {
  target.protocol = LoadTarget::Protocol::kHttp;
  std::string_view rest = text.substr(kHttp.size());
  if (rest.starts_with(kUnix)) return parse_http_unix(std::move(target), text);
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  if (authority.empty()) return error_at(text, kHttp.size(), "a host is missing");
  target.host = authority;
  std::string with_port(authority);
  if (!has_port(authority)) with_port += ":80";
  Result<void> address = set_address(target, text, kHttp.size(), with_port);
  if (!address) return std::move(address).error();
  Result<void> path = set_path(target, text, kHttp.size() + authority.size());
  if (!path) return std::move(path).error();
  return target;
}

}  // namespace

Result<LoadTarget> parse_load_target(std::string_view text) {
  LoadTarget target;
  target.text = text;
  if (text.starts_with(kHttp)) return parse_http(std::move(target), text);
  std::size_t begin = 0;
  if (text.starts_with(kTcp)) {
    begin = kTcp.size();
  } else if (!text.starts_with(kUnix)) {
    return error_at(text, 0, "a target begins with http://, tcp:// or unix:");
  }
  Result<void> address = set_address(target, text, begin, text.substr(begin));
  if (!address) return std::move(address).error();
  if (has_port_zero(target)) return error_at(text, begin, "port 0 cannot be connected to");
  return target;
}

Result<void> find_address(EventLoop& loop, LoadTarget& target, Duration timeout) {
  if (target.name.host.empty()) return {};
  Result<void> found;
  TcpClient client(loop, target.name, {.connect_timeout = timeout});
  client.on_connection([&](const TcpConnectionPtr& connection) {
    target.address = connection->peer();
    loop.quit();
  });
  client.on_connect_failed([&](const Error& error, std::size_t) {
    found = error;
    loop.quit();
  });
  if (Result<void> begun = client.connect(); !begun) return begun;
  if (Result<void> looped = loop.loop(); !looped) return looped;
  return found;
}

}  // namespace leat::app
