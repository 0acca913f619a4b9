#include "leat/steering/filter_table.h"

#include <bit>
#include <string>

namespace leat::steering {

Result<FilterTable> FilterTable::create(std::size_t capacity) {
  if (capacity == 0 || capacity > kMaxFilters) {
    return Error::invalid_argument("a filter table of " + std::to_string(capacity) + ": 1 to " +
                                   std::to_string(kMaxFilters) + " are possible");
  }
  return FilterTable(capacity);
}

FilterTable::FilterTable(std::size_t capacity)
    : entries_(capacity), heads_(std::bit_ceil(capacity), kNone), free_(0) {
  for (std::size_t i = 0; i + 1 < capacity; ++i) {
    entries_[i].next = static_cast<std::uint16_t>(i + 1);
  }
}

std::optional<std::uint16_t> FilterTable::program(std::uint32_t hash, std::uint16_t queue,
                                                  std::uint32_t flow_id) {
  std::uint16_t id = find(hash);
  if (id == kNone) {
    if (free_ == kNone) return std::nullopt;
    id = free_;
    Entry& entry = entries_[id];
    free_ = entry.next;
    entry.next = head(hash);
    entry.used = true;
    head(hash) = id;
    ++size_;
  }
  entries_[id].filter = {hash, queue, flow_id, id};
  return id;
}

std::optional<std::uint16_t> FilterTable::queue_for(std::uint32_t hash) const {
  const std::uint16_t id = find(hash);
  if (id == kNone) return std::nullopt;
  return entries_[id].filter.queue;
}

std::uint16_t FilterTable::find(std::uint32_t hash) const {
  std::uint16_t id = heads_[hash & (heads_.size() - 1)];
  while (id != kNone && entries_[id].filter.hash != hash) id = entries_[id].next;
  return id;
}

void FilterTable::remove(std::uint16_t id) {
  Entry& entry = entries_[id];
  std::uint16_t* link = &head(entry.filter.hash);
  while (*link != id) link = &entries_[*link].next;
  *link = entry.next;
  entry.next = free_;
  entry.used = false;
  free_ = id;
  --size_;
}

}  // namespace leat::steering
