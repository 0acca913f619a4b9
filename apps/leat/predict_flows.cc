#include "apps/leat/predict_flows.h"

namespace leat::app {

std::uint32_t PredictFlows::find_or_add(const wire::FlowKey& key, std::uint32_t hash) {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = hash & mask; slots_[at].number != 0; at = (at + 1) & mask) {
    const std::uint32_t number = slots_[at].number - 1;
    if (slots_[at].hash == hash && flows_[number].key == key) return number;
  }
  flows_.push_back({.key = key, .software_hash = hash});
  if (2 * flows_.size() > slots_.size()) grow();
  put({.hash = hash, .number = static_cast<std::uint32_t>(flows_.size())});
  return static_cast<std::uint32_t>(flows_.size() - 1);
}

void PredictFlows::put(Slot slot) {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = slot.hash & mask;
  while (slots_[at].number != 0) at = (at + 1) & mask;
  slots_[at] = slot;
}

void PredictFlows::grow() {
  std::vector<Slot> old(2 * slots_.size());
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.number != 0) put(slot);
  }
}

}  // namespace leat::app
