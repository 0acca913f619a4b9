#include "leat/steering/reuseport_group.h"

#include <algorithm>
#include <cerrno>
#include <string>

#include "leat/steering/reciprocal_scale.h"

namespace leat::steering {

Result<void> ReuseportGroup::add(const ReuseportSocket& socket) {
  const std::string what = "socket " + std::to_string(socket.id);
  if (size_ > 0 && slots_[0].user != socket.user) {
    return Error::from_errno(EADDRINUSE, what + " of user " + std::to_string(socket.user) +
                                             " to a group of user " +
                                             std::to_string(slots_[0].user));
  }
  if (!make_room()) return Error::from_errno(ENOMEM, what + ": the group is full");
  slots_[size_++] = socket;
  if (socket.incoming_cpu) ++with_incoming_cpu_;
  return {};
}

/// A free slot between those that listen and those that are closed.
bool ReuseportGroup::make_room() {
  if (size_ + closed_ < slots_.size()) return true;
  if (slots_.size() < kMaxSlots) {
    const std::size_t old_size = slots_.size();
    slots_.resize(std::max(2 * old_size, kFirstSlots));
    const auto old_end = slots_.begin() + static_cast<std::ptrdiff_t>(old_size);
    std::move_backward(old_end - static_cast<std::ptrdiff_t>(closed_), old_end, slots_.end());
    return true;
  }
  if (closed_ == 0) return false;
  remove_closed(first_closed());
  return true;
}

bool ReuseportGroup::close(std::uint64_t id, bool migrate) {
  const std::optional<std::size_t> index = find(0, size_, id);
  if (!index) return false;
  const ReuseportSocket socket = slots_[*index];
  slots_[*index] = slots_[--size_];
  if (socket.incoming_cpu) --with_incoming_cpu_;
  if (migrate) {
    ++closed_;
    slots_[first_closed()] = socket;
  }
  return true;
}

bool ReuseportGroup::forget(std::uint64_t id) {
  const std::optional<std::size_t> index = find(first_closed(), slots_.size(), id);
  if (index) remove_closed(*index);
  return index.has_value();
}

void ReuseportGroup::remove_closed(std::size_t index) {
  slots_[index] = slots_[first_closed()];
  --closed_;
}

void ReuseportGroup::set_incoming_cpu(std::uint64_t id, std::optional<int> cpu) {
  const std::optional<std::size_t> index = find(0, size_, id);
  if (!index) return;
  ReuseportSocket& socket = slots_[*index];
  if (socket.incoming_cpu) --with_incoming_cpu_;
  if (cpu) ++with_incoming_cpu_;
  socket.incoming_cpu = cpu;
}

std::optional<std::size_t> ReuseportGroup::find(std::size_t first, std::size_t last,
                                                std::uint64_t id) const {
  for (std::size_t i = first; i < last; ++i) {
    if (slots_[i].id == id) return i;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> ReuseportGroup::select(const Packet& packet) const {
  if (size_ == 0) return std::nullopt;
  if (program_) {
    using Kind = ReuseportVerdict::Kind;
    const ReuseportVerdict verdict = program_(packet);
    if (verdict.kind == Kind::kDrop) return std::nullopt;
    if (verdict.kind == Kind::kIndex && verdict.value < size_) return slots_[verdict.value].id;
    if (verdict.kind == Kind::kSocket && find(0, size_, verdict.value)) return verdict.value;
  }
  return by_hash(packet);
}

/// From the hash's place on, all around.
std::optional<std::uint64_t> ReuseportGroup::by_hash(const Packet& packet) const {
  const std::size_t start = reciprocal_scale(packet.hash, static_cast<std::uint32_t>(size_));
  std::optional<std::uint64_t> first;
  for (std::size_t i = 0; i < size_; ++i) {
    const ReuseportSocket& socket = slots_[start + i < size_ ? start + i : start + i - size_];
    if (socket.connected) continue;
    if (with_incoming_cpu_ == 0 || socket.incoming_cpu == packet.cpu) return socket.id;
    if (!first) first = socket.id;
  }
  return first;
}

std::optional<std::uint64_t> ReuseportGroup::migrate(std::uint64_t id, const Packet& packet) const {
  if (!find(first_closed(), slots_.size(), id)) return std::nullopt;
  if (size_ == 0) return std::nullopt;
  return program_migrates_ ? select(packet) : by_hash(packet);
}

}  // namespace leat::steering
