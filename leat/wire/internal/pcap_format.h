// Internal: the records of a pcap trace.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "leat/wire/internal/trace_record.h"
#include "leat/wire/trace_packet.h"

namespace leat::wire::internal {

///     file    | magic 4 | major 2 | minor 2 | 0 4 | 0 4 | snap length 4 | FCS, link type 4 |
///     record  | seconds 4 | fraction 4 | captured 4 | length 4 | captured bytes |
class PcapFormat {
 public:
  static constexpr std::size_t kHeaderSize = 24;

  /// Whether a trace that begins with these four bytes (and only these count) is for this format.
  [[nodiscard]] static bool begins(std::span<const std::byte> bytes);

  /// The first record is the file's header.
  [[nodiscard]] TraceRecord read(std::span<const std::byte> bytes, TracePacket& packet);

 private:
  [[nodiscard]] TraceRecord read_header(std::span<const std::byte> bytes);
  [[nodiscard]] std::uint32_t load32(const std::byte* at) const;

  bool has_header_ = false;
  bool big_endian_ = false;
  LinkType link_ = LinkType::kEthernet;
  std::uint32_t fraction_ns_ = 1;  ///< Nanoseconds in a unit of a time's fraction.
};

}  // namespace leat::wire::internal
