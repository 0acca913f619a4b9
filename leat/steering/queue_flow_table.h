// Public: where the flows of one receive queue are being processed (RFS's table for a queue).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "leat/base/result.h"
#include "leat/steering/kernel_rules.h"

namespace leat::steering {

/// A slot of a queue's flow table; all flows that hash to it share it. The filter belongs to aRFS.
/// Eight bytes, so that none lies in two cache lines and the tables of many flows stay in cache.
struct QueueFlow {
  static constexpr std::uint16_t kNoCpu = 0xffff;
  static constexpr std::uint16_t kNoFilter = 0xffff;

  std::uint16_t cpu = kNoCpu;        ///< Where its packets go.
  std::uint16_t filter = kNoFilter;  ///< The card's filter for it.
  std::uint32_t last_tail = 0;       ///< cpu's tail behind its last packet; see BacklogPosition.
};
static_assert(sizeof(QueueFlow) == 8);

/// rps_flow_cnt of one receive queue. One thread at a time.
class QueueFlowTable {
 public:
  /// Of Leat: the kernel takes any number that fits into 32 bits.
  static constexpr std::size_t kMaxEntries = std::size_t{1} << 29;

  explicit QueueFlowTable(SlotRule rule) : rule_(rule) {}

  /// Rounded up to a power of two; 0 turns the table off. What was in the table is lost, and with
  /// it what keeps the flows of packets still queued in order. EINVAL above kMaxEntries.
  Result<void> set_size(std::size_t entries);
  [[nodiscard]] std::size_t size() const { return flows_.size(); }
  [[nodiscard]] bool empty() const { return flows_.empty(); }

  /// The table must not be empty.
  [[nodiscard]] std::uint32_t slot(std::uint32_t hash) const { return slot_of(rule_, hash, log_); }
  [[nodiscard]] QueueFlow& at(std::uint32_t slot) { return flows_[slot]; }
  [[nodiscard]] const QueueFlow& at(std::uint32_t slot) const { return flows_[slot]; }
  /// The hash of the flow that has the slot's filter: beside the slots, for only aRFS asks, and
  /// that only when a flow moves.
  [[nodiscard]] std::uint32_t& filter_hash(std::uint32_t slot) { return filter_hashes_[slot]; }

 private:
  std::vector<QueueFlow> flows_;
  std::vector<std::uint32_t> filter_hashes_;
  unsigned log_ = 0;
  SlotRule rule_;
};

}  // namespace leat::steering
