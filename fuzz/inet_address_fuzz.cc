// Whatever parses must print as text that parses to the same address.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "leat/net/inet_address.h"

namespace {
void require(bool condition) {
  if (!condition) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const leat::Result<leat::InetAddress> address = leat::InetAddress::parse(text);
  if (!address) {
    require(!address.error().message().empty());
    return 0;
  }
  const std::string printed = address->to_string();
  const leat::Result<leat::InetAddress> back = leat::InetAddress::parse(printed);
  require(back.has_value());
  require(*back == *address);
  require(back->hash() == address->hash());
  require(back->to_string() == printed);
  const auto copy = leat::InetAddress::from_sockaddr(address->get(), address->size());
  require(copy.has_value() && *copy == *address);
  return 0;
}
