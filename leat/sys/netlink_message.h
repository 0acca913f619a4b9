// Public: netlink requests and answers as bytes, and a checked view of their attributes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace leat::sys {

/// Writes attributes, the way netlink lays them out (man 7 netlink; include/uapi/linux/netlink.h).
///
///     | u16 length | u16 type | payload ... | 0 to 3 bytes of padding |
///       length counts the four bytes before the payload, not the padding
class AttributeWriter {
 public:
  void put(std::uint16_t type, std::span<const std::byte> payload);
  void put_u8(std::uint16_t type, std::uint8_t value);
  void put_u32(std::uint16_t type, std::uint32_t value);
  void put_u64(std::uint16_t type, std::uint64_t value);
  /// With its zero byte.
  void put_string(std::uint16_t type, std::string_view text);
  void put_flag(std::uint16_t type) { put(type, {}); }
  /// What is put until end() lies inside; `token` is for end().
  [[nodiscard]] std::size_t begin(std::uint16_t type);
  void end(std::size_t token);
  /// As it is: a header that stands before the attributes. Its size must be a multiple of 4.
  void put_header(std::span<const std::byte> header);

  [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }
  [[nodiscard]] std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

class Attributes;

/// One attribute; views the bytes of its message.
struct Attribute {
  std::uint16_t type = 0;  ///< Without the flags for nested and byte order.
  std::span<const std::byte> payload = {};

  /// A number of 1, 2, 4 or 8 bytes in the machine's order; nothing if the size is another.
  [[nodiscard]] std::optional<std::uint64_t> number() const;
  /// Text up to its zero byte or its end.
  [[nodiscard]] std::string_view text() const;
  [[nodiscard]] Attributes nested() const;
};

/// The attributes in a piece of a message. Stops at the first that does not fit: nothing is read
/// past the end, whatever the lengths say.
class Attributes {
 public:
  Attributes() = default;
  explicit Attributes(std::span<const std::byte> bytes) : rest_(bytes) {}

  /// The next one, nothing at the end or where the bytes make no sense.
  std::optional<Attribute> next();
  /// The first of that type from here on; this object stays where it is.
  [[nodiscard]] std::optional<Attribute> find(std::uint16_t type) const;
  [[nodiscard]] std::optional<std::uint64_t> number(std::uint16_t type) const;
  [[nodiscard]] std::optional<std::string> text(std::uint16_t type) const;
  [[nodiscard]] Attributes nested(std::uint16_t type) const;

 private:
  std::span<const std::byte> rest_;
};

/// What is asked of the kernel. Generic families go by name, for their numbers differ from boot to
/// boot.
struct NetlinkRequest {
  enum class Protocol { kRoute, kGeneric, kSocketDiag };
  enum class Kind {
    kGet,   ///< One object; an answer of one message.
    kDump,  ///< Many.
    kSet,   ///< A change; the answer is empty, an error is the kernel's.
  };

  Protocol protocol = Protocol::kGeneric;
  Kind kind = Kind::kGet;
  std::string family = {};    ///< kGeneric: "ethtool", "netdev".
  std::uint16_t command = 0;  ///< kGeneric: the command; otherwise the message's type.
  /// The family's own header, if it has one, and attributes.
  std::vector<std::byte> body = {};
};

/// The messages of an answer, in one block, for a dump of sockets has ten thousands.
class NetlinkAnswer {
 public:
  struct Message {
    std::uint16_t command = 0;
    std::span<const std::byte> body;  ///< As in NetlinkRequest. Lives as long as the answer.
  };

  void add(std::uint16_t command, std::span<const std::byte> body);
  [[nodiscard]] std::size_t size() const { return places_.size(); }
  [[nodiscard]] bool empty() const { return places_.empty(); }
  [[nodiscard]] Message operator[](std::size_t index) const;

 private:
  struct Place {
    std::uint16_t command;
    std::size_t begin;
    std::size_t size;
  };
  std::vector<std::byte> bytes_;
  std::vector<Place> places_;
};

/// A plain structure of the kernel's at the beginning of `bytes`, nothing if they are too few.
template <typename T>
[[nodiscard]] std::optional<T> read_header(std::span<const std::byte> bytes);

namespace internal {
bool copy_header(void* to, std::size_t size, std::span<const std::byte> bytes);
}

template <typename T>
std::optional<T> read_header(std::span<const std::byte> bytes) {
  T header{};
  if (!internal::copy_header(&header, sizeof header, bytes)) return std::nullopt;
  return header;
}

}  // namespace leat::sys
