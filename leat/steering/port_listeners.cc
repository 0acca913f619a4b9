#include "leat/steering/port_listeners.h"

#include <algorithm>
#include <cerrno>
#include <string>

#include "leat/steering/reciprocal_scale.h"

namespace leat::steering {

Result<void> PortListeners::add(const ReuseportSocket& socket) {
  if (age_ == Age::kGroups) return group_.add(socket);
  // SO_REUSEADDR asked for no common user: anyone could take a UDP port over.
  if (age_ == Age::kLinearBalanced && !chain_.empty() && chain_[0].user != socket.user) {
    return Error::from_errno(EADDRINUSE, "socket " + std::to_string(socket.id) + " of user " +
                                             std::to_string(socket.user));
  }
  chain_.insert(chain_.begin(), socket);
  return {};
}

bool PortListeners::close(std::uint64_t id) {
  if (age_ == Age::kGroups) return group_.close(id);
  return std::erase_if(chain_, [id](const ReuseportSocket& s) { return s.id == id; }) > 0;
}

std::size_t PortListeners::size() const {
  return age_ == Age::kGroups ? group_.size() : chain_.size();
}

PortListeners::Found PortListeners::select(const ReuseportGroup::Packet& packet) const {
  // The first one names its group, and the group is an array.
  if (age_ == Age::kGroups) return {group_.select(packet), std::min<std::size_t>(size(), 1)};
  Found found;
  std::uint32_t draw = packet.hash;
  for (const ReuseportSocket& socket : chain_) {
    ++found.visited;
    if (age_ == Age::kLastServes) {
      // Another one of the same score does not replace the first, yet a better one might come.
      if (!found.id) found.id = socket.id;
      continue;
    }
    // The n-th replaces those before it with one chance in n, so all have the same in the end.
    if (reciprocal_scale(draw, static_cast<std::uint32_t>(found.visited)) == 0) {
      found.id = socket.id;
    }
    draw = draw * 1'664'525 + 1'013'904'223;
  }
  return found;
}

}  // namespace leat::steering
