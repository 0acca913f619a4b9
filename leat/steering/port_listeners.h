// Public: how kernels of three ages find the socket of a packet among those of one port.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "leat/base/result.h"
#include "leat/steering/reuseport_group.h"

namespace leat::steering {

/// The sockets of one address and port, and what finding one costs. One thread at a time.
class PortListeners {
 public:
  enum class Age : std::uint8_t {
    kLastServes,      ///< Before 3.9: UDP sockets share by SO_REUSEADDR, the last bound gets all.
    kLinearBalanced,  ///< 3.9: SO_REUSEPORT; all are looked at, one among the equal is drawn.
    kGroups,          ///< 4.5 for UDP, 4.6 for TCP: the first one's group decides.
  };

  explicit PortListeners(Age age) : age_(age) {}

  /// Errors as ReuseportGroup::add(), but for the bound, which only groups have.
  Result<void> add(const ReuseportSocket& socket);
  /// False if it is not there.
  bool close(std::uint64_t id);

  struct Found {
    std::optional<std::uint64_t> id;
    std::size_t visited = 0;  ///< Sockets looked at on the way.
  };
  [[nodiscard]] Found select(const ReuseportGroup::Packet& packet) const;

  [[nodiscard]] std::size_t size() const;

 private:
  Age age_;
  std::vector<ReuseportSocket> chain_;  // the last added comes first in the kernel's hash chain
  ReuseportGroup group_;
};

}  // namespace leat::steering
