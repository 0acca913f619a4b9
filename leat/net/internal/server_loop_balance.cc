// What the loops of one server give each other.

#include <new>
#include <utility>

#include "leat/base/log_rate_limit.h"
#include "leat/net/internal/server_loop.h"

namespace leat::internal {

/// It raises the load before it looks, and stop() refuses before that looks: in the one total order
/// of both, either this sees the refusal, or the stop waits for what comes.
bool ServerLoop::reserve() {
  load_.fetch_add(1);
  if (!refuses_.load()) return true;
  load_.fetch_sub(1);
  // The stop may have seen it, and wait.
  handle_.queue([self = shared_from_this()] { self->report_if_stopped(); });
  return false;
}

/// The loop with the least, if that is so much less that a task to it is worth while: by more than
/// one, and by more than an eighth of it. Each loop's load is its own; nothing is locked.
ServerLoop* ServerLoop::lighter_peer() const {
  const std::size_t own = load();
  ServerLoop* lightest = nullptr;
  std::size_t least = own;
  for (const auto& peer : *peers_) {
    const std::size_t load = peer->load();
    if (load >= least || peer->refuses_.load(std::memory_order_relaxed) || peer->is_full())
      continue;
    lightest = peer.get();
    least = load;
  }
  return own > least + least / 8 ? lightest : nullptr;
}

/// Takes over what it has accepted, but for what other loops have more room for.
void ServerLoop::spread(std::vector<ConnectedSocket>&& sockets) {
  std::vector<ConnectedSocket> own;
  own.reserve(sockets.size());
  for (ConnectedSocket& socket : sockets) {
    ServerLoop* peer = lighter_peer();
    if (peer == nullptr || !peer->reserve()) {
      expect(1);
      own.push_back(std::move(socket));
    } else {
      hand_over(*peer, std::move(socket));
    }
  }
  if (!own.empty()) adopt(std::move(own));
}

/// What reserve() was called for. A loop that ends meanwhile closes it, as it does with its own.
void ServerLoop::hand_over(ServerLoop& peer, ConnectedSocket socket) {
  try {
    peer.handle_.queue([to = peer.shared_from_this(), socket = std::move(socket)]() mutable {
      std::vector<ConnectedSocket> one;
      one.push_back(std::move(socket));
      to->adopt(std::move(one));
    });
    counters_.handed_over.add();
  } catch (const std::bad_alloc&) {
    peer.load_.fetch_sub(1);
    counters_.accept_failed.add();
    LEAT_LOG_ERROR_LIMITED("a new connection is closed: out of memory");
  }
}

}  // namespace leat::internal
