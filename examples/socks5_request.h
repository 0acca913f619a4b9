// Internal: what a SOCKS5 client says (RFC 1928), parsed, and looked up. Part of socks5.cc.
#pragma once

#include <arpa/inet.h>
#include <netdb.h>

#include <string>
#include <string_view>
#include <vector>

#include "leat/net/inet_address.h"

namespace socks5 {

/// A greeting or a request. While it is incomplete its size is 0.
struct Message {
  std::size_t size = 0;
  int refusal = 0;  ///< If not 0, what to refuse it with.
  std::string host = {};
  bool host_is_name = false;
  std::uint16_t port = 0;
};

inline unsigned byte(std::string_view text, std::size_t index) {
  return index < text.size() ? static_cast<unsigned char>(text[index]) : 0;
}

///     +---+---+---------+     methods: what authentication the client offers; 0: none
///     | 5 | n | methods |
///     +---+---+---------+
inline Message parse_greeting(std::string_view text) {
  if (byte(text, 0) != 5) return {.size = text.size(), .refusal = 0xff};
  const std::size_t size = 2 + byte(text, 1);
  if (text.size() < size) return {};
  const bool offers_none = text.substr(2, size - 2).find('\0') != std::string_view::npos;
  return {.size = size, .refusal = offers_none ? 0 : 0xff};
}

///     +---+---------+---+------+---------+--------+     command 1: connect
///     | 5 | command | 0 | kind | address |  port  |     kind 1: IPv4, 4: IPv6,
///     +---+---------+---+------+---------+--------+     3: a name behind its length
inline Message parse_request(std::string_view text) {
  if (text.size() < 4) return {};
  const unsigned kind = byte(text, 3);
  if (byte(text, 1) != 1) return {.size = text.size(), .refusal = 7};
  if (kind != 1 && kind != 3 && kind != 4) return {.size = text.size(), .refusal = 8};
  const std::size_t length = kind == 1 ? 4 : kind == 4 ? 16 : 1 + byte(text, 4);
  const std::size_t size = 4 + length + 2;
  if (text.size() < size) return {};

  Message request{.size = size, .host_is_name = kind == 3};
  request.port = static_cast<std::uint16_t>(byte(text, size - 2) << 8 | byte(text, size - 1));
  char number[INET6_ADDRSTRLEN];
  request.host = kind == 3
                     ? std::string(text.substr(5, length - 1))
                     : inet_ntop(kind == 1 ? AF_INET : AF_INET6, &text[4], number, sizeof number);
  return request;
}

/// The addresses to try, the best one last; none if there is none. Blocks if the host is a name.
inline std::vector<leat::InetAddress> look_up(const Message& request) {
  addrinfo hints{};
  hints.ai_flags = request.host_is_name ? 0 : AI_NUMERICHOST;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(request.host.c_str(), nullptr, &hints, &found) != 0) return {};
  std::vector<leat::InetAddress> addresses;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    auto address = leat::InetAddress::from_sockaddr(one->ai_addr, one->ai_addrlen);
    if (!address) continue;
    address->set_port(request.port);
    addresses.insert(addresses.begin(), *address);
  }
  freeaddrinfo(found);
  return addresses;
}

}  // namespace socks5
