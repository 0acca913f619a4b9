#include <utility>

#include "leat/net/internal/readiness_transport.h"
#include "leat/net/internal/transport.h"
#include "leat/reactor/event_loop.h"
#ifdef LEAT_HAS_URING
#include "leat/net/internal/uring_transport.h"
#endif

namespace leat::internal {

std::unique_ptr<Transport> make_socket_transport(EventLoop& loop, UniqueFd socket,
                                                 NetCounters& counters) {
#ifdef LEAT_HAS_URING
  if (Uring* ring = loop.poller().uring()) {
    return std::make_unique<UringTransport>(*ring, std::move(socket), counters);
  }
#endif
  return std::make_unique<ReadinessTransport>(loop, std::move(socket), counters);
}

}  // namespace leat::internal
