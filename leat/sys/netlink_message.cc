#include "leat/sys/netlink_message.h"

#include <linux/netlink.h>

#include <algorithm>
#include <cstring>

#include "leat/base/assert.h"

namespace leat::sys {

static_assert(sizeof(nlattr) == 4 && NLA_ALIGNTO == 4);

namespace {

constexpr std::size_t kHeader = sizeof(nlattr);

constexpr std::size_t aligned(std::size_t size) {
  return (size + 3) & ~std::size_t{3};
}

template <typename T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

}  // namespace

void AttributeWriter::put(std::uint16_t type, std::span<const std::byte> payload) {
  LEAT_ASSERT(payload.size() + kHeader <= 0xffff, "an attribute's length has 16 bits");
  const nlattr header{static_cast<std::uint16_t>(kHeader + payload.size()), type};
  put_header(bytes_of(header));
  bytes_.insert(bytes_.end(), payload.begin(), payload.end());
  bytes_.resize(aligned(bytes_.size()));
}

void AttributeWriter::put_u8(std::uint16_t type, std::uint8_t value) {
  put(type, bytes_of(value));
}
void AttributeWriter::put_u32(std::uint16_t type, std::uint32_t value) {
  put(type, bytes_of(value));
}
void AttributeWriter::put_u64(std::uint16_t type, std::uint64_t value) {
  put(type, bytes_of(value));
}

void AttributeWriter::put_string(std::uint16_t type, std::string_view text) {
  const std::string with_zero(text);
  put(type, std::as_bytes(std::span(with_zero.c_str(), with_zero.size() + 1)));
}

std::size_t AttributeWriter::begin(std::uint16_t type) {
  const std::size_t token = bytes_.size();
  put(static_cast<std::uint16_t>(type | NLA_F_NESTED), {});
  return token;
}

void AttributeWriter::end(std::size_t token) {
  LEAT_ASSERT(token + kHeader <= bytes_.size() && bytes_.size() - token <= 0xffff,
              "end() of an attribute that begin() has not made");
  const auto length = static_cast<std::uint16_t>(bytes_.size() - token);
  std::memcpy(bytes_.data() + token, &length, sizeof length);
}

void AttributeWriter::put_header(std::span<const std::byte> header) {
  bytes_.insert(bytes_.end(), header.begin(), header.end());
}

std::optional<std::uint64_t> Attribute::number() const {
  const auto as = [this]<typename T>(T value) {
    std::memcpy(&value, payload.data(), sizeof value);
    return std::uint64_t{value};
  };
  switch (payload.size()) {
    case 1:
      return as(std::uint8_t{});
    case 2:
      return as(std::uint16_t{});
    case 4:
      return as(std::uint32_t{});
    case 8:
      return as(std::uint64_t{});
    default:
      return std::nullopt;
  }
}

std::string_view Attribute::text() const {
  const std::string_view all(reinterpret_cast<const char*>(payload.data()), payload.size());
  return all.substr(0, all.find('\0'));
}

Attributes Attribute::nested() const {
  return Attributes(payload);
}

std::optional<Attribute> Attributes::next() {
  nlattr header{};
  if (!internal::copy_header(&header, sizeof header, rest_)) return std::nullopt;
  if (header.nla_len < kHeader || header.nla_len > rest_.size()) return std::nullopt;
  const Attribute attribute{static_cast<std::uint16_t>(header.nla_type & NLA_TYPE_MASK),
                            rest_.subspan(kHeader, header.nla_len - kHeader)};
  rest_ = rest_.subspan(std::min(aligned(header.nla_len), rest_.size()));
  return attribute;
}

std::optional<Attribute> Attributes::find(std::uint16_t type) const {
  Attributes from = *this;
  while (const auto attribute = from.next()) {
    if (attribute->type == type) return attribute;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> Attributes::number(std::uint16_t type) const {
  const auto attribute = find(type);
  return attribute ? attribute->number() : std::nullopt;
}

std::optional<std::string> Attributes::text(std::uint16_t type) const {
  const auto attribute = find(type);
  if (!attribute) return std::nullopt;
  return std::string(attribute->text());
}

Attributes Attributes::nested(std::uint16_t type) const {
  const auto attribute = find(type);
  return attribute ? attribute->nested() : Attributes();
}

void NetlinkAnswer::add(std::uint16_t command, std::span<const std::byte> body) {
  places_.push_back({command, bytes_.size(), body.size()});
  bytes_.insert(bytes_.end(), body.begin(), body.end());
}

NetlinkAnswer::Message NetlinkAnswer::operator[](std::size_t index) const {
  LEAT_ASSERT(index < places_.size(), "a message beyond the last");
  const Place& place = places_[index];
  return {place.command, std::span(bytes_).subspan(place.begin, place.size)};
}

namespace internal {

bool copy_header(void* to, std::size_t size, std::span<const std::byte> bytes) {
  if (bytes.size() < size) return false;
  std::memcpy(to, bytes.data(), size);
  return true;
}

}  // namespace internal
}  // namespace leat::sys
