// Internal: puts packets and traces together, byte by byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

namespace leat::wire::test {

/// Bytes in a row. Numbers go in network order; le16() and its sisters in the other one.
class Bytes {
 public:
  Bytes() = default;
  Bytes(std::initializer_list<int> bytes) {
    for (const int byte : bytes) u8(byte);
  }

  Bytes& u8(std::uint64_t number) { return big(number, 1); }
  Bytes& u8(int number) { return big(static_cast<std::uint64_t>(number), 1); }
  Bytes& be16(std::uint64_t number) { return big(number, 2); }
  Bytes& be32(std::uint64_t number) { return big(number, 4); }
  Bytes& le16(std::uint64_t number) { return little(number, 2); }
  Bytes& le32(std::uint64_t number) { return little(number, 4); }
  Bytes& number(std::uint64_t value, int size, bool big_endian) {
    return big_endian ? big(value, size) : little(value, size);
  }
  Bytes& fill(std::size_t count, int byte = 0) {
    bytes_.insert(bytes_.end(), count, static_cast<std::byte>(byte));
    return *this;
  }
  Bytes& add(const Bytes& other) {
    bytes_.insert(bytes_.end(), other.bytes_.begin(), other.bytes_.end());
    return *this;
  }

  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] std::byte& operator[](std::size_t at) { return bytes_[at]; }
  [[nodiscard]] std::span<const std::byte> view() const { return bytes_; }
  /// The first `count` in memory of their own, so that a sanitizer sees a read behind them.
  [[nodiscard]] std::vector<std::byte> first(std::size_t count) const {
    return {bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(count)};
  }
  friend Bytes operator+(Bytes a, const Bytes& b) { return a.add(b); }

 private:
  Bytes& big(std::uint64_t number, int size) {
    for (int i = size; i-- > 0;) bytes_.push_back(static_cast<std::byte>(number >> (8 * i)));
    return *this;
  }
  Bytes& little(std::uint64_t number, int size) {
    for (int i = 0; i < size; ++i) bytes_.push_back(static_cast<std::byte>(number >> (8 * i)));
    return *this;
  }

  std::vector<std::byte> bytes_;
};

/// An Ethernet header; tags and what follows come behind it.
inline Bytes ethernet(int type) {
  return Bytes().fill(6, 0x02).fill(6, 0x04).be16(static_cast<std::uint64_t>(type));
}

struct Ipv4 {
  int protocol = 17;
  int fragment = 0;  ///< Flags and offset.
  int options = 0;   ///< Bytes, a multiple of 4.
  int length = -1;   ///< -1: what is right.
};
/// From 192.0.2.1 to 198.51.100.2.
inline Bytes ipv4(const Bytes& payload, Ipv4 header = {}) {
  const int size = 20 + header.options;
  const int length = header.length >= 0 ? header.length : size + static_cast<int>(payload.size());
  Bytes packet;
  packet.u8(0x40 + size / 4).u8(0).be16(static_cast<std::uint64_t>(length));
  packet.be16(7).be16(static_cast<std::uint64_t>(header.fragment));
  packet.u8(64).u8(header.protocol).be16(0).be32(0xc000'0201).be32(0xc633'6402);
  return packet.fill(static_cast<std::size_t>(header.options), 1).add(payload);
}

/// From 2001:db8::1 to 2001:db8::2; `length` -1: what is right.
inline Bytes ipv6(int next, const Bytes& payload, int length = -1) {
  Bytes packet;
  packet.be32(0x6000'0000);
  packet.be16(length >= 0 ? static_cast<std::uint64_t>(length) : payload.size());
  packet.u8(next).u8(64);
  packet.be32(0x2001'0db8).fill(11).u8(1).be32(0x2001'0db8).fill(11).u8(2);
  return packet.add(payload);
}

inline Bytes udp(int source, int destination, std::size_t payload = 4) {
  Bytes packet;
  packet.be16(static_cast<std::uint64_t>(source)).be16(static_cast<std::uint64_t>(destination));
  return packet.be16(8 + payload).be16(0).fill(payload, 'u');
}

inline Bytes tcp(int source, int destination, std::size_t payload = 4) {
  Bytes packet;
  packet.be16(static_cast<std::uint64_t>(source)).be16(static_cast<std::uint64_t>(destination));
  return packet.be32(1).be32(2).u8(0x50).u8(0x18).be16(1000).be32(0).fill(payload, 't');
}

}  // namespace leat::wire::test
