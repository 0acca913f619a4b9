// Public: one packet of a trace.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include "leat/wire/link_type.h"

namespace leat::wire {

/// A view; its bytes are among those that the reader was given.
struct TracePacket {
  std::span<const std::byte> bytes;  ///< As many as were captured.
  std::size_t wire_length = 0;       ///< Of the packet itself; never less than were captured.
  LinkType link = LinkType::kEthernet;
  /// Since the epoch, as the trace has it: it may stand still or go back from packet to packet.
  std::chrono::nanoseconds time{0};
  bool has_time = true;  ///< Not in pcapng's simple packet blocks.
};

}  // namespace leat::wire
