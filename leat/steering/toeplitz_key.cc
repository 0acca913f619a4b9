#include "leat/steering/toeplitz_key.h"

#include <array>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "leat/base/assert.h"

namespace leat::steering {
namespace {

constexpr std::array<std::uint8_t, 40> kVerificationKey = {
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
    0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
    0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

std::optional<unsigned> digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return std::nullopt;
}

std::optional<unsigned> digit_at(std::string_view text, std::size_t at) {
  return at < text.size() ? digit(text[at]) : std::nullopt;
}

}  // namespace

Result<ToeplitzKey> ToeplitzKey::from_bytes(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < kMinBytes || bytes.size() > kMaxBytes) {
    return Error::invalid_argument(
        fmt::format("a Toeplitz key of {} bytes: it must have {} (for an IPv6 four-tuple) to {}",
                    bytes.size(), kMinBytes, kMaxBytes));
  }
  return ToeplitzKey(std::vector<std::uint8_t>(bytes.begin(), bytes.end()));
}

Result<ToeplitzKey> ToeplitzKey::parse(std::string_view text) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t at = 0; at < text.size();) {
    if (!bytes.empty() && text[at] == ':') ++at;
    for (const std::size_t i : {at, at + 1}) {
      if (!digit_at(text, i)) {
        return Error::invalid_argument(
            fmt::format("Toeplitz key: expected a hexadecimal digit at column {}", i + 1));
      }
    }
    if (bytes.size() == kMaxBytes) {
      return Error::invalid_argument(
          fmt::format("Toeplitz key: more than {} bytes at column {}", kMaxBytes, at + 1));
    }
    bytes.push_back(static_cast<std::uint8_t>(*digit_at(text, at) << 4U | *digit_at(text, at + 1)));
    at += 2;
  }
  return from_bytes(bytes);
}

ToeplitzKey ToeplitzKey::verification() {
  return ToeplitzKey({kVerificationKey.begin(), kVerificationKey.end()});
}

ToeplitzKey ToeplitzKey::symmetric(std::size_t size) {
  LEAT_ASSERT(size >= kMinBytes && size <= kMaxBytes && size % 2 == 0, "a key's size");
  std::vector<std::uint8_t> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = i % 2 == 0 ? 0x6d : 0x5a;
  return ToeplitzKey(std::move(bytes));
}

bool ToeplitzKey::is_symmetric() const {
  for (std::size_t i = 2; i < bytes_.size(); ++i) {
    if (bytes_[i] != bytes_[i - 2]) return false;
  }
  return true;
}

std::string ToeplitzKey::to_string() const {
  return fmt::format("{:02x}", fmt::join(bytes_, ":"));
}

}  // namespace leat::steering
