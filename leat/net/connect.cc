#include "leat/net/connect.h"

#include <utility>

#include "leat/net/internal/connection_keeper.h"
#include "leat/net/internal/connector.h"
#include "leat/reactor/event_loop.h"

namespace leat::internal {

ConnectWait::ConnectWait(const InetAddress& peer, const ConnectOptions& options)
    : peer_(peer), options_(options) {}

ConnectWait::~ConnectWait() {
  release();
}

bool ConnectWait::begin() {
  connector_ = std::make_shared<Connector>(
      strand().loop(), peer_,
      Connector::Options{.timeout = options_.timeout,
                         .bind_to = options_.bind_to,
                         .connection = options_.connection},
      [this](Result<ConnectedSocket> socket) {
        result_.emplace(std::move(socket));
        // Its callback is what runs.
        strand().loop().release_later(std::exchange(connector_, nullptr));
        resume();
      });
  connector_->start();
  return true;
}

void ConnectWait::release() {
  if (connector_ == nullptr) return;
  connector_->cancel();
  strand().loop().release_later(std::exchange(connector_, nullptr));
}

void ConnectWait::cancel() {
  release();
  resume_soon();
}

Result<TcpConnectionPtr> ConnectWait::await_resume() {
  if (!result_) return cancelled("connect");
  if (!*result_) return std::move(*result_).error();
  const auto keeper = std::make_shared<ConnectionKeeper>(strand().loop(), options_.connection);
  return keeper->adopt(std::move(**result_));
}

}  // namespace leat::internal
