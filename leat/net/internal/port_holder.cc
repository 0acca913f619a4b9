#include "leat/net/internal/port_holder.h"

#include <charconv>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string_view>

namespace leat::internal {

namespace {

// Values of the column `st`, include/net/tcp_states.h of the kernel.
constexpr std::uint32_t kStateTimeWait = 6;
constexpr std::uint32_t kStateListen = 10;

template <typename Number>
bool read_number(std::string_view text, int base, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  return error == std::errc() && end == text.data() + text.size();
}

/// "0100007F:1F90": the address as 32-bit words in the machine's order, then the port as a number.
std::optional<InetAddress> read_address(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon != 8 && colon != 32) return std::nullopt;
  std::uint32_t words[4];
  for (std::size_t i = 0; i < colon / 8; ++i) {
    if (!read_number(text.substr(i * 8, 8), 16, words[i])) return std::nullopt;
  }
  std::uint16_t port;
  if (!read_number(text.substr(colon + 1), 16, port)) return std::nullopt;

  sockaddr_storage storage{};
  if (colon == 8) {
    auto* in = reinterpret_cast<sockaddr_in*>(&storage);
    in->sin_family = AF_INET;
    std::memcpy(&in->sin_addr, words, sizeof in->sin_addr);
  } else {
    auto* in6 = reinterpret_cast<sockaddr_in6*>(&storage);
    in6->sin6_family = AF_INET6;
    std::memcpy(&in6->sin6_addr, words, sizeof in6->sin6_addr);
  }
  InetAddress address =
      InetAddress::from_sockaddr(reinterpret_cast<sockaddr*>(&storage), sizeof storage).value();
  address.set_port(port);
  return address;
}

/// Whether two sockets of one port would get the same connections.
bool overlap(const InetAddress& a, const InetAddress& b) {
  constexpr auto kIpv6 = InetAddress::Family::kIpv6;
  if (a.is_any() && a.family() == kIpv6) return true;
  if (b.is_any() && b.family() == kIpv6) return true;
  if (a.family() != b.family()) return false;
  return a.is_any() || b.is_any() || a.host() == b.host();
}

/// One line: sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid ...
std::optional<PortHolder> read_line(const std::string& line, const InetAddress& wanted) {
  std::istringstream words(line);
  std::string skipped, local, state_text, uid_text;
  words >> skipped >> local >> skipped >> state_text >> skipped >> skipped >> skipped >> uid_text;
  const std::optional<InetAddress> address = read_address(local);
  std::uint32_t state;
  uid_t uid;
  if (!address || address->port() != wanted.port() || !read_number(state_text, 16, state) ||
      !read_number(uid_text, 10, uid)) {
    return std::nullopt;
  }
  if (state != kStateListen && state != kStateTimeWait) return std::nullopt;
  if (!overlap(address->unmapped(), wanted.unmapped())) return std::nullopt;
  if (state == kStateTimeWait) return PortHolder{PortHolder::Kind::kTimeWait, 0};
  return PortHolder{PortHolder::Kind::kListener, uid};
}

}  // namespace

std::optional<PortHolder> find_port_holder(const InetAddress& address,
                                           const std::string& proc_net) {
  std::optional<PortHolder> found;
  for (const char* table : {"/tcp", "/tcp6"}) {
    std::ifstream file(proc_net + table);
    std::string line;
    while (std::getline(file, line)) {
      const std::optional<PortHolder> holder = read_line(line, address);
      if (holder) found = holder;
      if (holder && holder->kind == PortHolder::Kind::kListener) return found;
    }
  }
  return found;
}

}  // namespace leat::internal
