// Public: keeps one heavy flow from taking a whole backlog (the kernel's flow limit).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "leat/base/result.h"
#include "leat/steering/kernel_rules.h"

namespace leat::steering {

/// The table of one *enqueuing* CPU: how many of its last 128 packets for backlogs that were at
/// least half full belonged to each flow. One thread at a time.
///
///     history_   | 17 | 3 | 17 | 17 | ... |   buckets of the last 128 packets, a ring
///                       ^ next to be replaced
///     counts_    bucket -> how often it is in the ring
class FlowLimit {
 public:
  static constexpr std::size_t kHistory = 128;
  static constexpr std::size_t kDefaultBuckets = 4096;
  static constexpr std::size_t kMaxBuckets = 65'536;

  /// flow_limit_table_len: a power of two, at most kMaxBuckets (of Leat), else EINVAL.
  [[nodiscard]] static Result<FlowLimit> create(std::size_t buckets, SlotRule rule);

  /// Counts a packet; true if it is to be dropped, as its flow has more than half of the ring.
  [[nodiscard]] bool exceeded(std::uint32_t hash);

 private:
  FlowLimit(std::size_t buckets, SlotRule rule);

  std::array<std::uint16_t, kHistory> history_{};
  std::vector<std::uint8_t> counts_;
  std::uint8_t next_ = 0;
  unsigned log_;
  SlotRule rule_;
};

}  // namespace leat::steering
