// Internal: the blocks of a pcapng trace.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "leat/wire/internal/trace_clock.h"
#include "leat/wire/internal/trace_record.h"
#include "leat/wire/trace_packet.h"

namespace leat::wire::internal {

///     block    | type 4 | length 4 | body, padded to 4 | length 4 |
///     section  | byte order 4 | major 2 | minor 2 | section length 8 | options |
///     interf.  | link type 2 | 0 2 | snap length 4 | options |
///     enhanced | interface 4 | time 4, 4 | captured 4 | length 4 | captured bytes | options |
///     simple   | length 4 | captured bytes |
///     obsolete | interface 2 | drops 2 | time 4, 4 | captured 4 | length 4 | bytes | options |
///
/// Numbers are in the byte order of their section; a section begins anew with no interfaces.
class PcapngFormat {
 public:
  static constexpr std::size_t kMostInterfaces = 4'096;

  /// Whether a trace that begins with these four bytes (and only these count) is for this format.
  [[nodiscard]] static bool begins(std::span<const std::byte> bytes);

  [[nodiscard]] TraceRecord read(std::span<const std::byte> bytes, TracePacket& packet);

 private:
  struct Interface {
    LinkType link;
    std::uint32_t snap_length;  ///< 0: none.
    TraceClock clock;
  };
  using Bytes = std::span<const std::byte>;

  [[nodiscard]] TraceRecord read_section(Bytes body, std::size_t size);
  [[nodiscard]] TraceRecord read_interface(Bytes body, std::size_t size);
  [[nodiscard]] TraceRecord read_packet(Bytes body, std::size_t size, bool obsolete,
                                        TracePacket& packet);
  [[nodiscard]] TraceRecord read_simple(Bytes body, std::size_t size, TracePacket& packet);
  [[nodiscard]] bool read_options(Bytes options, Interface& interface) const;

  [[nodiscard]] std::uint16_t load16(const std::byte* at) const;
  [[nodiscard]] std::uint32_t load32(const std::byte* at) const;

  bool big_endian_ = false;
  std::vector<Interface> interfaces_;
};

}  // namespace leat::wire::internal
