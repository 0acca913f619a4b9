// What dies, and what it has counted.

#include <algorithm>
#include <cstddef>
#include <iterator>

#include "leat/smc/internal/rendezvous.h"
#include "leat/smc/segment.h"

namespace leat::smc::internal {

bool Rendezvous::is_dead(const Ends::value_type& entry, MonotonicTime now) const {
  const End& end = entry.second;
  if (end.segment != 0) return false;  // Goes with its segment.
  if (end.page_token == 0) return now - end.heard_at > limits_.lonely_offer;
  return now - end.heard_at > limits_.grace && !pages_.holds(end.page_token, end.slot, entry.first);
}

void Rendezvous::sweep(std::size_t count, MonotonicTime now) {
  auto end = ends_.upper_bound(swept_end_);
  for (std::size_t i = std::min(count, ends_.size()); i > 0 && !ends_.empty(); --i) {
    if (end == ends_.end()) end = ends_.begin();
    swept_end_ = end->first;
    end = is_dead(*end, now) ? erase(end) : std::next(end);
  }
  auto segment = segments_.upper_bound(swept_segment_);
  for (std::size_t i = std::min(count, segments_.size()); i > 0 && !segments_.empty(); --i) {
    if (segment == segments_.end()) segment = segments_.begin();
    swept_segment_ = segment->first;
    sweep_segment(segment, now);
  }
}

void Rendezvous::sweep_segment(std::map<std::uint64_t, Segment>::iterator& at, MonotonicTime now) {
  Segment& held = at->second;
  if (now < held.probe_after || held.file.probe() == MemoryFile::Holders::kSome) {
    // Two looks at an idle ring, a second apart at least.
    if (now - held.looked_at >= limits_.idle_ring) {
      held.looked_at = now;
      (void)held.idle.look(held.file, held.big_ring);
    }
    ++at;
    return;
  }
  const std::uint64_t token = at->first;
  gone_ += counters(read_segment(token, at->second), at->second);
  for (const std::uint64_t cookie : at->second.cookie) {
    const auto end = ends_.find(cookie);
    if (end != ends_.end() && end->second.segment == token) erase(end);
  }
  const Families families = at->second.families;
  at = segments_.erase(at);
  const auto boards = boards_.find(families);
  if (boards != boards_.end() && boards->second.expired()) boards_.erase(boards);
}

SegmentRecord Rendezvous::read_segment(std::uint64_t token, const Segment& segment) {
  SegmentRecord record;
  record.token = token;
  for (unsigned i = 0; i < 2; ++i) {
    EndRecord& end = record.end[i];
    end.cookie = segment.cookie[i];
    end.uid = segment.uid[i];
    end.big_ring = segment.big_ring[i];
    EndControl control{};
    if (!segment.file.read(&control, sizeof control, SegmentLayout::control(i))) continue;
    end.state = static_cast<std::uint32_t>(control.state.load(std::memory_order_relaxed));
    end.flags = control.flags.load(std::memory_order_relaxed);
    end.tx_lane = static_cast<std::uint32_t>(lane_of(sent_span(control)));
    end.rx_lane = static_cast<std::uint32_t>(lane_of(read_span(control)));
    end.tx_position = sent_position(control);
    end.rx_position = read_position(control);
    for (std::size_t ring = 0; ring < kRings; ++ring) {
      end.tx_produced[ring] = control.tx_produced[ring];
      end.rx_consumed[ring] = control.rx_consumed[ring];
    }
    end.tx_messages = control.tx_messages;
    end.rx_messages = control.rx_messages;
    end.tx_doorbells = control.tx_doorbells;
    end.tx_futex_wakes = control.tx_futex_wakes;
    end.tx_ring_full = control.tx_ring_full;
  }
  return record;
}

BrokerTotals Rendezvous::counters(const SegmentRecord& record, const Segment& segment) {
  BrokerTotals totals;
  for (unsigned i = 0; i < 2; ++i) {
    const EndRecord& end = record.end[i];
    totals.ring_bytes += end.tx_produced[0] + end.tx_produced[1];
    totals.tx_messages += end.tx_messages;
    totals.rx_messages += end.rx_messages;
    totals.tx_doorbells += end.tx_doorbells;
    totals.tx_futex_wakes += end.tx_futex_wakes;
    totals.tx_ring_full += end.tx_ring_full;
    std::uint64_t spins[2] = {};
    static_assert(offsetof(EndControl, rx_spins_lost) ==
                  offsetof(EndControl, rx_spins_won) + sizeof spins[0]);
    segment.file.read(&spins, sizeof spins,
                      SegmentLayout::control(i) + offsetof(EndControl, rx_spins_won));
    totals.rx_spins_won += spins[0];
    totals.rx_spins_lost += spins[1];
  }
  return totals;
}

BrokerTotals Rendezvous::totals() const {
  BrokerTotals sum = gone_;
  for (const auto& [token, segment] : segments_) {
    sum += counters(read_segment(token, segment), segment);
  }
  sum.segments = made_;
  return sum;
}

void Rendezvous::list(std::vector<SegmentRecord>& records) const {
  records.reserve(segments_.size());
  for (const auto& [token, segment] : segments_) records.push_back(read_segment(token, segment));
}

std::uint64_t Rendezvous::segment_of(std::uint64_t cookie) const {
  const auto found = ends_.find(cookie);
  return found == ends_.end() ? 0 : found->second.segment;
}

}  // namespace leat::smc::internal
