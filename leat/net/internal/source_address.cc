#include "leat/net/internal/source_address.h"

#include <sys/socket.h>

#include <utility>

#include "leat/base/unique_fd.h"
#include "leat/net/internal/destination_order.h"

namespace leat::internal {

std::optional<InetAddress> source_address(const InetAddress& peer) {
  const UniqueFd socket(::socket(peer.domain(), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return std::nullopt;
  InetAddress target = peer;
  // Port 0 would do for the route, but is refused by some filters.
  if (target.port() == 0) target.set_port(1);
  if (::connect(socket.get(), target.get(), target.size()) != 0) return std::nullopt;
  const Result<InetAddress> local = InetAddress::local_of(socket.get());
  return local ? std::optional(*local) : std::nullopt;
}

void sort_by_preference(std::vector<InetAddress>& addresses) {
  if (addresses.size() < 2) return;
  std::vector<Destination> destinations;
  destinations.reserve(addresses.size());
  for (const InetAddress& address : addresses) {
    destinations.push_back({address, source_address(address)});
  }
  order_destinations(destinations);
  for (std::size_t i = 0; i < addresses.size(); ++i) addresses[i] = destinations[i].address;
}

}  // namespace leat::internal
