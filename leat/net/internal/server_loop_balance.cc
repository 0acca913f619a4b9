// What the loops of one server give each other.

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "leat/base/assert.h"
#include "leat/base/log_rate_limit.h"
#include "leat/net/internal/server_loop.h"

namespace leat::internal {

/// It raises the load before it looks, and stop() refuses before that looks: in the one total order
/// of both, either this sees the refusal, or the stop waits for what comes.
bool ServerLoop::reserve() {
  load_.fetch_add(1);
  if (!refuses_.load()) return true;
  give_up_place();
  return false;
}

/// A stop may have seen it, and wait.
void ServerLoop::give_up_place() {
  load_.fetch_sub(1);
  if (refuses_.load()) handle_.queue([self = shared_from_this()] { self->report_if_stopped(); });
}

/// The loop with the least, if that is so much less that a task to it is worth while: by more than
/// one, and by more than an eighth of it. Each loop's load is its own; nothing is locked.
ServerLoop* ServerLoop::lighter_peer() const {
  const std::size_t own = load();
  ServerLoop* lightest = nullptr;
  std::size_t least = own;
  for (const auto& peer : *peers_) {
    const std::size_t load = peer->load();
    const bool refuses = peer->refuses_.load(std::memory_order_relaxed) ||
                         !peer->takes_new_.load(std::memory_order_relaxed);
    if (load >= least || refuses || peer->is_full()) continue;
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

// Live connections.

Result<std::shared_ptr<ConnectionOwner>> ServerLoop::reserve_on(EventLoop& target) {
  const auto is_there = [&target](const auto& peer) { return &peer->loop() == &target; };
  const auto peer = peers_ ? std::ranges::find_if(*peers_, is_there) : Peers::const_iterator();
  if (!peers_ || peer == peers_->end()) {
    return Error::invalid_argument("move_to: the loop is none of the server's");
  }
  if (!(*peer)->reserve()) return Error::from_errno(ESHUTDOWN, "move_to: the server is stopping");
  return std::shared_ptr<ConnectionOwner>(*peer);
}

void ServerLoop::connection_leaves(TcpConnection& connection) {
  const std::size_t erased = connections_.erase(connection.id());
  LEAT_ASSERT(erased == 1, "a connection left that was not here");
  counters_.open.subtract();
  counters_.moved_out.add();
  load_.fetch_sub(1, std::memory_order_relaxed);
  note_room();
}

void ServerLoop::connection_lands(const TcpConnectionPtr& connection) {
  loop_.assert_in_loop_thread();
  connections_.emplace(connection->id(), connection);
  counters_.open.add();
  counters_.moved_in.add();
}

void ServerLoop::connection_settled(TcpConnection& connection) {
  if (torn_down_ || cutting_) {
    connection.finish(CloseReason::kServerStopped);
  } else if (stopping_) {
    ask_to_finish(connection.shared_from_this());
  }
}

}  // namespace leat::internal
