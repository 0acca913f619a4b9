#include "leat/wire/internal/pcap_format.h"

#include <algorithm>

#include <fmt/format.h>

#include "leat/wire/internal/load.h"

namespace leat::wire::internal {

namespace {

constexpr std::uint32_t kMicroseconds = 0xa1b2'c3d4;
constexpr std::uint32_t kNanoseconds = 0xa1b2'3c4d;
constexpr std::size_t kRecordHeaderSize = 16;
constexpr std::size_t kMostCaptured = kMostRecordBytes - kRecordHeaderSize;

bool is_magic(std::uint32_t number) {
  return number == kMicroseconds || number == kNanoseconds;
}

}  // namespace

bool PcapFormat::begins(std::span<const std::byte> bytes) {
  return is_magic(load_big<std::uint32_t>(bytes.data())) ||
         is_magic(load_little<std::uint32_t>(bytes.data()));
}

std::uint32_t PcapFormat::load32(const std::byte* at) const {
  return big_endian_ ? load_big<std::uint32_t>(at) : load_little<std::uint32_t>(at);
}

TraceRecord PcapFormat::read_header(std::span<const std::byte> bytes) {
  if (bytes.size() < kHeaderSize) return TraceRecord::incomplete(kHeaderSize);
  big_endian_ = is_magic(load_big<std::uint32_t>(bytes.data()));
  fraction_ns_ = load32(bytes.data()) == kMicroseconds ? 1'000 : 1;
  const std::byte* const version = bytes.data() + 4;
  const int major = big_endian_ ? load_big<std::uint16_t>(version)  //
                                : load_little<std::uint16_t>(version);
  const int minor =
      big_endian_ ? load_big<std::uint16_t>(version + 2) : load_little<std::uint16_t>(version + 2);
  if (major != 2 || minor != 4) {
    return TraceRecord::damaged(fmt::format("pcap version {}.{}, and only 2.4 is known", major,  //
                                            minor));
  }
  // The upper half tells of frame check sequences behind the frames, which nothing here reads.
  link_ = static_cast<LinkType>(load32(bytes.data() + 20) & 0xffff);
  has_header_ = true;
  return TraceRecord::other(kHeaderSize);
}

TraceRecord PcapFormat::read(std::span<const std::byte> bytes, TracePacket& packet) {
  if (!has_header_) return read_header(bytes);
  if (bytes.size() < kRecordHeaderSize) return TraceRecord::incomplete(kRecordHeaderSize);
  const std::size_t captured = load32(bytes.data() + 8);
  if (captured > kMostCaptured) {
    return TraceRecord::damaged(
        fmt::format("{} captured bytes, and a packet has at most {}", captured, kMostCaptured));
  }
  const std::size_t size = kRecordHeaderSize + captured;
  if (bytes.size() < size) return TraceRecord::incomplete(size);
  packet.bytes = bytes.subspan(kRecordHeaderSize, captured);
  packet.wire_length = std::max<std::size_t>(captured, load32(bytes.data() + 12));
  packet.link = link_;
  packet.time = std::chrono::seconds(load32(bytes.data())) +
                std::chrono::nanoseconds(std::uint64_t{load32(bytes.data() + 4)} * fraction_ns_);
  packet.has_time = true;
  return TraceRecord::packet(size);
}

}  // namespace leat::wire::internal
