// Internal: the flows of a trace.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "leat/wire/flow_key.h"

namespace leat::app {

struct PredictFlow {
  static constexpr std::int32_t kNowhere = -1;

  wire::FlowKey key;
  std::uint32_t software_hash = 0;
  std::uint32_t card_hash = 0;
  std::uint32_t steering_hash = 0;  ///< What RPS and RFS go by: one of the two.
  std::int32_t reader = 0;          ///< The CPU that reads it.
  std::int32_t queue = kNowhere;    ///< Of its last packet.
  std::int32_t cpu = kNowhere;      ///< That handled its last packet.
  std::uint32_t moves = 0;          ///< Between CPUs.
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
};

/// Flows by their keys, in the order in which they came. Its memory grows with their number.
class PredictFlows {
 public:
  PredictFlows() : slots_(1024) {}

  /// The flow's number; `hash` is the key's, by a hash that spreads well. A flow that was not there
  /// is added, with both filled in.
  [[nodiscard]] std::uint32_t find_or_add(const wire::FlowKey& key, std::uint32_t hash);

  [[nodiscard]] std::size_t size() const { return flows_.size(); }
  [[nodiscard]] PredictFlow& operator[](std::uint32_t number) { return flows_[number]; }
  [[nodiscard]] const std::vector<PredictFlow>& all() const { return flows_; }

 private:
  /// A place in the open-addressed table: half of it at least is free.
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t number = 0;  ///< Plus one; 0: free.
  };
  void put(Slot slot);
  void grow();

  std::vector<PredictFlow> flows_;
  std::vector<Slot> slots_;  // a power of two
};

}  // namespace leat::app
