#include "leat/steering/flow_limit.h"

#include <bit>
#include <string>

namespace leat::steering {

Result<FlowLimit> FlowLimit::create(std::size_t buckets, SlotRule rule) {
  if (!std::has_single_bit(buckets) || buckets > kMaxBuckets) {
    return Error::invalid_argument("flow_limit_table_len " + std::to_string(buckets) +
                                   ": must be a power of two up to " + std::to_string(kMaxBuckets));
  }
  return FlowLimit(buckets, rule);
}

FlowLimit::FlowLimit(std::size_t buckets, SlotRule rule)
    : counts_(buckets), log_(static_cast<unsigned>(std::countr_zero(buckets))), rule_(rule) {}

bool FlowLimit::exceeded(std::uint32_t hash) {
  const auto bucket = static_cast<std::uint16_t>(slot_of(rule_, hash, log_));
  std::uint16_t& oldest = history_[next_];
  // The ring begins full of bucket 0, whose count begins at 0.
  if (counts_[oldest] > 0) --counts_[oldest];
  oldest = bucket;
  next_ = (next_ + 1) % kHistory;
  return ++counts_[bucket] > kHistory / 2;
}

}  // namespace leat::steering
