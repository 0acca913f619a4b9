// Public: the card's ntuple filters, as aRFS uses them: this flow to that receive queue.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "leat/base/result.h"

namespace leat::steering {

/// A bounded set of filters, found by the flow's hash; two flows of the same 32 bits share one,
/// where a card would compare addresses. No allocation after create(). One thread at a time.
///
///     heads_[hash & mask] -> filter -> filter -> kNone     in use, chained by hash
///     free_               -> filter -> filter -> kNone     not in use
class FilterTable {
 public:
  static constexpr std::size_t kMaxFilters = 0xffff;

  struct Filter {
    std::uint32_t hash = 0;
    std::uint16_t queue = 0;    ///< Where the card puts the flow.
    std::uint32_t flow_id = 0;  ///< Its slot in that queue's flow table.
    std::uint16_t id = 0;       ///< What the slot knows the filter by.
  };

  /// 1 to kMaxFilters (ids are 16 bits, one of them means none), else EINVAL.
  [[nodiscard]] static Result<FilterTable> create(std::size_t capacity);

  /// Sends the flow to `queue` from now on: ndo_rx_flow_steer(). A flow that has a filter keeps
  /// its id. Nothing if all filters are used.
  std::optional<std::uint16_t> program(std::uint32_t hash, std::uint16_t queue,
                                       std::uint32_t flow_id);
  /// The queue of a flow that has a filter: the card asks this before its indirection table.
  [[nodiscard]] std::optional<std::uint16_t> queue_for(std::uint32_t hash) const;

  /// Looks at the next `count` filters in turn and removes those of which `may_expire(filter)` says
  /// so, as drivers do now and then; gives the number removed.
  template <typename MayExpire>
  std::size_t expire(std::size_t count, MayExpire&& may_expire);

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t capacity() const { return entries_.size(); }

 private:
  static constexpr std::uint16_t kNone = 0xffff;
  struct Entry {
    Filter filter;
    std::uint16_t next = kNone;
    bool used = false;
  };

  explicit FilterTable(std::size_t capacity);
  std::uint16_t& head(std::uint32_t hash) { return heads_[hash & (heads_.size() - 1)]; }
  [[nodiscard]] std::uint16_t find(std::uint32_t hash) const;
  void remove(std::uint16_t id);

  std::vector<Entry> entries_;
  std::vector<std::uint16_t> heads_;  // a power of two
  std::uint16_t free_ = kNone;
  std::size_t size_ = 0;
  std::size_t cursor_ = 0;  // of expire()
};

template <typename MayExpire>
std::size_t FilterTable::expire(std::size_t count, MayExpire&& may_expire) {
  const std::size_t before = size_;
  for (count = count < capacity() ? count : capacity(); count > 0; --count) {
    const auto id = static_cast<std::uint16_t>(cursor_);
    cursor_ = (cursor_ + 1) % capacity();
    const Entry& entry = entries_[id];
    if (entry.used && may_expire(entry.filter)) remove(id);
  }
  return before - size_;
}

}  // namespace leat::steering
