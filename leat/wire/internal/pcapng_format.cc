#include "leat/wire/internal/pcapng_format.h"

#include <algorithm>

#include <fmt/format.h>

#include "leat/wire/internal/load.h"

namespace leat::wire::internal {

namespace {

enum BlockType : std::uint32_t {
  kInterface = 1,
  kObsoletePacket = 2,
  kSimplePacket = 3,
  kEnhancedPacket = 6,
  kSection = 0x0a0d'0d0a,  ///< The same in both byte orders.
};
constexpr std::uint32_t kByteOrder = 0x1a2b'3c4d;

constexpr std::size_t kBlockHeaderSize = 8;
constexpr std::size_t kBlockOverhead = 12;
constexpr std::size_t kSectionSize = 16;
constexpr std::size_t kInterfaceSize = 8;
constexpr std::size_t kPacketSize = 20;

enum Option : std::uint16_t { kEndOfOptions = 0, kTimeResolution = 9, kTimeOffset = 14 };
constexpr std::size_t kOptionHeaderSize = 4;

std::size_t padded(std::size_t size) {
  return (size + 3) & ~std::size_t{3};
}

}  // namespace

bool PcapngFormat::begins(std::span<const std::byte> bytes) {
  return load_be32(bytes.data()) == kSection;
}

std::uint16_t PcapngFormat::load16(const std::byte* at) const {
  return big_endian_ ? load_big<std::uint16_t>(at) : load_little<std::uint16_t>(at);
}

std::uint32_t PcapngFormat::load32(const std::byte* at) const {
  return big_endian_ ? load_big<std::uint32_t>(at) : load_little<std::uint32_t>(at);
}

TraceRecord PcapngFormat::read(std::span<const std::byte> bytes, TracePacket& packet) {
  if (bytes.size() < kBlockHeaderSize) return TraceRecord::incomplete(kBlockOverhead);
  const bool section = load_be32(bytes.data()) == kSection;
  if (section) {
    // Its own length is in its own byte order.
    if (bytes.size() < kBlockOverhead) return TraceRecord::incomplete(kBlockOverhead);
    const std::uint32_t order = load_be32(bytes.data() + kBlockHeaderSize);
    big_endian_ = order == kByteOrder;
    if (!big_endian_ && load_little<std::uint32_t>(bytes.data() + kBlockHeaderSize) != kByteOrder) {
      return TraceRecord::damaged(fmt::format("a section of unknown byte order {:#010x}", order));
    }
  }
  const std::uint32_t type = load32(bytes.data());
  const std::size_t size = load32(bytes.data() + 4);
  if (size < kBlockOverhead || size % 4 != 0 || size > kMostRecordBytes) {
    return TraceRecord::damaged(
        fmt::format("a block of type {:#x} and length {}; a length is a multiple of 4 from {} to "
                    "{}",
                    type, size, kBlockOverhead, kMostRecordBytes));
  }
  if (bytes.size() < size) return TraceRecord::incomplete(size);
  if (const std::size_t again = load32(bytes.data() + size - 4); again != size) {
    return TraceRecord::damaged(
        fmt::format("a block of type {:#x} begins with length {} and ends with {}", type, size,  //
                    again));
  }
  const Bytes body = bytes.subspan(kBlockHeaderSize, size - kBlockOverhead);
  switch (section ? std::uint32_t{kSection} : type) {
    case kSection:
      return read_section(body, size);
    case kInterface:
      return read_interface(body, size);
    case kEnhancedPacket:
      return read_packet(body, size, false, packet);
    case kObsoletePacket:
      return read_packet(body, size, true, packet);
    case kSimplePacket:
      return read_simple(body, size, packet);
    default:
      return TraceRecord::other(size);
  }
}

TraceRecord PcapngFormat::read_section(Bytes body, std::size_t size) {
  if (body.size() < kSectionSize) {
    return TraceRecord::damaged(fmt::format("a section header of {} bytes", size));
  }
  if (const int major = load16(body.data() + 4); major != 1) {
    return TraceRecord::damaged(fmt::format("pcapng version {}, and only 1 is known", major));
  }
  interfaces_.clear();
  return TraceRecord::other(size);
}

TraceRecord PcapngFormat::read_interface(Bytes body, std::size_t size) {
  if (body.size() < kInterfaceSize) {
    return TraceRecord::damaged(fmt::format("an interface block of {} bytes", size));
  }
  if (interfaces_.size() == kMostInterfaces) {
    return TraceRecord::damaged(fmt::format("more interfaces than {}", kMostInterfaces));
  }
  Interface interface{.link = static_cast<LinkType>(load16(body.data())),
                      .snap_length = load32(body.data() + 4),
                      .clock = TraceClock()};
  if (!read_options(body.subspan(kInterfaceSize), interface)) {
    return TraceRecord::damaged("options of an interface that do not fit into its block");
  }
  interfaces_.push_back(interface);
  return TraceRecord::other(size);
}

bool PcapngFormat::read_options(Bytes options, Interface& interface) const {
  std::uint8_t resolution = 6;
  std::int64_t offset = 0;
  while (options.size() >= kOptionHeaderSize) {
    const std::uint16_t code = load16(options.data());
    const std::size_t length = load16(options.data() + 2);
    if (code == kEndOfOptions) break;
    options = options.subspan(kOptionHeaderSize);
    if (options.size() < padded(length)) return false;
    if (code == kTimeResolution) {
      if (length != 1) return false;
      resolution = load_u8(options.data());
    } else if (code == kTimeOffset) {
      if (length != 8) return false;
      offset = static_cast<std::int64_t>(big_endian_ ? load_big<std::uint64_t>(options.data())
                                                     : load_little<std::uint64_t>(options.data()));
    }
    options = options.subspan(padded(length));
  }
  interface.clock = TraceClock(resolution, offset);
  return true;
}

TraceRecord PcapngFormat::read_packet(Bytes body, std::size_t size, bool obsolete,
                                      TracePacket& packet) {
  if (body.size() < kPacketSize) {
    return TraceRecord::damaged(fmt::format("a packet block of {} bytes", size));
  }
  const std::size_t index = obsolete ? load16(body.data()) : load32(body.data());
  if (index >= interfaces_.size()) {
    return TraceRecord::damaged(
        fmt::format("a packet of interface {}, and the section has {}", index, interfaces_.size()));
  }
  const std::size_t captured = load32(body.data() + 12);
  const Bytes rest = body.subspan(kPacketSize);
  if (captured > rest.size()) {
    return TraceRecord::damaged(fmt::format("{} captured bytes in a block of {}", captured, size));
  }
  const Interface& interface = interfaces_[index];
  packet.bytes = rest.first(captured);
  packet.wire_length = std::max<std::size_t>(captured, load32(body.data() + 16));
  packet.link = interface.link;
  packet.time =
      interface.clock.time(std::uint64_t{load32(body.data() + 4)} << 32 | load32(body.data() + 8));
  packet.has_time = true;
  return TraceRecord::packet(size);
}

TraceRecord PcapngFormat::read_simple(Bytes body, std::size_t size, TracePacket& packet) {
  if (body.size() < 4) return TraceRecord::damaged("a simple packet block without a length");
  if (interfaces_.empty()) {
    return TraceRecord::damaged("a simple packet block, and the section has no interface");
  }
  const Interface& interface = interfaces_.front();
  const std::size_t length = load32(body.data());
  const Bytes rest = body.subspan(4);
  // How many bytes were captured is said nowhere else.
  std::size_t captured = length;
  if (interface.snap_length != 0) captured = std::min<std::size_t>(captured, interface.snap_length);
  if (captured > rest.size()) {
    return TraceRecord::damaged(fmt::format("{} captured bytes in a block of {}", captured, size));
  }
  packet.bytes = rest.first(captured);
  packet.wire_length = length;
  packet.link = interface.link;
  packet.time = {};
  packet.has_time = false;
  return TraceRecord::packet(size);
}

}  // namespace leat::wire::internal
