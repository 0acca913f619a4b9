#include "leat/steering/backlog.h"

#include <bit>

#include "leat/base/assert.h"

namespace leat::steering {

Backlog::Backlog(std::size_t max_backlog)
    : max_(max_backlog), ring_(std::bit_ceil(2 * (max_backlog + 1))) {
  LEAT_ASSERT(max_backlog <= kMaxLimit, "a backlog out of range");
}

Backlog::Queued Backlog::enqueue(PacketHandle packet) {
  LEAT_ASSERT(!full(), "enqueue() into a full backlog");
  ring_[end_++ & (ring_.size() - 1)] = packet;
  const Queued queued{.tail = ++position_.tail, .wake = !awake_};
  awake_ = true;
  return queued;
}

std::optional<PacketHandle> Backlog::dequeue() {
  // An empty process queue takes over all that waits.
  if (process_begin_ == input_begin_) input_begin_ = end_;
  if (process_begin_ == input_begin_) {
    awake_ = false;
    return std::nullopt;
  }
  ++batch_;
  return ring_[process_begin_++ & (ring_.size() - 1)];
}

void Backlog::end_batch() {
  position_.head += batch_;
  batch_ = 0;
}

}  // namespace leat::steering
