#include "leat/steering/queue_flow_table.h"

#include <bit>
#include <string>

namespace leat::steering {

Result<void> QueueFlowTable::set_size(std::size_t entries) {
  if (entries > kMaxEntries) {
    return Error::invalid_argument("rps_flow_cnt " + std::to_string(entries) + ": the most is " +
                                   std::to_string(kMaxEntries));
  }
  flows_.assign(entries == 0 ? 0 : std::bit_ceil(entries), QueueFlow());
  filter_hashes_.assign(flows_.size(), 0);
  if (entries == 0) {
    flows_.shrink_to_fit();
    filter_hashes_.shrink_to_fit();
  }
  log_ = entries == 0 ? 0 : static_cast<unsigned>(std::countr_zero(flows_.size()));
  return {};
}

}  // namespace leat::steering
