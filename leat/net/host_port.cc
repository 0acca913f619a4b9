#include "leat/net/host_port.h"

#include <charconv>

#include <fmt/format.h>

#include "leat/net/internal/host_name.h"

namespace leat {

Result<HostPort> HostPort::parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return Error::invalid_argument(fmt::format("\"{}\" (no port: host:port)", text.substr(0, 80)));
  }
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  HostPort result;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), result.port);
  if (error != std::errc{} || end != digits.data() + digits.size()) {
    return Error::invalid_argument(
        fmt::format("\"{}\" (the port is not 0 to 65535)", text.substr(0, 80)));
  }
  if (host.starts_with('[') && host.ends_with(']') && internal::literal_address(host, 0)) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos || !internal::literal_address(host, 0)) {
    if (const Result<void> name = internal::check_host_name(host); !name) return name.error();
  }
  result.host = std::string(host);
  return result;
}

std::string HostPort::to_string() const {
  const bool v6 = host.find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

}  // namespace leat
