#include "leat/steering/socket_flow_table.h"

#include <bit>
#include <string>

#include "leat/base/assert.h"
#include "leat/base/cpu_set.h"

namespace leat::steering {

SocketFlowTable::SocketFlowTable(int cpus)
    : cpu_mask_(std::bit_ceil(static_cast<std::uint32_t>(cpus)) - 1) {
  LEAT_ASSERT(cpus >= 1 && cpus < CpuSet::kMaxCpus, "a number of CPUs out of range");
}

Result<void> SocketFlowTable::set_size(std::size_t entries) {
  if (entries > kMaxEntries) {
    return Error::invalid_argument("rps_sock_flow_entries " + std::to_string(entries) +
                                   ": the most is " + std::to_string(kMaxEntries));
  }
  words_.assign(entries == 0 ? 0 : std::bit_ceil(entries), kEmpty);
  if (entries == 0) words_.shrink_to_fit();
  mask_ = static_cast<std::uint32_t>(words_.size() - 1);
  return {};
}

void SocketFlowTable::record(Call call, const Reader& reader, int cpu) {
  if (words_.empty() || reader.hash == 0 || !reader.connected) return;
  std::uint32_t& word = words_[reader.hash & mask_];
  const std::uint32_t now = (reader.hash & ~cpu_mask_) | static_cast<std::uint32_t>(cpu);
  // Not written for nothing: the line is shared by all CPUs.
  if (word == now) return;
  word = now;
  ++writes_[static_cast<std::size_t>(call)];
}

}  // namespace leat::steering
